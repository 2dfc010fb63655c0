"""``lesionkit evaluate``: agreement with expert labels, with intervals."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from . import evaluate_router, evaluate_stroke
from .console import cancellable_progress, positive, print_evaluation, print_json
from .covid import add_network_options


def add_parser(commands) -> None:
    parser = commands.add_parser("evaluate", help="measure a network against expert labels")
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    covid = tasks.add_parser("covid", help="lesion segmentation on labeled CT slices, or slice calls on CT volumes")
    covid.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="folder with split.csv, index.csv or labels.csv"
    )
    covid.add_argument("--split", choices=("val", "train", "all"), default="val")
    covid.set_defaults(run=run_covid)
    decision = tasks.add_parser("covid-class", help="the decision COVID-19 or not on labeled CT pictures")
    decision.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder with index.csv and img")
    decision.add_argument("--split", choices=("val", "train", "calibration", "all"), default="val")
    decision.set_defaults(run=run_covid_class)
    phantom = tasks.add_parser(
        "phantom", help="volumes on procedural chests: a check of geometry, not of accuracy on patients"
    )
    phantom.add_argument("--count", type=positive, default=20, help="phantoms (default 20)")
    phantom.add_argument("--seed", type=int, default=1000)
    phantom.set_defaults(run=run_phantom)
    for task in (covid, decision):
        task.add_argument("--output", type=Path, metavar="DIR", help="folder for a report with pictures")
    for task in (covid, decision, phantom):
        add_network_options(task, "jcs" if task is decision else "convlstm")
    evaluate_stroke.add_task(tasks)
    evaluate_router.add_task(tasks)
    for task in tasks.choices.values():
        task.add_argument("--json", action="store_true", help="print one JSON document")


def run_covid(options: argparse.Namespace) -> None:
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.evaluation.covid import evaluate_and_score, evaluate_effusions, evaluate_volumes

    _check_folders(options)
    draw = None
    with cancellable_progress() as progress:
        chosen = (options.data, options.split, options.network, options.device, progress)
        if (options.data / "labels.csv").exists():
            if options.output:
                raise UnusableInput("Slice calls on volumes have no pictures; leave --output out.")
            document = evaluate_volumes(*chosen)
        elif any(options.data.glob("*_effusion.nii.gz")):
            if options.output:
                raise UnusableInput("Effusions of volumes have no pictures; leave --output out.")
            document = evaluate_effusions(*chosen)
        else:
            document, scores = evaluate_and_score(*chosen)
            draw = partial(_draw_areas, scores)
        progress.report("done", 1.0)
    _show(options, document, draw)


def run_covid_class(options: argparse.Namespace) -> None:
    from LesionKitResearch.evaluation.covid_classification import evaluate_decisions

    _check_folders(options)
    with cancellable_progress() as progress:
        document, scores = evaluate_decisions(options.data, options.split, options.network, options.device, progress)
        progress.report("done", 1.0)
    _show(options, document, partial(_draw_decisions, scores, document["threshold"]))


def _check_folders(options: argparse.Namespace) -> None:
    from LesionKitLib.io.atomic import refuse_unwritable
    from LesionKitLib.run.errors import UnusableInput

    if not options.data.is_dir():
        raise UnusableInput(f"The data folder '{options.data}' does not exist.")
    if options.output:
        refuse_unwritable(options.output)


def _draw_areas(scores, path: Path) -> None:
    from LesionKitResearch.evaluation.covid_figures import draw_areas

    draw_areas(scores, path)


def _draw_decisions(scores, threshold: float, path: Path) -> None:
    from LesionKitResearch.evaluation.covid_figures import draw_decisions

    draw_decisions(scores, threshold, path)


def _show(options: argparse.Namespace, document: dict, draw) -> None:
    """The document on stdout, as JSON or for people, and the report where one is wished."""
    if options.output and draw:
        from LesionKitResearch.evaluation.covid_report import write_evaluation

        write_evaluation(document, draw, options.output)
    print_evaluation(document, options.json)


def run_phantom(options: argparse.Namespace) -> None:
    from LesionKitResearch.evaluation.covid_phantoms import evaluate_phantoms

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
    within = document["lesions_within_10_percent"], document["totals_within_5_percent"]
    for n, (what, limit) in enumerate((("lesion", 10), ("total", 5))):
        print(
            f"\n{within[n]} of {len(document[what + 's'])} {what}s within {limit} %, error in the median "
            f"{document[f'median_{what}_percent']:.1f} %, at most {document[f'worst_{what}_percent']:.1f} %",
            end="",
        )
    print()
