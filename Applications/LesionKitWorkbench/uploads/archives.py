"""What a page offers for download as one archive."""

from __future__ import annotations

import zipfile
from pathlib import Path


def zipped(folder: Path, file: Path) -> bytes:
    """All files below the folder as a zip archive, which is written to ``file`` on the way."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return file.read_bytes()
