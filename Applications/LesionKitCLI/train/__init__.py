"""``lesionkit train``: train a bundled network anew from the public data sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from LesionKitCLI.shared.options import add_device_option, add_seed_option, check_folders, positive
from LesionKitCLI.shared.parser import add_command

from . import covid, router, stroke

RUNNERS = {name: module.run for module in (covid, stroke, router) for name in module.NAMES}


def add_parser(commands) -> None:
    parser = add_command(
        commands,
        "train",
        "train a network anew; a stopped run goes on where it stopped",
        (
            "lesionkit train covid-convlstm --data ct --output trained",
            "lesionkit train covid-convlstm --data ct --output folds --folds 5 --steps 200",
            "lesionkit train covid-convlstm --data ct --output tuned --start models/covid-convlstm",
            "lesionkit train router --data xr --output trained",
        ),
    )
    parser.add_argument("name", choices=tuple(RUNNERS), metavar="NAME", help=", ".join(RUNNERS))
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="covid: folder with sirm100, pseudo1600, volumes, classify; stroke: with soop, synthseg_labels; "
        "router: folder of X-rays with index.csv",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the state and the model")
    parser.add_argument("--steps", type=positive, help="optimizer steps (default: the recipe's)")
    add_seed_option(parser)
    parser.add_argument("--folds", type=positive, help="covid: cross-validate by patient in so many parts instead")
    parser.add_argument(
        "--start",
        type=Path,
        metavar="MODEL",
        help="go on from the model in that folder: covid-convlstm, stroke-unet and the router's networks are "
        "fine-tuned, covid-jcs and covid-multitask get a new head for their decision",
    )
    parser.add_argument(
        "--head-only", action="store_true", help="router: with --start, train the last layer alone, in minutes"
    )
    parser.add_argument("--as-it-is", action="store_true", help="stroke: describe what an unfinished training reached")
    add_device_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    check_folders(options)
    return RUNNERS[options.name](options)
