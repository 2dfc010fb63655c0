"""``lesionkit evaluate stroke``: stroke lesions on FLAIR slices."""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import cancellable_progress, print_json, print_metrics
from .covid import DEVICES


def add_task(tasks) -> None:
    stroke = tasks.add_parser("stroke", help="stroke lesions on FLAIR slices")
    stroke.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder with flair_axial.npz, ...")
    stroke.add_argument("--split", choices=("val", "train", "all"), default="val")
    stroke.add_argument("--device", choices=DEVICES, default="auto")
    stroke.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.errors import UnusableInput
    from StrokeSynthLib.evaluation import evaluate_soop

    if not options.data.is_dir():
        raise UnusableInput(f"The data folder '{options.data}' does not exist.")
    with cancellable_progress() as progress:
        document = evaluate_soop(options.data, options.split, options.device, progress)
        progress.report("done", 1.0)
    if options.json:
        print_json(document)
        return
    print_metrics(f"{document['network']}, {document['n']} images", document["metrics"])
    for source, metrics in document["per_source"].items():
        print_metrics(source, metrics)
