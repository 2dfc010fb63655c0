"""``lesionkit stroke experiment``: what synthetic cases add to few or many real ones."""

from __future__ import annotations

import argparse
from dataclasses import replace

from LesionKitCLI.shared.console import cancellable_progress, print_json
from LesionKitCLI.shared.options import (
    add_data_options,
    add_device_option,
    add_json_option,
    add_output_option,
    positive,
)
from LesionKitCLI.shared.parser import add_command


def add_parser(tasks) -> None:
    parser = add_command(
        tasks,
        "experiment",
        "train with and without synthetic cases and compare; a stopped experiment goes on",
        (
            "lesionkit stroke experiment --data mr --sizes 10,50,all --output exp",
            "lesionkit stroke experiment --data mr --small --output exp",
        ),
    )
    add_data_options(parser, "soop and synthseg_labels", splits=())
    add_output_option(parser, "folder for runs and tables")
    parser.add_argument("--sizes", metavar="LIST", help="numbers of real cases, e.g. 10,50,all (the default)")
    parser.add_argument("--arms", metavar="LIST", help="of real,pix2pix,spade,cyclegan,randomized (default: all)")
    parser.add_argument("--seeds", type=positive, help="repetitions with other cases (default 3)")
    parser.add_argument("--steps", type=positive, help="training steps of each run (default 300)")
    parser.add_argument("--small", action="store_true", help="a setting of about 15 minutes on two cores")
    parser.add_argument("--finished", action="store_true", help="train nothing, sum up the runs that are finished")
    add_device_option(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.io.atomic import refuse_unwritable
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.experiments.stroke_summary import FIGURE, as_markdown
    from LesionKitResearch.experiments.stroke_synthetic_data import run_experiment

    if not (options.data / "soop").is_dir():
        raise UnusableInput(f"'{options.data}' holds no folder soop.")
    refuse_unwritable(options.output)
    with cancellable_progress() as progress:
        summary = run_experiment(
            options.data, options.output, setting_of(options), options.device, progress, only_finished=options.finished
        )
    if options.json:
        print_json(summary)
    else:
        print(as_markdown(summary))
        print(f"Tables and figure are in {options.output} ({FIGURE}).")


def setting_of(options: argparse.Namespace):
    """The setting that the options describe; raises UnusableInput for sizes or arms that are not known."""
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.experiments.stroke_synthetic_data import ARMS, SMALL, Setting, parse_sizes

    setting = SMALL if options.small else Setting()
    changes: dict = {}
    if options.sizes:
        changes["sizes"] = parse_sizes(options.sizes)
    if options.arms:
        changes["arms"] = tuple(arm.strip() for arm in options.arms.split(","))
        unknown = [arm for arm in changes["arms"] if arm not in ARMS]
        if unknown:
            raise UnusableInput(f"'{unknown[0]}' is not known; choose of {', '.join(ARMS)}.")
    if options.seeds:
        changes["seeds"] = tuple(range(options.seeds))
    if options.steps:
        changes["steps"] = options.steps
    return replace(setting, **changes)
