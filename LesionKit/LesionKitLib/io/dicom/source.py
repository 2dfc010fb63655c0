"""The headers of the images that a volume was read from, for DICOM objects that are to join them in their study.

A DICOM object of a study carries the patient and study of its images (PS3.3 A.1.2: the same Patient and Study
Information Entity); without them no archive files it beside them. They are read from the source's own files when an
object is written and are kept nowhere else.
"""

from __future__ import annotations

from pathlib import Path

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.errors import MissingResource, UnusableInput

from .file import read_dicom_file

# Type 2 elements of the Patient, General Study and General Series modules: present, though perhaps empty
_MAY_BE_EMPTY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName", "StudyID",
)  # fmt: skip
NOT_DICOM = "A DICOM object belongs to the study of its images, so --dicom needs a DICOM series; this image has none."
GONE = "The DICOM files of the image are no longer where they were read; DICOM objects cannot be written without them."


def require_highdicom() -> None:
    """Raises MissingResource, before anything is computed, when no DICOM objects can be written here."""
    import importlib.util

    if importlib.util.find_spec("highdicom") is None:
        raise MissingResource(
            "DICOM objects need the Python package 'highdicom'; install it with: pip install 'lesionkit[dicom]'."
        )


def refuse_without_source(volume: Volume) -> None:
    """Raises UnusableInput where the volume does not come from DICOM files that are still there."""
    files = volume.source.files if volume.source else ()
    if not files:
        raise UnusableInput(NOT_DICOM)
    if not all(Path(file).is_file() for file in files):
        raise UnusableInput(GONE)


def source_headers(volume: Volume) -> list:
    """pydicom data sets of the images that the volume was made from, without their pixels, in the files' order.

    Missing elements that every object of the study must have are added, empty; a missing frame of reference becomes one
    derived from the series. Raises UnusableInput where the volume does not come from DICOM.
    """
    refuse_without_source(volume)
    try:
        headers = [read_dicom_file(Path(file)).data for file in volume.source.files]
    except OSError as error:
        raise UnusableInput(GONE) from error
    for header in headers:
        for keyword in _MAY_BE_EMPTY:
            if keyword not in header:
                setattr(header, keyword, "")
        if not header.get("FrameOfReferenceUID"):
            header.FrameOfReferenceUID = derived_uid(header.SeriesInstanceUID, "frame of reference")
        if "PositionReferenceIndicator" not in header:
            header.PositionReferenceIndicator = ""
    return headers


def derived_uid(*parts: str) -> str:
    """A UID that is the same for the same texts, under pydicom's root (SHA-512 of the texts)."""
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=["LesionKit", *map(str, parts)]))


def finish(dataset, date: str) -> None:
    """Set what the standard wants of every object and what must not depend on the moment of writing, in place.

    date: of the analysis, YYYY-MM-DD; the time is midnight. Texts are written as UTF-8.
    """
    day = date.replace("-", "")
    for keyword in ("InstanceCreationDate", "ContentDate", "SeriesDate"):
        setattr(dataset, keyword, day)
    for keyword in ("InstanceCreationTime", "ContentTime", "SeriesTime"):
        setattr(dataset, keyword, "000000")
    for equipment in dataset.get("ContributingEquipmentSequence", ()):
        equipment.ContributionDateTime = f"{day}000000"
    dataset.SpecificCharacterSet = "ISO_IR 192"
