"""Folders that hold image files other than DICOM, as data sets are stored."""

from __future__ import annotations

from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

from .dicom_header import is_dicom
from .file_kind import ending_of, is_readable_name, kind_by_name

_SHOWN = 5  # names in a sentence


def image_in(folder: Path) -> Path | None:
    """The one image file of a folder without DICOM; None for every folder that should be read as DICOM.

    Raises UnusableInput with the files' names where there are several: which one is meant, only the user knows.
    """
    try:
        files = sorted(entry for entry in folder.iterdir() if entry.is_file())
    except PermissionError as error:
        raise UnusableInput("The folder cannot be opened: reading it is not permitted.") from error
    found = [file for file in files if is_readable_name(file) and not file.name.startswith(".")]
    found = [file for file in found if not (ending_of(file).startswith(".img") and _has_header(file, found))]
    if not found or any(is_dicom(file) for file in folder.rglob("*") if file.is_file()):
        return None
    images = [file for file in found if ending_of(file) != ".seg.nrrd"]
    if len(found) == len(images) == 1:
        return images[0]
    names = ", ".join(file.name for file in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    if not images:
        raise UnusableInput(f"The folder holds segmentations, no image: {names}{more}.")
    kinds = {kind_by_name(file) for file in found}
    kind = kinds.pop() if len(kinds) == 1 else "image"
    raise UnusableInput(
        f"The folder holds no DICOM images but {len(found)} {kind} files: {names}{more}; give one of them."
    )


def _has_header(file: Path, others: list[Path]) -> bool:
    stem = file.name[: -len(ending_of(file))]
    return any(other.name.lower() in (f"{stem}.hdr".lower(), f"{stem}.hdr.gz".lower()) for other in others)
