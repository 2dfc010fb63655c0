"""Who the patient of a DICOM image is: read only where a user asked for it (--identify)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.imaging.volume import Volume

NOT_KNOWN = "The image does not say who the patient is, so the results do not either."
_TAGS = ["PatientName", "PatientID", "SeriesInstanceUID"]


def identified(volume: Volume, path: str | os.PathLike) -> Volume:
    """The volume with PatientName and PatientID (DICOM PS3.3 C.7.1.1) in its source.

    path: what was read: a DICOM file, or a folder; of a folder the first file of the volume's series (any file where
    the source names no series) is asked. Where nothing is said, the volume gets a note instead.
    """
    source = volume.source or ImageSource()
    for file in _files(Path(path)):
        found = _patient(file, source.series_uid)
        if found is not None and any(found):
            return replace(volume, source=replace(source, patient_name=found[0], patient_id=found[1]))
    return replace(volume, notes=(*volume.notes, NOT_KNOWN))


def _patient(file: Path, series_uid: str) -> tuple[str, str] | None:
    """(name, ID) as people read them; None when the file is no DICOM or of another series."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
    except (InvalidDicomError, OSError, ValueError):
        return None
    if series_uid and str(header.get("SeriesInstanceUID", "")) != series_uid:
        return None
    name = str(header.get("PatientName", "") or "")
    parts = [part.strip() for part in name.split("=")[0].split("^")]  # family, given, middle, prefix, suffix
    return ", ".join(part for part in parts if part), str(header.get("PatientID", "") or "").strip()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in sorted(path.rglob("*")) if file.is_file())
    else:
        yield path
