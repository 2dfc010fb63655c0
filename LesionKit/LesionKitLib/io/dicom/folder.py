"""The files of a folder, disc or DICOMDIR, and what to say when there is no image among them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from LesionKitLib.io.file_kind import is_readable_name
from LesionKitLib.run.errors import UnusableInput

from .file import is_dicom, read_dicom_file
from .header import Scan

_SHOWN = 6  # file names in a sentence


@dataclass
class Tree:
    """Files below a folder, in the order of their paths; folders: how many could not be opened."""

    files: list[Path] = field(default_factory=list)
    closed_folders: int = 0


def walk(folder: Path) -> Tree:
    """All files of a folder and of the folders below it, at any depth.

    Links to folders are followed, each folder once; pipes, devices and the like are passed over. Raises UnusableInput
    where the folder itself may not be read.
    """
    tree, seen = Tree(), set()
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UnusableInput("The folder cannot be opened: reading it is not permitted.")

    def closed(_: OSError) -> None:
        tree.closed_folders += 1

    for place, folders, names in os.walk(folder, onerror=closed, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        tree.files.extend(path for name in sorted(names) if (path := Path(place, name)).is_file())
    return tree


def files_beside(file: Path) -> Tree:
    """The files of the folder that a file lies in, without the folders below."""
    try:
        return Tree([path for path in sorted(file.parent.iterdir()) if path.is_file()])
    except PermissionError:  # a folder that may be entered, but not listed
        return Tree([file])


def is_media_directory(path: Path) -> bool:
    """Whether the file is a DICOMDIR; its images are then looked for in its folder."""
    if not is_dicom(path):
        return False
    try:
        return read_dicom_file(path, ["SOPClassUID"]).is_media_directory
    except Exception:  # pydicom raises many kinds on damaged files; those are told when the file itself is read
        return False


def images_not_on_disc(directories: Sequence[Path]) -> int:
    """How many files the DICOMDIRs list that are not there; names of discs may differ in case."""
    missing = 0
    for directory in directories:
        there = {_disc_name(path.relative_to(directory.parent)) for path in walk(directory.parent).files}
        missing += sum(_disc_name(Path(*parts)) not in there for parts in _listed(directory))
    return missing


def _listed(directory: Path) -> list[list[str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            records = read_dicom_file(directory).data.get("DirectoryRecordSequence") or ()
            files = [record.get("ReferencedFileID") for record in records]
    except Exception:  # a damaged DICOMDIR: the files speak for themselves
        return []
    return [[one] if isinstance(one, str) else [str(part) for part in one] for one in files if one]


def _disc_name(path: Path) -> str:
    return path.as_posix().lower().removesuffix(".").split(";")[0]


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Those that are NIfTI, NRRD or MetaImage by their names."""
    return [path for path in paths if is_readable_name(path) and not path.name.startswith(".")]


def refuse_nothing(scan: Scan, folder: Path | None) -> None:
    """Raises UnusableInput where the scan found no image: with what there is instead.

    folder: the folder that was looked through, None for a single file.
    """
    if scan.frames:
        return
    if scan.encrypted:
        raise UnusableInput("The DICOM files are encrypted; they hold no image that can be read.")
    if scan.without_image or scan.damaged:
        raise UnusableInput(_unusable_files(scan))
    if scan.not_images:
        kinds = ", ".join(sorted(kind or "unknown" for kind in scan.not_images))
        raise UnusableInput(f"The DICOM files hold no images (only: {kinds}).")
    if scan.unreadable:
        raise UnusableInput("The files cannot be opened: reading them is not permitted.")
    others = image_files(scan.other)
    if others and folder is not None:
        raise UnusableInput(
            f"The folder holds no DICOM images, but {len(others)} image files: {names_of(others, folder)}; give one of "
            "them."
        )
    if scan.media_directories:
        raise UnusableInput("There is a DICOMDIR, but none of the images that it lists.")
    if scan.empty and not scan.other:
        raise UnusableInput("The files in the folder are all empty (0 bytes).")
    raise UnusableInput("There are no DICOM images in the folder, nor in the folders below it.")


def _unusable_files(scan: Scan) -> str:
    parts = []
    if scan.without_image:
        parts.append(_without_image(scan.without_image))
    if scan.damaged:
        parts.append(_damaged(scan.damaged))
    return f"There is no DICOM image that can be read: {'; '.join(parts)}."


def _without_image(count: int) -> str:
    one = count == 1
    return f"{_files(count)} before {'its' if one else 'their'} image begins (cut short, truncated, or never an image)"


def _damaged(count: int) -> str:
    return (
        "1 file has a header that cannot be parsed"
        if count == 1
        else f"{count} files have headers that cannot be parsed"
    )


def _files(count: int) -> str:
    return "1 file ends" if count == 1 else f"{count} files end"


def _are(count: int) -> str:
    return "1 file is" if count == 1 else f"{count} files are"


def names_of(paths: Sequence[Path], folder: Path) -> str:
    """Names relative to the folder, the first few."""
    shown = ", ".join(path.relative_to(folder).as_posix() for path in paths[:_SHOWN])
    return shown + (f" and {len(paths) - _SHOWN} others" if len(paths) > _SHOWN else "")


def left_out_notes(scan: Scan, tree: Tree) -> list[str]:
    """Sentences about everything beside the images: other objects, empty and damaged files, missing ones."""
    notes = []
    if scan.not_images:
        kinds = ", ".join(f"{count} {kind or 'unknown'}" for kind, count in sorted(scan.not_images.items()))
        notes.append(f"DICOM objects that are no images were left out: {kinds}.")
    for count, what in (
        (scan.without_image, _without_image(scan.without_image)),
        (scan.damaged, _damaged(scan.damaged)),
        (scan.empty, f"{_are(scan.empty)} empty (0 bytes)"),
        (scan.unreadable, f"{_are(scan.unreadable)} not permitted to be read"),
    ):
        if count:
            notes.append(f"{what}; left out.")
    if missing := images_not_on_disc(scan.media_directories):
        notes.append(f"{_are(missing)} listed in the DICOMDIR, but not there.")
    if tree.closed_folders:
        folders = "1 folder" if tree.closed_folders == 1 else f"{tree.closed_folders} folders"
        notes.append(f"{folders} could not be opened: reading is not permitted.")
    return notes
