"""``lesionkit evaluate router``: body part of labeled X-rays."""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import cancellable_progress, figure, print_json, print_metrics
from .options import add_device_option


def add_task(tasks) -> None:
    router = tasks.add_parser("router", help="body part of labeled X-rays: F1, precision, recall")
    router.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder with index.csv")
    router.add_argument("--split", choices=("val", "train", "all"), default="val")
    _add_options(router)
    router.set_defaults(run=run)


def _add_options(parser) -> None:
    from BodyPartRouterLib.networks.registry import DEFAULT_NETWORK, NETWORKS

    parser.add_argument("--network", choices=tuple(NETWORKS), default=DEFAULT_NETWORK)
    add_device_option(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="also write predictions.csv, metrics.json and confusion.png there"
    )


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.io.atomic import refuse_unwritable
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.evaluation.router import evaluate_router
    from LesionKitResearch.evaluation.router_files import write_evaluation

    if not options.data.is_dir():
        raise UnusableInput(f"The data folder '{options.data}' does not exist.")
    if options.output:
        refuse_unwritable(options.output)
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
