"""Zip archives of a browser: every member stays inside the folder, and none grows without bound."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

from .limits import Limits, free_place

CHUNK = 1 << 20


def unpack(archive: Path, folder: Path, limits: Limits) -> list[Path]:
    """The members of a zip archive as files in the folder (flat: DICOM needs no folders), and the archive removed.

    Links and devices are left out. Raises UnusableInput for what is no archive, is damaged, encrypted or too large.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [one for one in opened.infolist() if _is_file(one)]
            limits.check_files(len(members))
            written = _extract(opened, members, folder, limits, archive.stat().st_size)
    except UnusableInput:
        raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise UnusableInput(
            "The zip archive cannot be unpacked: it is damaged, encrypted or of an unknown kind."
        ) from error
    archive.unlink()
    if not written:
        raise UnusableInput("The zip archive holds no file.")
    return written


def _is_file(member: zipfile.ZipInfo) -> bool:
    mode = member.external_attr >> 16
    return not member.is_dir() and (stat.S_IFMT(mode) in (0, stat.S_IFREG))


def _extract(opened, members, folder: Path, limits: Limits, packed: int) -> list[Path]:
    written, total = [], 0
    most = min(limits.bytes, max(int(packed * limits.ratio), CHUNK))
    for member in members:
        place = free_place(folder, member.filename)
        with opened.open(member) as source, place.open("wb") as target:
            while chunk := source.read(CHUNK):
                total += len(chunk)
                limits.check_bytes(total)
                if total > most:
                    raise UnusableInput("The zip archive unpacks to far more than its own size, so it is not taken.")
                target.write(chunk)
        written.append(place)
    return written
