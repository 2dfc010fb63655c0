"""``lesionkit stroke database``: many synthetic cases in folders as BIDS names them."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

from .console import cancellable_progress, positive, print_json
from .stroke_synthesize import add_choices, check_seed


def add_parser(tasks) -> None:
    parser = tasks.add_parser("database", help="make a database of synthetic cases; a stopped run goes on")
    parser.add_argument("--cases", required=True, type=positive, metavar="N")
    parser.add_argument(
        "--labels", nargs="+", metavar="FILE", default=[], help="label maps to draw from (default: the bundled brain)"
    )
    add_choices(parser)
    parser.add_argument("--output", required=True, metavar="DIR", help="a new folder, or the one of a stopped run")
    parser.add_argument("--json", action="store_true", help="print the cases as one JSON document")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.io.images import read_volume
    from StrokeSynthLib.synthesis.database import DatabaseSetting, make_database

    names = tuple(Path(path).name for path in options.labels) or ("template",)
    maps = [functools.partial(read_volume, path) for path in options.labels] or [lambda: None]
    setting = DatabaseSetting(check_seed(options.seed), options.translator, tuple(options.volume), options.side, names)
    with cancellable_progress() as progress:
        rows = make_database(options.output, options.cases, setting, maps, options.device, progress)
    if options.json:
        print_json({"cases": rows})
        return
    print(f"{len(rows)} cases are in {options.output}; participants.tsv tells volume, side and seed of each.")
    print("Research and education only, not a medical device.")
