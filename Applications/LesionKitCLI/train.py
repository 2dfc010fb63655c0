"""``lesionkit train``: train a bundled network anew from the public data sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import train_covid, train_router, train_stroke
from .console import positive
from .options import add_device_option

RUNNERS = {name: module.run for module in (train_covid, train_stroke, train_router) for name in module.NAMES}


def add_parser(commands) -> None:
    parser = commands.add_parser("train", help="train a network anew; a stopped run goes on where it stopped")
    parser.add_argument("name", choices=tuple(RUNNERS), metavar="NAME", help=", ".join(RUNNERS))
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="covid: folder with sirm100, pseudo1600, volumes, classify; stroke: with soop, synthseg_labels; "
        "router: folder of X-rays with index.csv",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR")
    parser.add_argument("--steps", type=positive, help="optimizer steps (default: the recipe's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=positive, help="covid: cross-validate by patient in so many parts instead")
    parser.add_argument("--as-it-is", action="store_true", help="stroke: describe what an unfinished training reached")
    add_device_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    return RUNNERS[options.name](options)
