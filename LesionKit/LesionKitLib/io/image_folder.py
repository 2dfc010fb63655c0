"""Folders that hold image files other than DICOM, as data sets are stored."""

from __future__ import annotations

from pathlib import Path

from LesionKitLib.io.dicom.header import is_dicom
from LesionKitLib.run.errors import UnusableInput

from .file_kind import ending_of, header_beside, is_readable_name, kind_by_name

_SHOWN = 5  # names in a sentence


def image_in(folder: Path) -> Path | None:
    """The one image file of a folder, at any depth, without DICOM; None for every folder that should be read as DICOM.

    Raises UnusableInput with the files' names where there are several: which one is meant, only the user knows.
    """
    try:
        next(folder.iterdir(), None)
    except PermissionError as error:
        raise UnusableInput("The folder cannot be opened: reading it is not permitted.") from error
    files = sorted(file for file in folder.rglob("*") if is_readable_name(file) and file.is_file())
    files = [file for file in files if not _hidden(file.relative_to(folder))]
    found = [file for file in files if not (ending_of(file).startswith(".img") and header_beside(file))]
    if not found or any(is_dicom(file) for file in folder.rglob("*") if file.is_file()):
        return None
    images = [file for file in found if ending_of(file) != ".seg.nrrd"]
    if len(found) == len(images) == 1:
        return images[0]
    names = ", ".join(file.relative_to(folder).as_posix() for file in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    if not images:
        raise UnusableInput(f"The folder holds segmentations, no image: {names}{more}.")
    kinds = {kind_by_name(file) for file in found}
    kind = kinds.pop() if len(kinds) == 1 else "image"
    raise UnusableInput(
        f"The folder holds no DICOM images, but {len(found)} {kind} files: {names}{more}; give one of them."
    )


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
