"""What commands that read one image share: --output, the choice among DICOM series, and --list."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from .console import print_json


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """--output, --series, --group and --list."""
    parser.add_argument("--output", metavar="DIR", help="folder for the results (required, except with --list)")
    parser.add_argument("--series", help="DICOM series: its UID, number, or place in the folder's list (1, 2, ...)")
    parser.add_argument(
        "--group", help="of a series with several images at one place (b-values, kernels): place or label in its list"
    )
    parser.add_argument("--list", action="store_true", help="show what is in the folder and what would be taken")
    parser.set_defaults(parser=parser)


def listed(inputs: list[str], options: argparse.Namespace, task: str) -> bool:
    """Whether the folders' list was asked for, which is then on stdout; ends with a usage error without --output."""
    if not options.list:
        if options.output is None:
            options.parser.error("the following arguments are required: --output")
        return False
    from LesionKitLib.io.dicom.listing import list_folder

    listings = [list_folder(path, task) for path in inputs]
    if options.json:
        documents = [listing.document() for listing in listings]
        print_json(documents[0] if len(documents) == 1 else documents)
        return True
    for path, listing in zip(inputs, listings, strict=True):
        if len(inputs) > 1:
            print(f"{path}:")
        print_listing(listing)
    return True


@contextmanager
def choice_named(volume) -> Iterator[None]:
    """An UnusableInput raised within names the series (or group) that was chosen: another may be the right one."""
    from LesionKitLib.run.errors import UnusableInput

    try:
        yield
    except UnusableInput as error:
        said = [note for note in volume.notes if note.startswith("Of ") and "takes another" in note]
        if not said:
            raise
        chosen = "; ".join("o" + note[1:].rstrip(".") for note in said)
        raise UnusableInput(f"{str(error).rstrip('.')} ({chosen}).") from error


def print_listing(listing) -> None:
    """The list as a table for people; what the task takes is marked with an asterisk."""
    patients = {one.patient for one in listing.series}
    if listing.series:
        print(f"  {'#':>3} {'number':>6} {'kind':<14} {'images':>6} {'thick':>7}  {'date':<10}  description")
    for one in listing.series:
        kind = " ".join(word for word in (one.modality, one.map or one.kind.replace("original", "")) if word)
        thickness = f"{one.slice_thickness:g} mm" if one.slice_thickness else "-"
        number = "-" if one.number is None else one.number
        facts = [one.description, one.kernel and f"kernel {one.kernel}", one.orientation]
        facts.append(f"patient {one.patient}" if len(patients) > 1 else "")
        print(
            f"{'*' if one.chosen else ' '} {one.index:>3} {number:>6} {kind:<14} {one.images:>6} {thickness:>7}  "
            f"{one.date or '-':<10}  {', '.join(fact for fact in facts if fact)}"
        )
        for group in one.groups if len(one.groups) > 1 else ():
            mark = "*" if group.chosen else " "
            print(f"{mark}       group {group.index}: {group.label} ({group.images} images)")
    for file in listing.files:
        print(f"file  {file}")
    for note in (*listing.notes, listing.choice):
        print(f"Note: {note}")
