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
    stroke = tasks.add_parser("stroke", help="stroke lesions on FLAIR slices")
    stroke.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder with flair_axial.npz, ...")
    stroke.add_argument("--split", choices=("val", "train", "all"), default="val")
    stroke.add_argument("--device", choices=DEVICES, default="auto")
    stroke.add_argument("--json", action="store_true", help="print one JSON document")
    stroke.set_defaults(run=run_stroke)
    synthesis = tasks.add_parser("stroke-synthesis", help="the mask GAN or a translator against held-out patients")
    synthesis.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder with masks3d.npz, ...")
    synthesis.add_argument("--network", default="stroke-mask-gan", help="stroke-mask-gan or stroke-TRANSLATOR")
    synthesis.add_argument("--count", type=positive, help="masks to draw (default: as many as held-out ones)")
    synthesis.add_argument("--device", choices=DEVICES, default="auto")
    synthesis.add_argument("--json", action="store_true", help="print one JSON document")
    synthesis.set_defaults(run=run_synthesis)
    for task in (covid, phantom):
        add_network_options(task)
        task.add_argument("--json", action="store_true", help="print one JSON document")


def run_covid(options: argparse.Namespace) -> None:
    from CovidLungQuantLib.evaluation import evaluate_slices, evaluate_volumes
    from LesionKitLib.errors import UnusableInput

    if not options.data.is_dir():
        raise UnusableInput(f"The data folder '{options.data}' does not exist.")
    evaluate = evaluate_volumes if (options.data / "labels.csv").exists() else evaluate_slices
    with cancellable_progress() as progress:
        document = evaluate(options.data, options.split, options.network, options.device, progress)
        progress.report("done", 1.0)
    _print_document(document, options.json)


def run_stroke(options: argparse.Namespace) -> None:
    from LesionKitLib.errors import UnusableInput
    from StrokeSynthLib.evaluation import evaluate_soop

    if not options.data.is_dir():
        raise UnusableInput(f"The data folder '{options.data}' does not exist.")
    with cancellable_progress() as progress:
        document = evaluate_soop(options.data, options.split, options.device, progress)
        progress.report("done", 1.0)
    _print_document(document, options.json)


def run_synthesis(options: argparse.Namespace) -> None:
    from LesionKitLib.errors import UnusableInput
    from StrokeSynthLib.synthesis_evaluation import evaluate_synthesis

    if not options.data.is_dir():
        raise UnusableInput(f"The data folder '{options.data}' does not exist.")
    with cancellable_progress() as progress:
        document = evaluate_synthesis(options.data, options.network, options.count, options.device, progress)
        progress.report("done", 1.0)
    if options.json:
        print_json(document)
        return
    print(f"{document['network']}, n = {document['n']}")
    _print_nested(document["metrics"], "  ")


def _print_nested(figures: dict, indent: str) -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            _print_nested(value, f"{indent}  ")
        else:
            print(f"{indent}{name:28} {value if isinstance(value, int) else format(value, '.4f')}")


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


def _print_document(document: dict, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    _print_metrics(f"{document['network']}, {document['n']} images", document["metrics"])
    for source, metrics in document["per_source"].items():
        _print_metrics(source, metrics)


def _print_metrics(title: str, metrics: dict) -> None:
    print(f"\n{title}")
    for name, figures in metrics.items():
        if not isinstance(figures, dict):
            print(f"  {name:14} {figures:.3f}")
            continue
        shown = [f"{metric} {figure(value)}" for metric, value in figures.items() if isinstance(value, dict)]
        print(f"  {name:14} n={figures['n']:<4} " + "  ".join(shown))
