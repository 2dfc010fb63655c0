"""Options that several commands have, defined once."""

from __future__ import annotations

import argparse

from LesionKitLib.models.inference import DEVICES


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


def check_report_options(options: argparse.Namespace) -> None:
    """Raises MissingResource before anything is computed when a PDF is wanted and cannot be written here."""
    if options.pdf:
        from LesionKitLib.report.pdf import require_pdf

        require_pdf()
