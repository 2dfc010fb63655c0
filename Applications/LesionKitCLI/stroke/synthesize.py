"""``lesionkit stroke synthesize``: a brain image with a stroke from a label map, as files."""

from __future__ import annotations

import argparse

from LesionKitCLI.shared.console import cancellable_progress, print_json
from LesionKitCLI.shared.options import (
    add_device_option,
    add_json_option,
    add_output_option,
    add_report_options,
    add_seed_option,
    check_device,
    check_report_options,
)
from LesionKitCLI.shared.parser import add_command

from .segment import component_count


def add_parser(tasks) -> None:
    parser = add_command(
        tasks,
        "synthesize",
        "make a FLAIR-like brain image with a stroke from a label map",
        (
            "lesionkit stroke synthesize --output made --seed 3 --side left",
            "lesionkit stroke synthesize --labels labels.nii.gz --lesion lesion.nii.gz --output made",
        ),
    )
    parser.add_argument("--labels", metavar="FILE", help="label map, ours or FreeSurfer's (default: the bundled brain)")
    parser.add_argument(
        "--lesion", metavar="FILE|gan|none", default="gan", help="a lesion mask on the labels' grid, or drawn (default)"
    )
    add_choices(parser)
    add_output_option(parser)
    add_report_options(parser)
    add_json_option(parser, "what was done")
    parser.set_defaults(run=run)


def add_choices(parser: argparse.ArgumentParser) -> None:
    """What synthesize and database let choose alike."""
    from StrokeSynthLib.networks.registry import TRANSLATORS
    from StrokeSynthLib.synthesis.lesion_sampling import SIDES, VOLUME_RANGE_ML

    parser.add_argument("--translator", choices=TRANSLATORS, default="pix2pix", help="default: pix2pix")
    add_seed_option(parser)
    low, high = VOLUME_RANGE_ML
    parser.add_argument(
        "--volume", nargs=2, type=float, default=(low, high), metavar=("LOW", "HIGH"), help="of the drawn lesion, ml"
    )
    parser.add_argument("--side", choices=SIDES, default="any", help="of the drawn lesion")
    add_device_option(parser)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.io.atomic import refuse_unwritable
    from LesionKitLib.io.images import read_volume
    from LesionKitLib.io.mask_files import read_mask
    from StrokeSynthLib.results.synthesis_files import synthesis_document, write_synthesis
    from StrokeSynthLib.synthesis.synthesis import synthesize

    check_report_options(options)
    refuse_unwritable(options.output)
    check_device(options.device)
    with cancellable_progress() as progress:
        labels = read_volume(options.labels) if options.labels else None
        drawn = {"gan": "gan", "none": None}
        lesion = drawn[options.lesion] if options.lesion in drawn else read_mask(options.lesion, "lesion mask")
        result = synthesize(
            labels, lesion, options.translator, options.seed, tuple(options.volume), options.side,
            options.device, progress,
        )  # fmt: skip
        names = write_synthesis(result, options.output, options.pdf, options.paper)
        progress.report("done", 1.0)
    about = synthesis_document(result)
    if options.json:
        print_json(about)
        return
    side = f", {about['side']}" if about["lesions"] else ""
    print(f"lesion {about['lesion_ml']:.1f} ml in {component_count(about['lesions'])}{side}; seed {about['seed']}")
    print(f"{about['translator']}, {about['seconds']['total']:.1f} s on {about['device']}")
    for note in about["notes"]:
        print(f"Note: {note}")
    print(f"\nResults are in {options.output}: {', '.join(names)}")
    print("Research and education only, not a medical device.")
