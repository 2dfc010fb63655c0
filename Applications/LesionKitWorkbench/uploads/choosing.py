"""What of the sent files is opened: the file itself, a header beside its data, or the folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

HEADERS = (".mhd", ".nhdr", ".hdr")  # whose data lie in a file beside them


def path_to_open(files: Sequence[Path], folder: Path) -> Path:
    """The only file, or the only header, or the folder that holds them all. Raises UnusableInput for none."""
    if not files:
        raise UnusableInput("Nothing was sent.")
    if len(files) == 1:
        return files[0]
    headers = [file for file in files if file.suffix.lower() in HEADERS]
    return headers[0] if len(headers) == 1 else folder


def path_under(root: Path | None, path: str) -> Path:
    """An existing path under the root that the server's owner allows. Raises UnusableInput for any other."""
    if root is None:
        raise UnusableInput(
            "Opening by path is not allowed here; whoever started the page can allow it with --root DIR."
        )
    found = (root / path).resolve()
    if not found.is_relative_to(root.resolve()) or not found.exists():
        raise UnusableInput("There is no such file or folder under the folder that is allowed here.")
    return found
