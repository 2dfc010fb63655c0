"""``lesionkit stroke segment``: the stroke lesion of one brain MR, as files."""

from __future__ import annotations

import argparse
import time

from .console import cancellable_progress, print_json
from .options import add_device_option, add_identify_option, add_report_options, check_report_options


def add_parser(tasks) -> None:
    parser = tasks.add_parser("segment", help="segment and measure the ischemic stroke lesion of a brain MR")
    parser.add_argument("input", help="a DICOM folder or file, .nii, .nii.gz, .nrrd, .mha or .mhd")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--series", help="DICOM series: its UID, number, or place in the folder's list (1, 2, ...)")
    parser.add_argument("--tissues", action="store_true", help="segment the tissue classes, too (some seconds more)")
    add_device_option(parser)
    add_identify_option(parser)
    add_report_options(parser)
    parser.add_argument("--json", action="store_true", help="print the measurements as one JSON document")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.io.atomic import refuse_unwritable
    from LesionKitLib.io.identity import identified
    from LesionKitLib.io.images import read_volume_and_header
    from StrokeSynthLib.pipeline import segment_stroke
    from StrokeSynthLib.results.files import write_outputs

    check_report_options(options)
    refuse_unwritable(options.output)
    start = time.perf_counter()
    with cancellable_progress() as progress:
        progress.report("reading", 0.0)
        volume, header = read_volume_and_header(options.input, options.series)
        if options.identify:
            volume = identified(volume, options.input)
        read_seconds = time.perf_counter() - start
        result = segment_stroke(volume, options.device, progress, header, read_seconds, options.tissues)
        names = write_outputs(result, options.output, options.pdf, options.paper)
    if options.json:
        print_json(result.summary())
    else:
        print_result(result)
        print(f"\nResults are in {options.output}: {', '.join(names)}")


def pieces(count: int) -> str:
    """1 piece, 2 pieces."""
    return "1 piece" if count == 1 else f"{count} pieces"


def print_result(result) -> None:
    """The measurements as text for people."""
    found = result.measurements
    print(f"stroke lesion {found['lesion_ml']:.1f} ml in {pieces(found['lesions'])}, side: {found['side']}")
    print(f"largest piece {found['largest_ml']:.1f} ml; brain {found['brain_ml']:.0f} ml")
    print(f"{result.seconds['total']:.1f} s on {result.device}")
    for note in result.notes:
        print(f"Note: {note}")
    print("Research and education only, not a medical device.")
