"""``lesionkit stroke synthesize``: a brain image with a stroke from a label map, as files."""

from __future__ import annotations

import argparse

from .console import cancellable_progress, print_json
from .options import add_device_option
from .stroke_segment import pieces


def add_parser(tasks) -> None:
    parser = tasks.add_parser("synthesize", help="make a FLAIR-like brain image with a stroke from a label map")
    parser.add_argument("--labels", metavar="FILE", help="label map, ours or FreeSurfer's (default: the bundled brain)")
    parser.add_argument(
        "--lesion", metavar="FILE|gan|none", default="gan", help="a lesion mask on the labels' grid, or drawn (default)"
    )
    add_choices(parser)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--json", action="store_true", help="print what was done as one JSON document")
    parser.set_defaults(run=run)


def add_choices(parser: argparse.ArgumentParser) -> None:
    """What synthesize and database let choose alike."""
    from StrokeSynthLib.networks.registry import TRANSLATORS
    from StrokeSynthLib.synthesis.mask_sampling import SIDES, VOLUME_RANGE_ML

    parser.add_argument("--translator", choices=TRANSLATORS, default="pix2pix")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same result (default 0)")
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
    from StrokeSynthLib.results.synthesis_files import write_synthesis
    from StrokeSynthLib.synthesis.synthesis import synthesize

    refuse_unwritable(options.output)
    with cancellable_progress() as progress:
        labels = read_volume(options.labels) if options.labels else None
        drawn = {"gan": "gan", "none": None}
        lesion = drawn[options.lesion] if options.lesion in drawn else read_mask(options.lesion, "lesion mask")
        result = synthesize(
            labels, lesion, options.translator, check_seed(options.seed), tuple(options.volume), options.side,
            options.device, progress,
        )  # fmt: skip
        write_synthesis(result, options.output)
        progress.report("done", 1.0)
    about = result.summary()
    if options.json:
        print_json(about)
        return
    side = f", {about['side']}" if about["side"] else ""
    print(f"lesion {about['lesion_ml']:.1f} ml in {pieces(about['lesions'])}{side}; seed {about['seed']}")
    print(f"{about['translator']}, {about['seconds']['total']:.1f} s on {about['device']}")
    for note in about["notes"]:
        print(f"Note: {note}")
    print(f"\nResults are in {options.output}: image, labels, lesion (.nii.gz), segmentation.seg.nrrd, synthesis.json")
    print("Research and education only, not a medical device.")


def check_seed(seed: int) -> int:
    """Raises UnusableInput below 0, which NumPy's generators do not take."""
    from LesionKitLib.run.errors import UnusableInput

    if seed < 0:
        raise UnusableInput("The seed must be 0 or a larger whole number.")
    return seed
