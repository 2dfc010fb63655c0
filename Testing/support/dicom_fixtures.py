"""Small synthetic DICOM files for tests: CT series and all the things that go wrong with them.

The picture of slice n at (row, column) is known in closed form, see slice_hu().
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4.1"
ENHANCED_CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2.1"
MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
DX_STORAGE = "1.2.840.10008.5.1.4.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
STRUCTURED_REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
PATIENT = "Doe^Jane"  # must never show up in a name, note or message

Change = Callable[[Dataset, int], None]


def slice_hu(n: float, rows: int = 64, columns: int = 72) -> np.ndarray:
    """HU of the slice at position n (in slice numbers): linear in n, row and column, from -1000 upwards."""
    row, column = np.mgrid[:rows, :columns]
    return np.rint(-1000 + 10 * n + 16 * row + 8 * column).astype(np.int32)


def dicom_image(stored: np.ndarray, sop_class: str = CT_STORAGE, modality: str = "CT", **elements) -> Dataset:
    """A gray image of unsigned 16-bit stored values, (rows, columns) or (frames, rows, columns), with more elements."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = sop_class
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.StudyInstanceUID = generate_uid()
    data.SeriesInstanceUID = generate_uid()
    data.PatientName, data.PatientID = PATIENT, "12345"
    data.Modality = modality
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = stored.shape[-2:]
    if stored.ndim == 3:
        data.NumberOfFrames = len(stored)
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelData = stored.astype(np.uint16).tobytes()
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    return data


def save(data: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path,
    places: Sequence[float] = tuple(range(12)),
    step: float = 2.0,
    number: int = 3,
    change: Change | None = None,
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (-100.0, -90.0, -300.0),
    rows: int = 64,
    columns: int = 72,
    **elements,
) -> list[Path]:
    """A CT series of one file per place (in slice numbers, ``step`` mm apart along the normal), names without order.

    Stored values are HU + 1024. change(data, n) may alter the nth file before it is saved; elements go to every file.
    """
    series, study = generate_uid(), generate_uid()
    normal = np.cross(orientation[:3], orientation[3:])
    paths = []
    for n, place in enumerate(places):
        data = dicom_image(
            slice_hu(place, rows, columns) + 1024,
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            SeriesNumber=number,
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            InstanceNumber=n + 1,
            SliceThickness=step,
            ConvolutionKernel="B30f",
            BodyPartExamined="CHEST",
            PatientPosition="HFS",
            PixelSpacing=[0.8, 0.7],  # between rows, between columns
            ImageOrientationPatient=list(orientation),
            ImagePositionPatient=[round(float(x), 4) for x in np.array(origin) + place * step * normal],
            RescaleSlope=1,
            RescaleIntercept=-1024,
        )
        for keyword, value in elements.items():
            setattr(data, keyword, value)
        if change is not None:
            change(data, n)
        paths.append(save(data, folder / f"{(n * 7919 + number * 104729) % 100003:05d}"))
    return paths


def write_localizer(folder: Path, number: int = 1) -> list[Path]:
    """A topogram: two coronal pictures."""
    return write_series(
        folder,
        places=(0, 1),
        number=number,
        orientation=(1, 0, 0, 0, 0, -1),
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )


def write_enhanced_ct(path: Path, places: Sequence[float] = tuple(range(12)), step: float = 2.0) -> Path:
    """All slices in one multi-frame file, in the order given."""
    stored = np.stack([slice_hu(place) + 1024 for place in places])
    data = dicom_image(
        stored,
        ENHANCED_CT_STORAGE,
        SeriesNumber=5,
        ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        InstanceNumber=1,
    )
    shared = Dataset()
    shared.PixelMeasuresSequence = _item(PixelSpacing=[0.8, 0.7], SliceThickness=step)
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=list(AXIAL))
    shared.PixelValueTransformationSequence = _item(RescaleIntercept=-1024, RescaleSlope=1, RescaleType="HU")
    data.SharedFunctionalGroupsSequence = DicomSequence([shared])
    frames = []
    for place in places:
        frame = Dataset()
        frame.PlanePositionSequence = _item(ImagePositionPatient=[-100.0, -90.0, -300.0 + place * step])
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = DicomSequence(frames)
    return save(data, path)


def write_mr_series(folder: Path, shift: int = 0, places: Sequence[float] = tuple(range(12)), **elements) -> list[Path]:
    """An MR series; its values are ``shift`` higher than slice_hu() + 1024. change(data, n) as in write_series."""
    change = elements.pop("change", None)

    def as_mr(data: Dataset, n: int) -> None:
        del data.RescaleSlope, data.RescaleIntercept, data.ConvolutionKernel
        data.PixelData = mr_values(places[n], shift).astype(np.uint16).tobytes()
        if change is not None:
            change(data, n)

    usual = {"Modality": "MR", "SOPClassUID": MR_STORAGE, "BodyPartExamined": "HEAD"}
    usual["ImageType"] = ["ORIGINAL", "PRIMARY", "M", "ND"]
    return write_series(folder, places, change=as_mr, **{**usual, **elements})


def mr_values(place: float, shift: int = 0, rows: int = 64, columns: int = 72) -> np.ndarray:
    """Stored values of write_mr_series."""
    return slice_hu(place, rows, columns) + 1024 + shift


def write_enhanced_mr(
    path: Path, frames: Sequence[tuple[float, int, Change]], dimensions: Sequence[int] = (), **elements
) -> Path:
    """A multi-frame MR: for each frame its place, the shift of its values, and change(functional groups, n).

    dimensions: tags of the elements that the frames' DimensionIndexValues count.
    """
    stored = np.stack([mr_values(place, shift) for place, shift, _ in frames])
    data = dicom_image(
        stored,
        ENHANCED_MR_STORAGE,
        "MR",
        SeriesNumber=5,
        ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        InstanceNumber=1,
        **elements,
    )
    shared = Dataset()
    shared.PixelMeasuresSequence = sequence_of(PixelSpacing=[0.8, 0.7], SliceThickness=2.0)
    shared.PlaneOrientationSequence = sequence_of(ImageOrientationPatient=list(AXIAL))
    data.SharedFunctionalGroupsSequence = DicomSequence([shared])
    data.DimensionIndexSequence = DicomSequence([sequence_of(DimensionIndexPointer=tag)[0] for tag in dimensions])
    groups = []
    for n, (place, _, change) in enumerate(frames):
        group = Dataset()
        group.PlanePositionSequence = sequence_of(ImagePositionPatient=[-100.0, -90.0, -300.0 + place * 2.0])
        change(group, n)
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = DicomSequence(groups)
    return save(data, path)


def sequence_of(**elements) -> DicomSequence:
    """A sequence of one item."""
    return _item(**elements)


def _item(**elements) -> DicomSequence:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return DicomSequence([item])
