"""``lesionkit evaluate stroke``: stroke lesions on FLAIR slices."""

from __future__ import annotations

import argparse

from LesionKitCLI.shared.console import cancellable_progress, print_evaluation, print_json
from LesionKitCLI.shared.options import add_data_options, add_device_option, add_json_option, check_folders, positive
from LesionKitCLI.shared.parser import add_command


def add_tasks(tasks) -> None:
    stroke = add_command(
        tasks,
        "stroke",
        "stroke lesions on FLAIR or DWI slices",
        ("lesionkit evaluate stroke --data mr/soop --split val",),
    )
    add_data_options(stroke, "flair_axial.npz, dwi_axial.npz, ...")
    add_device_option(stroke)
    stroke.set_defaults(run=run)
    synthesis = add_command(
        tasks,
        "stroke-synthesis",
        "the mask GAN or a translator against held-out patients",
        ("lesionkit evaluate stroke-synthesis --data mr/soop --network stroke-pix2pix",),
    )
    add_data_options(synthesis, "masks3d.npz, ...", splits=())
    synthesis.add_argument("--network", default="stroke-mask-gan", help="stroke-mask-gan or stroke-TRANSLATOR")
    synthesis.add_argument("--count", type=positive, help="masks to draw (default: as many as held-out ones)")
    add_device_option(synthesis)
    synthesis.set_defaults(run=run_synthesis)
    for task in (stroke, synthesis):
        add_json_option(task)


def run(options: argparse.Namespace) -> None:
    from LesionKitResearch.evaluation.stroke import evaluate_soop

    check_folders(options)
    with cancellable_progress() as progress:
        document = evaluate_soop(options.data, options.split, options.device, progress)
        progress.report("done", 1.0)
    print_evaluation(document, options.json)


def run_synthesis(options: argparse.Namespace) -> None:
    from LesionKitResearch.evaluation.stroke_synthesis import evaluate_synthesis

    check_folders(options)
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
