"""``lesionkit evaluate correction``: what strokes of a robot annotator gain, by method."""

from __future__ import annotations

import argparse

from LesionKitCLI.covid import add_network_options
from LesionKitCLI.shared.console import cancellable_progress, figure, print_json
from LesionKitCLI.shared.options import add_data_options, add_json_option, add_seed_option, check_folders
from LesionKitCLI.shared.parser import add_command

METHODS = ("teach", "paint", "growcut", "randomwalker", "econet")
MOST_STROKES = 50


def add_tasks(tasks) -> None:
    correction = add_command(
        tasks,
        "correction",
        "what each stroke of a robot annotator gains, by method of correction",
        (
            "lesionkit evaluate correction --data ct/sirm100 --method teach",
            "lesionkit evaluate correction --data mr/soop --method paint --strokes 0,3 --json",
        ),
    )
    add_data_options(correction, "split.csv or index.csv, or flair_axial.npz")
    correction.add_argument("--method", choices=METHODS, default="teach", help="how strokes are used (default: teach)")
    correction.add_argument(
        "--strokes", type=numbers_of_strokes, default=(0, 1, 2, 3, 5, 10), metavar="N,N,...",
        help="measure after so many strokes a picture (default 0,1,2,3,5,10)",
    )  # fmt: skip
    add_seed_option(correction)
    add_network_options(correction)
    add_json_option(correction)
    correction.set_defaults(run=run_correction)


def numbers_of_strokes(text: str) -> tuple[int, ...]:
    """Whole numbers with commas, ascending, for argparse; raises ArgumentTypeError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) <= MOST_STROKES for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of whole numbers from 0 to {MOST_STROKES}, as 0,1,3")
    return tuple(sorted({int(part) for part in parts}))


def run_correction(options: argparse.Namespace) -> None:
    from LesionKitResearch.correction.evaluation import evaluate_correction

    check_folders(options)
    with cancellable_progress() as progress:
        document = evaluate_correction(
            options.data, options.split, options.network, options.method, options.strokes, options.device, progress,
            options.seed,
        )  # fmt: skip
        progress.report("done", 1.0)
    if options.json:
        print_json(document)
        return
    print(f"{document['network']}, {document['method']}, {document['n']} pictures")
    for name, figures in document["metrics"].items():
        print(f"\n{name}, n = {figures['n']}\n{'strokes':>8}  {'Dice':22} area error %")
        for k in document["strokes"]:
            print(f"{k:8}  {figure(figures[f'dice_{k}']):22} {figure(figures[f'area_error_percent_{k}'], 1)}")
    seconds = document["seconds_per_stroke"]
    if seconds["median"] is not None:
        print(f"\n{seconds['median']:.2f} s per stroke in the median, at most {seconds['most']:.2f} s")
