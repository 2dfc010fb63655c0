"""``lesionkit evaluate``: agreement with expert labels, with intervals."""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import cancellable_progress, figure, positive, print_json
from .covid import DEVICES, add_network_options


def add_parser(commands) -> None:
    parser = commands.add_parser("evaluate", help="measure a network against expert labels")
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    covid = tasks.add_parser("covid", help="lesion segmentation on labelled CT slices, or slice calls on CT volumes")
    covid.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="folder with split.csv, index.csv or labels.csv"
    )
    covid.add_argument("--split", choices=("val", "train", "all"), default="val")
    covid.set_defaults(run=run_covid)
    phantom = tasks.add_parser(
        "phantom", help="volumes on procedural chests: a check of geometry, not of accuracy on patients"
    )
    phantom.add_argument("--count", type=positive, default=20, help="phantoms (default 20)")
    phantom.add_argument("--seed", type=int, default=1000)
    phantom.set_defaults(run=run_phantom)
    router = tasks.add_parser("router", help="body part of labelled X-rays: F1, precision, recall")
    router.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder with index.csv")
    router.add_argument("--split", choices=("val", "train", "all"), default="val")
    _add_router_options(router)
    router.set_defaults(run=run_router)
    for task in (covid, phantom):
        add_network_options(task)
    for task in (covid, phantom, router):
        task.add_argument("--json", action="store_true", help="print one JSON document")


def _add_router_options(parser) -> None:
    from BodyPartRouterLib.networks_list import DEFAULT_NETWORK, NETWORKS

    parser.add_argument("--network", choices=tuple(NETWORKS), default=DEFAULT_NETWORK)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="also write predictions.csv, metrics.json and confusion.png there"
    )


def run_router(options: argparse.Namespace) -> None:
    from BodyPartRouterLib.evaluation import evaluate_router
    from BodyPartRouterLib.outputs import write_evaluation
    from LesionKitLib.atomic import refuse_unwritable
    from LesionKitLib.errors import UnusableInput

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
    _print_metrics(f"{document['network']}, {document['n']} X-rays", document["metrics"])
    print(f"  held {figure(document['held'])}   strict F1 {figure(document['strict']['macro']['f1'])}", end="")
    print(f"   calibration error {document['calibration_error']:.3f}   {document['seconds_per_image']:.4f} s per image")
    for source, metrics in document["per_source"].items():
        _print_metrics(source, {name: value for name, value in metrics.items() if name != "held"})


def run_covid(options: argparse.Namespace) -> None:
    from CovidLungQuantLib.evaluation import evaluate_slices, evaluate_volumes
    from LesionKitLib.errors import UnusableInput

    if not options.data.is_dir():
        raise UnusableInput(f"The data folder '{options.data}' does not exist.")
    evaluate = evaluate_volumes if (options.data / "labels.csv").exists() else evaluate_slices
    with cancellable_progress() as progress:
        document = evaluate(options.data, options.split, options.network, options.device, progress)
        progress.report("done", 1.0)
    if options.json:
        print_json(document)
    else:
        _print_metrics(f"{document['network']}, {document['n']} images", document["metrics"])
        for source, metrics in document["per_source"].items():
            _print_metrics(source, metrics)


def run_phantom(options: argparse.Namespace) -> None:
    from CovidLungQuantLib.phantom_evaluation import evaluate_phantoms

    with cancellable_progress() as progress:
        document = evaluate_phantoms(options.count, options.seed, options.network, options.device, progress)
        progress.report("done", 1.0)
    if options.json:
        print_json(document)
        return
    print(f"{'case':>5} {'spacing mm':18} {'lesion':15} {'true ml':>8} {'found ml':>9} {'error %':>8}")
    for row in document["lesions"]:
        spacing = " x ".join(f"{s:.2f}" for s in row["spacing"])
        print(
            f"{row['case']:5} {spacing:18} {row['key']:15} "
            f"{row['true_ml']:8.1f} {row['ml']:9.1f} {row['error_percent']:8.1f}"
        )
    print(
        f"\nlargest error of a lesion {document['worst_lesion_percent']:.1f} %, "
        f"of a case's total {document['worst_total_percent']:.1f} %"
    )
    within = document["lesions_within_10_percent"]
    print(f"{within} of {len(document['lesions'])} lesions within 10 %")


def _print_metrics(title: str, metrics: dict) -> None:
    print(f"\n{title}")
    for name, figures in metrics.items():
        if not isinstance(figures, dict):
            print(f"  {name:14} {figures:.3f}")
            continue
        shown = [f"{metric} {figure(value)}" for metric, value in figures.items() if isinstance(value, dict)]
        print(f"  {name:14} n={figures['n']:<4} " + "  ".join(shown))
