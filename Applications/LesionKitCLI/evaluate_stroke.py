"""``lesionkit evaluate stroke``: stroke lesions on FLAIR slices."""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import cancellable_progress, positive, print_evaluation, print_json
from .options import add_device_option


def add_task(tasks) -> None:
    stroke = tasks.add_parser("stroke", help="stroke lesions on FLAIR or DWI slices")
    stroke.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="folder with flair_axial.npz, dwi_axial.npz, ..."
    )
    stroke.add_argument("--split", choices=("val", "train", "all"), default="val")
    add_device_option(stroke)
    stroke.set_defaults(run=run)
    synthesis = tasks.add_parser("stroke-synthesis", help="the mask GAN or a translator against held-out patients")
    synthesis.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder with masks3d.npz, ...")
    synthesis.add_argument("--network", default="stroke-mask-gan", help="stroke-mask-gan or stroke-TRANSLATOR")
    synthesis.add_argument("--count", type=positive, help="masks to draw (default: as many as held-out ones)")
    add_device_option(synthesis)
    synthesis.set_defaults(run=run_synthesis)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.evaluation.stroke import evaluate_soop

    if not options.data.is_dir():
        raise UnusableInput(f"The data folder '{options.data}' does not exist.")
    with cancellable_progress() as progress:
        document = evaluate_soop(options.data, options.split, options.device, progress)
        progress.report("done", 1.0)
    print_evaluation(document, options.json)


def run_synthesis(options: argparse.Namespace) -> None:
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitResearch.evaluation.stroke_synthesis import evaluate_synthesis

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
