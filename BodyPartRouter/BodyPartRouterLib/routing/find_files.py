"""The files that a command is given, by name or by folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

from .printable import printable

# in folders these are passed over; anything else is tried and, if it cannot be read, listed
PASSED_OVER = {".csv", ".html", ".json", ".md", ".pdf", ".py", ".txt", ".xml", ".yaml", ".yml", ".zip", ".sqlite"}


def find_files(inputs: Sequence[str | os.PathLike], without: Sequence[Path] = ()) -> list[Path]:
    """The files named, and those in the folders named (all levels, sorted; hidden ones and DICOMDIR passed over).

    What is no regular file (a pipe, a socket, a device, a link to one or to nothing) is passed over: opening it may
    wait for ever.

    without: folders whose files are not taken, because results go there. Raises UnusableInput when a path does not
    exist or is no file, a folder holds no file, or is itself one of those folders.
    """
    found: dict[Path, None] = {}
    leave = {path.resolve() for path in without}
    for given in map(Path, inputs):
        if given.is_dir():
            if given.resolve() in leave:
                raise UnusableInput(f"'{printable(given)}' is read; choose another folder to sort into.")
            inside = [path for path in _walk(given, leave) if path.suffix.lower() not in PASSED_OVER]
            if not inside:
                raise UnusableInput(f"The folder '{printable(given)}' holds no image.")
            found.update(dict.fromkeys(inside))
        elif given.is_file():
            found[given] = None
        elif given.exists():
            raise UnusableInput(f"'{printable(given)}' is no file.")
        else:
            raise UnusableInput(f"'{printable(given)}' does not exist.")
    return list(found)


def _walk(folder: Path, leave: set[Path]) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not (leave and Path(here, name).resolve() in leave)
        )
        for name in sorted(names):
            path = Path(here, name)
            if not name.startswith(".") and name.upper() != "DICOMDIR" and path.is_file():
                yield path
