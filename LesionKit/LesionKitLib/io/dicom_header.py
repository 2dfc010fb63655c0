"""What DICOM files say about themselves: which are images, of what kind, where they lie, whether they are whole.

Headers are read with pydicom up to the pixel data, and only the technical elements listed here: no name, identifier or
date of a person is looked at.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

DAMAGED = "cut short (truncated); copy the series again"
NO_PIXELS = "without pixel data"
COLOR = "in color (RGB or palette), but gray values are needed"
UNEVEN_SCALE = "frames of one file with different rescaling, which is not supported"

# Kinds of objects that carry or refer to images without being one.
_NOT_IMAGES = {
    "SR", "PR", "KO", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "SEG", "REG", "DOC", "PLAN", "FID", "AU", "ECG", "HD",
}  # fmt: skip
# How files without the DICM mark begin: group length, character set, image type or SOP class; or a bare meta group.
_OLD_STARTS = tuple(bytes((8, 0, element, 0)) for element in (0, 5, 8, 16, 18, 22)) + (bytes((2, 0, 0, 0)),)
_LOCALIZER_WORDS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM"}
_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "Modality", "ImageType", "SeriesInstanceUID", "SeriesNumber", "AcquisitionNumber",
    "InstanceNumber", "BodyPartExamined", "PatientPosition", "SliceThickness", "ConvolutionKernel",
    "ContrastBolusAgent", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing",
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept",
    "EncryptedAttributesSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip


@dataclass(frozen=True)
class Header:
    """Technical facts about the image, never about the person. All empty for files that are not DICOM."""

    modality: str = ""  # CT, MR, DX, ...
    image_type: tuple[str, ...] = ()  # e.g. ORIGINAL, PRIMARY, AXIAL
    body_part: str = ""
    patient_position: str = ""  # e.g. HFS
    series_uid: str = ""
    series_number: int | None = None
    slice_thickness: float | None = None  # mm
    kernel: str = ""
    contrast: bool = False  # a contrast agent is named

    @property
    def kind(self) -> str:
        """localizer, secondary (screen capture, dose page), derived (reformat, projection) or original."""
        words = {word.upper() for word in self.image_type}
        if words & _LOCALIZER_WORDS:
            return "localizer"
        if len(self.image_type) > 1 and self.image_type[1].upper() == "SECONDARY":
            return "secondary"
        return "derived" if words & {"DERIVED", "MIP", "MPR", "PROJECTION IMAGE"} else "original"


@dataclass(frozen=True)
class Frame:
    """One image: a file, or one frame of a multi-frame file."""

    path: Path
    frame: int
    header: Header
    shape: tuple[int, int]  # rows, columns
    spacing: tuple[float, float] | None  # mm along i (columns), j (rows)
    position: tuple[float, ...] | None  # LPS mm
    orientation: tuple[float, ...] | None  # row direction, column direction, LPS
    acquisition: int
    instance: int
    sop_uid: str
    padding: tuple[float, float] | None  # lowest and highest padding value after rescaling
    defect: str = ""  # why its pixels cannot be used


@dataclass
class Scan:
    """What a list of files holds: frames, and numbers of files that are no usable image."""

    frames: list[Frame] = field(default_factory=list)
    not_images: Counter = field(default_factory=Counter)  # modality -> files
    damaged: int = 0
    encrypted: int = 0
    unreadable: int = 0


def is_dicom(path: Path) -> bool:
    """Whether the file begins like DICOM: the DICM mark, or (old files without it) an element of group 0002 or 0008."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(132)
    except OSError:
        return False
    return head[128:132] == b"DICM" or head.startswith(_OLD_STARTS)


def scan_files(files: list[Path]) -> Scan:
    """Every DICOM image among the files, and counts of what else there was. Other files are passed over."""
    scan = Scan()
    for file in files:
        if is_dicom(file):
            _scan_file(file, scan)
    return scan


def _scan_file(path: Path, scan: Scan) -> None:
    import pydicom

    try:
        with open(path, "rb") as stream:
            data = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=_TAGS)
            stream_at_pixels = stream.tell()
            modality = str(data.get("Modality", "") or "")
            if modality in _NOT_IMAGES or "DICOMDIR" in path.name.upper():
                scan.not_images[modality or "DICOMDIR"] += 1
                return
            defect = _pixel_defect(stream, stream_at_pixels, path.stat().st_size, data)
        if not data.get("Rows") or not data.get("SOPClassUID"):
            scan.encrypted += "EncryptedAttributesSequence" in data
            if data.get("SOPClassUID") and data.get("SeriesInstanceUID") and not defect:
                scan.not_images[modality] += 1
            else:
                scan.damaged += 1
            return
        if defect == NO_PIXELS and "EncryptedAttributesSequence" in data:
            scan.encrypted += 1
        scan.frames.extend(_frames(path, data, defect))
    except PermissionError:
        scan.unreadable += 1
    except Exception:  # pydicom raises many kinds on damaged files; whatever it is, the file is of no use
        scan.damaged += 1


def _pixel_defect(stream, start: int, size: int, data) -> str:
    """What is wrong with the pixel data element that should begin at ``start``, judged by lengths alone."""
    syntax = str(data.file_meta.get("TransferSyntaxUID", "")) if hasattr(data, "file_meta") else ""
    if syntax == "1.2.840.10008.1.2.1.99":  # deflated: the element lies in a compressed stream
        return ""
    implicit, little = data.original_encoding
    order = "<" if little else ">"
    stream.seek(start)
    head = stream.read(8 if implicit else 12)
    if len(head) < (8 if implicit else 12) or struct.unpack(order + "HH", head[:4]) != (0x7FE0, 0x0010):
        return NO_PIXELS
    (length,) = struct.unpack(order + "I", head[-4:])
    if length == 0xFFFFFFFF:
        return _fragment_defect(stream, size, order)
    frames = int(data.get("NumberOfFrames", 1) or 1)
    samples = int(data.get("SamplesPerPixel", 1) or 1)
    bits = int(data.get("Rows", 0)) * int(data.get("Columns", 0)) * frames * samples * int(data.get("BitsAllocated", 0))
    if length == 0:
        return NO_PIXELS
    return DAMAGED if length < bits // 8 or start + len(head) + length > size else ""


