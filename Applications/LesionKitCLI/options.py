"""Options that several commands have, defined once."""

from __future__ import annotations

import argparse

from LesionKitLib.models.inference import DEVICES


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """--device, as every command that runs a network has it."""
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the network runs (default: auto)")
