"""Write beside, then rename: a file or a whole output folder appears complete, or not at all.

Whatever stops the writing (an error, cancelling, a full disk), the unfinished part is removed and what stood there
before stays as it was. Failures that the user can mend (no permission, disk full, ...) become UnusableInput.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REASONS = {
    errno.EACCES: "writing there is not permitted",
    errno.EPERM: "writing there is not permitted",
    errno.EROFS: "it lies on a read-only disk",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EEXIST: "a file of that name stands in the way",
    errno.EISDIR: "a folder of that name stands in the way",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOENT: "the path does not exist",
}
_PART = ".part-"


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a path beside ``path``, with the same ending, to write to; renames it to ``path`` when the block succeeds.

    Missing parent folders are made. On any exception the unfinished file is removed and ``path`` is untouched.
    Raises UnusableInput when the place cannot be written to or the disk is full.
    """
    path = Path(path)
    made: list[Path] = []
    part = path.parent / f"{_PART}{_token()}-{path.name}"
    try:
        with _plain_errors(path):
            _refuse_folder(path)
            made = _make_folder(path.parent)
            part.touch()
        with _plain_errors(path, within=part):
            yield part
        with _plain_errors(path):
            os.replace(part, path)
    except BaseException:
        if part.parent.is_dir():
            part.unlink(missing_ok=True)
        _remove_empty(made)
        raise


@contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Gives an empty folder to fill; its files come to lie in ``path`` when the block succeeds.

    A new ``path`` appears by one rename. In a folder that exists already, files of the same name are replaced and all
    others stay; should replacing fail midway, the old files are put back. On any exception (Cancelled and
    KeyboardInterrupt too) nothing of the new files stays. Raises UnusableInput before the block runs when the place
    cannot be written to, so that a long computation does not end there.
    """
    path = Path(path)
    made: list[Path] = []
    stage: Path | None = None
    try:
        with _plain_errors(path):
            existed = path.is_dir()
            if not existed:
                _refuse_file(path)
                made = _make_folder(path.parent)
            # Inside a folder that exists (it may be a mount point), beside one that does not: a rename needs one disk.
            stage = (path if existed else path.parent) / f"{_PART}{_token()}"
            stage.mkdir()
        with _plain_errors(path, within=stage):
            yield stage
        with _plain_errors(path):
            if existed:
                _move_into(stage, path)
            else:
                os.replace(stage, path)
    except BaseException:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
        _remove_empty(made)
        raise
    shutil.rmtree(stage, ignore_errors=True)


def refuse_unwritable(path: str | os.PathLike) -> None:
    """Raises UnusableInput when atomic_folder(path) would; leaves nothing behind. For use before a long computation."""
    with suppress(_Enough), atomic_folder(path):
        raise _Enough


class _Enough(Exception):
    """Leaves atomic_folder the way an error does, so that nothing is made."""


def unwritable(path: str | os.PathLike, error: OSError) -> UnusableInput:
    """The sentence for an OSError met while writing to ``path``."""
    if error.errno in _FULL:
        return UnusableInput(f"The disk is full: '{shown(path)}' could not be written.")
    reason = _REASONS.get(error.errno, error.strerror or "unknown reason")
    return UnusableInput(f"'{shown(path)}' cannot be written: {reason}.")


def shown(path: str | os.PathLike) -> str:
    """The path as users know it: for a file in an unfinished output folder only its name."""
    path = Path(path)
    return path.name if any(part.startswith(_PART) for part in path.parent.parts) else str(path)


@contextmanager
def _plain_errors(path: Path, within: Path | None = None) -> Iterator[None]:
    """Turns OSError into UnusableInput; with ``within``, only a full disk and failures on paths that begin so."""
    try:
        yield
    except OSError as error:
        ours = within is None or error.errno in _FULL or str(error.filename or "").startswith(str(within))
        if not ours:
            raise
        raise unwritable(path, error) from error


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))


def _refuse_file(path: Path) -> None:
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _make_folder(folder: Path) -> list[Path]:
    """Makes the folder and its parents; returns those that were new, innermost first. Undoes its work on failure."""
    missing = []
    for candidate in (folder, *folder.parents):
        if candidate.exists():
            break
        missing.append(candidate)
    made: list[Path] = []
    try:
        for candidate in reversed(missing):
            candidate.mkdir(exist_ok=True)
            made.insert(0, candidate)
    except OSError:
        _remove_empty(made)
        raise
    return made


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return  # somebody else has put something there


def _move_into(stage: Path, target: Path) -> None:
    """Moves every file of ``stage`` into ``target``; on failure puts back what was there before."""
    backup = stage / f"{_PART}replaced"
    undo: list[tuple[Path, Path | None]] = []
    made: list[Path] = []
    files = sorted(file for file in stage.rglob("*") if not file.is_dir())
    try:
        for file in files:
            name = file.relative_to(stage)
            place = target / name
            _refuse_folder(place)
            made = _make_folder(place.parent) + made
            old = None
            if os.path.lexists(place):
                old = backup / name
                old.parent.mkdir(parents=True, exist_ok=True)
                os.replace(place, old)
            undo.append((place, old))
            os.replace(file, place)
    except BaseException:
        for place, old in reversed(undo):
            if old is None:
                place.unlink(missing_ok=True)
            else:
                os.replace(old, place)
        _remove_empty(made)
        raise


def _token() -> str:
    return uuid.uuid4().hex[:12]
