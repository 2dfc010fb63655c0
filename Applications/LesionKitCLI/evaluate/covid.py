"""``lesionkit evaluate covid`` and ``covid-class``: agreement with expert labels of chest CT."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from LesionKitCLI.covid import add_network_options
from LesionKitCLI.shared.console import cancellable_progress, print_evaluation
from LesionKitCLI.shared.options import SPLITS, add_data_options, add_json_option, check_folders
from LesionKitCLI.shared.parser import add_command


def add_tasks(tasks) -> None:
    covid = add_command(
        tasks,
        "covid",
        "lesion segmentation on labeled CT slices, or slice calls on CT volumes",
        ("lesionkit evaluate covid --data ct/sirm100 --split val --network ensemble",),
    )
    add_data_options(covid, "split.csv, index.csv or labels.csv")
    covid.set_defaults(run=run_covid)
    decision = add_command(
        tasks,
        "covid-class",
        "the decision COVID-19 or not on labeled CT pictures",
        ("lesionkit evaluate covid-class --data ct/classify --network ensemble",),
    )
    add_data_options(decision, "index.csv and img", (*SPLITS, "calibration"))
    decision.set_defaults(run=run_covid_class)
    for task in (covid, decision):
        task.add_argument("--output", type=Path, metavar="DIR", help="folder for a report with pictures")
        add_network_options(task, "jcs" if task is decision else "convlstm")
        add_json_option(task)


def run_covid(options: argparse.Namespace) -> None:
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.evaluation.covid import evaluate_and_score, evaluate_effusions, evaluate_volumes

    check_folders(options)
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

    check_folders(options)
    with cancellable_progress() as progress:
        document, scores = evaluate_decisions(options.data, options.split, options.network, options.device, progress)
        progress.report("done", 1.0)
    _show(options, document, partial(_draw_decisions, scores, document["threshold"]))


def _draw_areas(scores, path: Path) -> None:
    from LesionKitResearch.evaluation.covid_figures import draw_areas

    draw_areas(scores, path)


def _draw_decisions(scores, threshold: float, path: Path) -> None:
    from LesionKitResearch.evaluation.covid_figures import draw_decisions

    draw_decisions(scores, threshold, path)


def _show(options: argparse.Namespace, document: dict, draw) -> None:
    """The document on stdout, as JSON or for people, and the report where one is asked for."""
    if options.output and draw:
        from LesionKitResearch.evaluation.covid_report import write_evaluation

        write_evaluation(document, draw, options.output)
    print_evaluation(document, options.json)
