"""``lesionkit stroke segment``: the stroke lesions of brain MRs, as files."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from LesionKitCLI.shared.console import cancellable_progress, print_json
from LesionKitCLI.shared.inputs import each_input, output_folders
from LesionKitCLI.shared.options import (
    add_device_option,
    add_dicom_option,
    add_identify_option,
    add_json_option,
    add_report_options,
    check_device,
    check_folders,
    check_report_options,
    refuse_without_dicom,
)
from LesionKitCLI.shared.parser import add_command
from LesionKitCLI.shared.series_options import add_input_options, choice_named, listed


def add_parser(tasks) -> None:
    parser = add_command(
        tasks,
        "segment",
        "segment and measure the ischemic stroke lesion of a brain MR",
        (
            "lesionkit stroke segment MR_FOLDER --output out",
            "lesionkit stroke segment first.nii.gz second.nii.gz --output out --json",
        ),
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="a DICOM folder or file, .nii, .nii.gz, .nrrd, .mha or .mhd; of several, each gets a folder in --output",
    )
    add_input_options(parser)
    parser.add_argument("--tissues", action="store_true", help="segment the tissue classes, too (some seconds more)")
    add_device_option(parser)
    add_identify_option(parser)
    add_dicom_option(parser)
    add_report_options(parser)
    add_json_option(parser, "the measurements")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from LesionKitLib.io.dicom.choice import BRAIN_MR
    from StrokeSynthLib.networks.registry import NETWORKS, SEGMENTATION

    if listed(options.inputs, options, BRAIN_MR):
        return 0
    check_report_options(options)
    check_folders(options)
    check_device(options.device)
    NETWORKS.model(SEGMENTATION)
    summaries = []

    def segment(path: str, folder: Path) -> None:
        result, names = segment_one(path, folder, options)
        summaries.append(result.summary())
        if not options.json:
            print_result(result)
            print(f"\nResults are in {folder}: {', '.join(names)}")

    code = each_input(output_folders(options.inputs, options.output), segment)
    if options.json:
        print_json(summaries[0] if len(options.inputs) == 1 else summaries)
    return code


def segment_one(path: str, folder: Path, options: argparse.Namespace):
    """Read, segment, measure and write one image; returns the StrokeResult and the written names."""
    from LesionKitLib.io.dicom.choice import BRAIN_MR
    from LesionKitLib.io.images import read_volume_and_header
    from StrokeSynthLib.pipeline import segment_stroke
    from StrokeSynthLib.results.files import write_outputs

    start = time.perf_counter()
    with cancellable_progress() as progress:
        progress.report("reading", 0.0)
        chosen = (options.series, options.group, BRAIN_MR, options.identify)
        volume, header = read_volume_and_header(path, *chosen)
        read_seconds = time.perf_counter() - start
        refuse_without_dicom(volume, options)
        with choice_named(volume):
            result = segment_stroke(volume, options.device, progress, header, read_seconds, options.tissues)
        names = write_outputs(result, folder, options.pdf, options.paper, options.dicom)
    return result, names


def component_count(count: int) -> str:
    """1 component, 2 components."""
    return "1 component" if count == 1 else f"{count} components"


def print_result(result) -> None:
    """The measurements as text for people."""
    found = result.measurements
    print(f"stroke lesion {found['lesion_ml']:.1f} ml in {component_count(found['lesions'])}, side: {found['side']}")
    print(f"largest component {found['largest_ml']:.1f} ml; brain {found['brain_ml']:.0f} ml")
    print(f"{result.seconds['total']:.1f} s on {result.device}")
    for note in result.notes:
        print(f"Note: {note}")
    print("Research and education only, not a medical device.")