def _fragment_defect(stream, size: int, order: str) -> str:
    """Walks the fragments of compressed pixel data; each must be whole and a delimiter must end them."""
    payload, items = 0, 0
    while True:
        head = stream.read(8)
        if len(head) < 8:
            return DAMAGED
        group, element, length = struct.unpack(order + "HHI", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            return "" if payload else NO_PIXELS
        if (group, element) != (0xFFFE, 0xE000) or stream.tell() + length > size:
            return DAMAGED
        payload += length if items else 0  # the first item is the offset table
        items += 1
        stream.seek(length, 1)


def _frames(path: Path, data, defect: str) -> list[Frame]:
    samples, photometric = _integer(data.get("SamplesPerPixel")), str(data.get("PhotometricInterpretation", ""))
    gray = samples in (None, 1) and photometric in ("", "MONOCHROME1", "MONOCHROME2")
    single = Frame(
        path=path,
        frame=0,
        header=_header(data),
        shape=(int(data.Rows), int(data.Columns)),
        spacing=_spacing(data.get("PixelSpacing") or data.get("ImagerPixelSpacing")),
        position=_numbers(data.get("ImagePositionPatient"), 3),
        orientation=_numbers(data.get("ImageOrientationPatient"), 6),
        acquisition=_integer(data.get("AcquisitionNumber")) or 0,
        instance=_integer(data.get("InstanceNumber")) or 0,
        sop_uid=str(data.get("SOPInstanceUID", "")),
        padding=_padding(data),
        defect=defect or ("" if gray else COLOR),
    )
    count = _integer(data.get("NumberOfFrames")) or 1
    groups = data.get("PerFrameFunctionalGroupsSequence")
    if count == 1 and not groups:
        return [single]
    shared = (data.get("SharedFunctionalGroupsSequence") or [None])[0]
    if not groups or len(groups) != count:
        return [replace(single, frame=n, position=None, instance=n) for n in range(count)]
    # SimpleITK applies the first frame's rescaling to all
    scales = {
        (_number(item[0].get("RescaleSlope")), _number(item[0].get("RescaleIntercept")))
        for item in (group.get("PixelValueTransformationSequence") for group in groups)
        if item
    }
    if len(scales) > 1:
        single = replace(single, defect=single.defect or UNEVEN_SCALE)
    return [_multiframe(single, n, group, shared) for n, group in enumerate(groups)]


def _multiframe(single: Frame, number: int, group, shared) -> Frame:
    """One frame of an enhanced (multi-frame) object: the frame's own functional groups go before the shared ones."""

    def find(sequence: str, keyword: str):
        for source in (group, shared):
            items = source.get(sequence) if source is not None else None
            if items and items[0].get(keyword) is not None:
                return items[0].get(keyword)
        return None

    thickness = _number(find("PixelMeasuresSequence", "SliceThickness"))
    return replace(
        single,
        frame=number,
        header=replace(single.header, slice_thickness=thickness or single.header.slice_thickness),
        spacing=_spacing(find("PixelMeasuresSequence", "PixelSpacing")) or single.spacing,
        position=_numbers(find("PlanePositionSequence", "ImagePositionPatient"), 3),
        orientation=_numbers(find("PlaneOrientationSequence", "ImageOrientationPatient"), 6),
        instance=number,
        sop_uid=f"{single.sop_uid}#{number}",
        padding=None,
    )


def _header(data) -> Header:
    kernel = data.get("ConvolutionKernel") or ""
    return Header(
        modality=str(data.get("Modality", "") or ""),
        image_type=tuple(str(word) for word in data.get("ImageType") or ()),
        body_part=str(data.get("BodyPartExamined", "") or ""),
        patient_position=str(data.get("PatientPosition", "") or ""),
        series_uid=str(data.get("SeriesInstanceUID", "") or ""),
        series_number=_integer(data.get("SeriesNumber")),
        slice_thickness=_number(data.get("SliceThickness")),
        kernel=kernel if isinstance(kernel, str) else " ".join(str(part) for part in kernel),
        contrast=bool(data.get("ContrastBolusAgent")),
    )


def _padding(data) -> tuple[float, float] | None:
    """The padding values in modality units, lowest and highest."""
    value = _number(data.get("PixelPaddingValue"))
    if value is None:
        return None
    limit = _number(data.get("PixelPaddingRangeLimit"))
    stored = [value, value if limit is None else limit]
    if _integer(data.get("PixelRepresentation")) == 1:  # often written as unsigned although the pixels are signed
        stored = [number - 65536 if number > 32767 else number for number in stored]
    slope, intercept = _number(data.get("RescaleSlope")), _number(data.get("RescaleIntercept"))
    scaled = [number * (1 if slope is None else slope) + (intercept or 0) for number in stored]
    return min(scaled), max(scaled)


def _number(value) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _integer(value) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _numbers(values, count: int) -> tuple[float, ...] | None:
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None


def _spacing(values) -> tuple[float, float] | None:
    """DICOM gives the distance between rows first; here i (columns) comes first."""
    numbers = _numbers(values, 2)
    return (numbers[1], numbers[0]) if numbers and min(numbers) > 0 else None
