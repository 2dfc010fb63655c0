"""``lesionkit stroke database``: many synthetic cases in folders as BIDS names them."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

from LesionKitCLI.shared.console import cancellable_progress, print_json
from LesionKitCLI.shared.options import add_json_option, add_output_option, check_device, positive
from LesionKitCLI.shared.parser import add_command

from .synthesize import add_choices


def add_parser(tasks) -> None:
    parser = add_command(
        tasks,
        "database",
        "make a database of synthetic cases; a stopped run goes on",
        ("lesionkit stroke database --cases 100 --output synthetic",),
    )
    parser.add_argument("--cases", required=True, type=positive, metavar="N", help="how many")
    parser.add_argument(
        "--labels", nargs="+", metavar="FILE", default=[], help="label maps to draw from (default: the bundled brain)"
    )
    add_choices(parser)
    add_output_option(parser, "a new folder, or the one of a stopped run")
    add_json_option(parser, "the cases")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.io.images import read_volume
    from StrokeSynthLib.synthesis.database import DatabaseSetting, make_database

    check_device(options.device)
    names = tuple(Path(path).name for path in options.labels) or ("template",)
    maps = [functools.partial(read_volume, path) for path in options.labels] or [lambda: None]
    setting = DatabaseSetting(options.seed, options.translator, tuple(options.volume), options.side, names)
    with cancellable_progress() as progress:
        rows = make_database(options.output, options.cases, setting, maps, options.device, progress)
    if options.json:
        print_json({"cases": rows})
        return
    print(f"{len(rows)} cases are in {options.output}; participants.tsv tells volume, side and seed of each.")
    print("Research and education only, not a medical device.")
