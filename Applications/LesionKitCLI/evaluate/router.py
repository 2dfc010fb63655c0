"""``lesionkit evaluate router``: body part of labeled X-rays."""

from __future__ import annotations

import argparse
from pathlib import Path

from LesionKitCLI.shared.console import cancellable_progress, figure, print_json, print_metrics
from LesionKitCLI.shared.options import add_data_options, add_device_option, add_json_option, check_folders
from LesionKitCLI.shared.parser import add_command


def add_tasks(tasks) -> None:
    router = add_command(
        tasks,
        "router",
        "body part of labeled X-rays: F1, precision, recall",
        ("lesionkit evaluate router --data xr --split val",),
    )
    add_data_options(router, "index.csv")
    _add_options(router)
    add_json_option(router)
    router.set_defaults(run=run)


def _add_options(parser) -> None:
    from BodyPartRouterLib.networks.registry import DEFAULT_NETWORK, NETWORKS

    parser.add_argument(
        "--network", choices=tuple(NETWORKS), default=DEFAULT_NETWORK, help=f"default: {DEFAULT_NETWORK}"
    )
    add_device_option(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="also write predictions.csv, metrics.json and confusion.png there"
    )


def run(options: argparse.Namespace) -> None:
    from LesionKitResearch.evaluation.router import evaluate_router
    from LesionKitResearch.evaluation.router_files import write_evaluation

    check_folders(options)
    with cancellable_progress() as progress:
        document, scored = evaluate_router(options.data, options.split, options.network, options.device, progress)
        progress.report("done", 1.0)
    if options.output:
        write_evaluation(document, scored, options.output)
    if options.json:
        print_json(document)
        return
    print_metrics(f"{document['network']}, {document['n']} X-rays", document["metrics"])
    print(f"  held {figure(document['held'])}   strict F1 {figure(document['strict']['macro']['f1'])}", end="")
    print(f"   calibration error {document['calibration_error']:.3f}   {document['seconds_per_image']:.4f} s per image")
    for source, metrics in document["per_source"].items():
        print_metrics(source, {name: value for name, value in metrics.items() if name != "held"})
