"""A file into a folder, once: written beside, forced to the disk, renamed; asked again, nothing more is written."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from LesionKitLib.io.digest import file_digest

from .naming import other_name

_PART = ".part-"
_BLOCK = 1 << 20


def put_file(source: Path, folder: Path, name: str, digest: str) -> Path:
    """Copy ``source`` (with this sha256) to folder/name and return where it lies.

    If the same bytes lie there already, nothing is written: so a delivery may be repeated after a crash. If other bytes
    do, they stay, and the file gets a name with its sha256 in it. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    for candidate in (target, folder / other_name(name, digest)):
        target = candidate
        if holds(target, source, digest):
            return target
        if not os.path.lexists(target):
            break
    else:
        raise FileExistsError(f"{target.name} stands in the way")
    part = _part_of(target, digest)
    try:
        _copy(source, part, digest)
        os.replace(part, target)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(folder)
    return target


def holds(target: Path, source: Path, digest: str) -> bool:
    """Whether a regular file with these bytes lies at target."""
    if target.is_symlink() or not target.is_file() or target.stat().st_size != source.stat().st_size:
        return False
    return file_digest(target) == digest


def write_new(path: Path, *blocks: bytes | memoryview) -> None:
    """A whole file or none, on the disk when this returns. Raises OSError."""
    part = _part_of(path)
    try:
        with open(part, "wb") as stream:
            for block in blocks:
                stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def remove_parts(folder: Path) -> None:
    """What a crash has left unfinished in a folder that only we write to."""
    for part in folder.glob(f"{_PART}*"):
        with suppress(OSError):
            part.unlink()


def sync_folder(folder: Path) -> None:
    """Force the folder's list of names to the disk, where the system can."""
    with suppress(OSError):  # Windows cannot
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _part_of(target: Path, digest: str = "") -> Path:
    """The unfinished file beside ``target``: of one short length, so that it fits wherever the name itself does.

    The same each time for the same bytes (``digest``), so that what a crash leaves is written over.
    """
    return target.parent / f"{_PART}{hashlib.sha256(digest.encode() + os.fsencode(target.name)).hexdigest()[:24]}"


def _copy(source: Path, part: Path, digest: str) -> None:
    """Raises OSError when the source is no longer what it was."""
    with open(source, "rb") as stream, open(part, "wb") as out:
        while block := stream.read(_BLOCK):
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    if file_digest(part) != digest:
        raise OSError("the file was changed while it was copied")
