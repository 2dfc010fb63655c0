"""Options that several commands have, defined once."""

from __future__ import annotations

import argparse
from pathlib import Path

from LesionKitLib.models.inference import DEVICES

SPLITS = ("val", "train", "all")


def whole_number(text: str, lowest: int = 0, highest: int | None = None) -> int:
    """A whole number within limits, for argparse; raises ArgumentTypeError for anything else."""
    try:
        value = int(text)
    except ValueError:
        value = lowest - 1
    if value < lowest or (highest is not None and value > highest):
        upto = "" if highest is None else f" to {highest}"
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {lowest}{upto}")
    return value


def positive(text: str) -> int:
    """A whole number from 1, for argparse."""
    return whole_number(text, 1)


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """--device, as every command that runs a network has it."""
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the network runs (default: auto)")


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """--pdf and --paper, as every command that writes a report has them."""
    from LesionKitLib.report.pdf import PAPERS

    parser.add_argument("--pdf", action="store_true", help="write the report as PDF, too")
    parser.add_argument("--paper", choices=tuple(PAPERS), default="a4", help="of the PDF (default: a4)")


def add_identify_option(parser: argparse.ArgumentParser) -> None:
    """--identify, as every command that analyzes a patient's image has it."""
    parser.add_argument(
        "--identify", action="store_true", help="write the patient's name and ID into the results (never without)"
    )


def add_dicom_option(parser: argparse.ArgumentParser) -> None:
    """--dicom, as every command that segments a patient's image has it."""
    parser.add_argument(
        "--dicom",
        action="store_true",
        help="write DICOM objects of the source's study, too: segments (SEG), measurements (SR) and, with --pdf, the "
        "report; like every object of a study they hold the patient's name and ID as the source's headers do",
    )


def refuse_without_dicom(volume, options: argparse.Namespace) -> None:
    """Before anything is computed: raises UnusableInput where DICOM objects are wanted of an image without DICOM."""
    if getattr(options, "dicom", False):
        from LesionKitLib.io.dicom.source import refuse_without_source

        refuse_without_source(volume)


def check_report_options(options: argparse.Namespace) -> None:
    """Raises MissingResource before anything is computed when a PDF or DICOM is wanted and cannot be written here."""
    if getattr(options, "dicom", False):
        from LesionKitLib.io.dicom.source import require_highdicom

        require_highdicom()
    if options.pdf:
        from LesionKitLib.report.pdf import require_pdf

        require_pdf()


def add_output_option(parser: argparse.ArgumentParser, text: str = "folder for the results") -> None:
    """--output, required."""
    parser.add_argument("--output", required=True, metavar="DIR", help=text)


def add_json_option(parser: argparse.ArgumentParser, what: str = "the result") -> None:
    """--json: one document on stdout and nothing else there."""
    parser.add_argument("--json", action="store_true", help=f"print {what} as one JSON document")


def add_seed_option(parser: argparse.ArgumentParser, default: int = 0) -> None:
    """--seed."""
    text = f"the same seed gives the same result (default {default})"
    parser.add_argument("--seed", type=whole_number, default=default, metavar="N", help=text)


def add_data_options(parser: argparse.ArgumentParser, holds: str, splits: tuple[str, ...] = SPLITS) -> None:
    """--data and, where there are splits, --split, as every evaluation has them."""
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help=f"folder with {holds}")
    if splits:
        parser.add_argument("--split", choices=splits, default="val", help="which rows (default: val)")


def check_device(device: str) -> None:
    """Before anything is read: raises UnusableInput where this computer does not have the device."""
    from LesionKitLib.models.inference import choose_runtime

    choose_runtime(device)


def check_folders(options: argparse.Namespace) -> None:
    """Before anything is read: raises UnusableInput where --data is no folder or --output cannot be written."""
    from LesionKitLib.io.atomic import refuse_unwritable
    from LesionKitLib.run.errors import UnusableInput

    data = getattr(options, "data", None)
    if data is not None and not data.is_dir():
        raise UnusableInput(f"The data folder '{data}' does not exist.")
    if getattr(options, "output", None):
        refuse_unwritable(options.output)
