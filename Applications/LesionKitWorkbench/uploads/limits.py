"""What one upload may hold, and names that are safe on this disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

GIB = 1 << 30
LONGEST_NAME = 120


@dataclass(frozen=True)
class Limits:
    """files: at most so many, in archives too. bytes: at most so many in all, unpacked. ratio: an archive may unpack to
    at most so many times its own size (a chest CT packs to about a third, an empty label map to a thousandth)."""

    files: int = 20_000
    bytes: int = 4 * GIB
    ratio: float = 2000.0

    def check_files(self, count: int) -> None:
        """Raises UnusableInput for more files than allowed."""
        if count > self.files:
            raise UnusableInput(f"The upload holds more than {self.files} files, the most that is taken at once.")

    def check_bytes(self, size: int) -> None:
        """Raises UnusableInput for more bytes than allowed."""
        if size > self.bytes:
            raise UnusableInput(f"The upload is larger than {self.bytes / GIB:g} GiB, the most that is taken at once.")


def safe_name(name: str) -> str:
    """The last part of a sent name, of letters, digits, '.', '-' and '_'; never empty, hidden or a folder."""
    base = re.split(r"[\\/]", name)[-1]
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", base).lstrip(".")
    return (plain or "file")[-LONGEST_NAME:].lstrip(".") or "file"


def free_place(folder: Path, name: str) -> Path:
    """Where a file of this name goes: into the folder, or into a folder of its own where the name is taken."""
    place, number = folder / safe_name(name), 0
    while place.exists():
        number += 1
        place = folder / str(number) / safe_name(name)
    place.parent.mkdir(exist_ok=True)
    return place
