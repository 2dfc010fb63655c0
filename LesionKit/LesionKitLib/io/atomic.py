"""Write beside, then rename: a file or a whole output folder appears complete, or not at all.

Whatever stops the writing (an error, cancelling, a full disk), the unfinished part is removed and what stood there
before stays as it was. A file that is replaced keeps its permissions; a symbolic link is followed, never replaced.
Failures that the user can mend (no permission, disk full, ...) become UnusableInput.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
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
    errno.ELOOP: "its symbolic links form a circle",
}
_PART = ".part-"
_MAX_ENDING = 16  # characters of the name that an unfinished file keeps, because writers choose the format by them


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a path beside ``path``, with the same ending, to write to; renames it to ``path`` when the block succeeds.

    Missing parent folders are made. A file that stood there hands on its permissions; where ``path`` is a symbolic
    link, the file that it leads to is written. On any exception the unfinished file is removed and ``path`` is
    untouched. Raises UnusableInput when the place cannot be written to or the disk is full.
    """
    path = Path(path)
    made: list[Path] = []
    part: Path | None = None
    try:
        with _plain_errors(path):
            target = _followed(path)
            _refuse_folder(target)
            made = _make_folder(target.parent)
            part = _touched(target)
        with _plain_errors(path, within=part):
            yield part
        with _plain_errors(path):
            _adopt_mode(part, target)
            os.replace(part, target)
    except BaseException:
        if part is not None:
            part.unlink(missing_ok=True)
        _remove_empty(made)
        raise


@contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Gives an empty folder to fill; its files come to lie in ``path`` when the block succeeds.

    A new ``path`` appears by one rename. In a folder that exists already, files of the same name are replaced and all
    others stay; should replacing fail midway, the old files are put back. Permissions and symbolic links are treated as
    atomic_file treats them. On any exception (Cancelled and KeyboardInterrupt too) nothing of the new files stays.
    Raises UnusableInput before the block runs when the place cannot be written to, so that a long computation does not
    end there.
    """
    path = Path(path)
    made: list[Path] = []
    stage: Path | None = None
    try:
        with _plain_errors(path):
            target = _followed(path)
            existed = target.is_dir()
            if not existed:
                _refuse_file(target)
                made = _make_folder(target.parent)
            # Inside a folder that exists (it may be a mount point), beside one that does not: a rename needs one disk.
            stage = (target if existed else target.parent) / f"{_PART}{_token()}"
            stage.mkdir()
        with _plain_errors(path, within=stage):
            yield stage
        with _plain_errors(path):
            if existed:
                _move_into(stage, target)
            else:
                os.replace(stage, target)
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


def _followed(path: Path) -> Path:
    """Where ``path`` leads when it is a symbolic link (there need not be anything yet), else ``path`` itself.

    Raises OSError for a name that no disk takes and for links in a circle.
    """
    try:
        linked = stat.S_ISLNK(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return path
    if not linked:
        return path
    try:
        return path.resolve()
    except RuntimeError as error:  # Python before 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error


def _touched(target: Path) -> Path:
    """A new empty file beside ``target`` that no one may read who must not read ``target``."""
    ending = "".join(target.suffixes[-2:])
    part = target.parent / f"{_PART}{_token()}{ending if len(ending) <= _MAX_ENDING else target.suffix[:_MAX_ENDING]}"
    part.touch()
    _adopt_mode(part, target, stat.S_IRUSR | stat.S_IWUSR)
    return part


def _adopt_mode(new: Path, old: Path, further: int = 0) -> None:
    """Give ``new`` the permissions of ``old``, where there is one, and its owner and group as far as is allowed."""
    try:
        status = os.stat(old)
    except FileNotFoundError:
        return
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(new, status.st_uid, status.st_gid)
    os.chmod(new, stat.S_IMODE(status.st_mode) | further)


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
            place = _followed(target / name)
            _refuse_folder(place)
            made = _make_folder(place.parent) + made
            _adopt_mode(file, place)
            old = None
            if os.path.lexists(place):
                old = backup / name
                old.parent.mkdir(parents=True, exist_ok=True)
                _move(place, old)
            undo.append((place, old))
            _move(file, place)
    except BaseException:
        for place, old in reversed(undo):
            if old is None:
                place.unlink(missing_ok=True)
            else:
                _move(old, place)
        _remove_empty(made)
        raise


def _move(source: Path, target: Path) -> None:
    """os.replace, also from one disk to another, where a link has led."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = target.parent / f"{_PART}{_token()}"
        try:
            shutil.copy2(source, part)
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        source.unlink()


def _token() -> str:
    return uuid.uuid4().hex[:12]
