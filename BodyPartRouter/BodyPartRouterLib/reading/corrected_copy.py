"""A copy of a DICOM file with the body part corrected; the original is never touched."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from BodyPartRouterLib.labels import BODY_PARTS, CLASSES, TITLES, Code
from LesionKitLib import __version__
from LesionKitLib.io.atomic import atomic_file
from LesionKitLib.run.errors import UnusableInput

MAKER, MODEL = "LesionKit", "BodyPartRouter"
MODIFYING_EQUIPMENT = Code("109103", "DCM", "Modifying Equipment")
SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
LONGEST_DESCRIPTION = 1024  # characters of the representation ST


def write_corrected_copy(path: str | os.PathLike, destination: str | os.PathLike, label: str) -> None:
    """Write ``destination``: the DICOM file ``path`` with the body part of ``label`` coded in it.

    Set are BodyPartExamined and AnatomicRegionSequence (PS3.16 context group 4031); ContributingEquipmentSequence says
    who changed it and DerivationDescription what was changed; SourceImageSequence names the original. The copy gets a
    SOP instance UID of its own, its pixels stay as they are (still compressed, too).
    Raises UnusableInput when the file is no DICOM image, the class has no body part of its own (others), or the
    destination exists or cannot be written; ValueError when ``label`` is no class.
    """
    path, destination = Path(path), Path(destination)
    if label not in CLASSES:
        raise ValueError(f"no class: {label}")
    if label not in BODY_PARTS:
        raise UnusableInput(f"'{TITLES[label]}' stands for many body parts, so none can be written into the header.")
    if destination.exists():
        raise UnusableInput(f"'{destination}' exists already; it was not overwritten.")
    data = _read(path)
    _correct(data, label)
    with atomic_file(destination) as part:
        data.save_as(part, enforce_file_format=True)


def _read(path: Path):
    import pydicom

    from LesionKitLib.io.dicom.header import is_dicom

    if not is_dicom(path):
        raise UnusableInput("Only a DICOM file can get a corrected copy.")
    try:
        data = pydicom.dcmread(path)
        complete = data.get("SOPClassUID") and data.get("SOPInstanceUID") and "PixelData" in data
    except PermissionError as error:
        raise UnusableInput("The input cannot be opened: reading it is not permitted.") from error
    except Exception as error:  # pydicom raises many kinds on damaged files
        raise UnusableInput("The image file is damaged or cut short (truncated); copy it again.") from error
    if not complete:
        raise UnusableInput("The DICOM file holds no image.")
    return data


def _correct(data, label: str) -> None:
    from pydicom.uid import generate_uid

    term, code = BODY_PARTS[label]
    before = str(data.get("BodyPartExamined", "") or "nothing")
    change = f"Body part changed from {before} to {term} as named by a person or a network; pixel data unchanged."
    source = _item(
        ReferencedSOPClassUID=data.SOPClassUID,
        ReferencedSOPInstanceUID=data.SOPInstanceUID,
        PurposeOfReferenceCodeSequence=[_coded(SOURCE_IMAGE)],
    )
    equipment = _item(
        Manufacturer=MAKER,
        ManufacturerModelName=MODEL,
        SoftwareVersions=__version__,
        ContributionDateTime=datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000"),
        ContributionDescription=change,
        PurposeOfReferenceCodeSequence=[_coded(MODIFYING_EQUIPMENT)],
    )
    data.BodyPartExamined = term
    data.AnatomicRegionSequence = [_coded(code)]
    data.ContributingEquipmentSequence = [*(data.get("ContributingEquipmentSequence") or []), equipment]
    data.SourceImageSequence = [*(data.get("SourceImageSequence") or []), source]
    said = str(data.get("DerivationDescription", "") or "")
    data.DerivationDescription = f"{said} {change}".strip()[-LONGEST_DESCRIPTION:]
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()


def _coded(code: Code):
    return _item(CodeValue=code.value, CodingSchemeDesignator=code.scheme, CodeMeaning=code.meaning)


def _item(**elements):
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
