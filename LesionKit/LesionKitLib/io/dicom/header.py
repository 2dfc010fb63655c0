"""What DICOM files say about themselves: which are images, of what kind, where they lie, whether they are whole.

Headers are read up to the pixel data, and only the technical elements listed here: of the person only a digest is kept,
by which images of different patients are told apart.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .file import NO_PIXELS, DicomFile, begins_like_dicom, is_dicom, read_dicom_stream
from .rescale import Rescale, padding_of, rescale_of
from .traits import PRIVATE_TAGS, TRAIT_TAGS, b_value_of, image_kind, map_name, private_b_value, traits_of
from .values import frame_values, integer, iso_date, number, numbers, text, words

__all__ = ["COLOR", "NOT_IMAGES", "Frame", "Header", "Scan", "is_dicom", "scan_dicom", "scan_files"]

COLOR = "in color (RGB or palette), but gray values are needed"
MOSAIC = "mosaics (many slices in one picture), which are not read; export them as single slices"

# Kinds of objects that carry or refer to images without being one.
NOT_IMAGES = {
    "SR", "PR", "KO", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "SEG", "REG", "DOC", "PLAN", "FID", "AU", "ECG", "HD",
}  # fmt: skip
_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "Modality", "ImageType", "FrameType", "StudyInstanceUID", "SeriesInstanceUID",
    "SeriesNumber", "SeriesDescription", "AcquisitionNumber", "InstanceNumber", "BodyPartExamined",
    "SliceThickness", "ContrastBolusAgent", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "ImagerPixelSpacing", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "BitsAllocated", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope",
    "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "RealWorldValueMappingSequence",
    "EncryptedAttributesSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "AcquisitionDateTime", "AcquisitionTime", "ContentTime", "TriggerTime", "PatientID", "PatientName",
    *TRAIT_TAGS, *PRIVATE_TAGS,
]  # fmt: skip


@dataclass(frozen=True)
class Header:
    """Technical facts about the image, never about the person. All empty for files that are not DICOM."""

    modality: str = ""  # CT, MR, DX, ...
    image_type: tuple[str, ...] = ()  # e.g. ORIGINAL, PRIMARY, AXIAL
    body_part: str = ""
    series_uid: str = ""
    series_number: int | None = None
    slice_thickness: float | None = None  # mm
    kernel: str = ""
    contrast: bool = False  # a contrast agent is named
    study_uid: str = ""
    date: str = ""  # of the study, YYYY-MM-DD
    description: str = ""  # of the series
    study_description: str = ""
    protocol: str = ""
    sop_class: str = ""
    b_value: float | None = None  # s/mm2
    echo_time: float | None = None  # ms
    inversion_time: float | None = None  # ms
    map_name: str = ""  # ADC, CBF, ... where it is a parametric map

    @property
    def kind(self) -> str:
        """localizer, secondary (screen capture, dose page), projection (MIP), derived (reformat) or original."""
        return image_kind(self.image_type, self.sop_class)


@dataclass(frozen=True)
class Frame:
    """One image: a file, or one frame of a multi-frame file."""

    path: Path
    frame: int
    frames: int  # of the file
    header: Header
    shape: tuple[int, int]  # rows, columns
    spacing: tuple[float, float] | None  # mm along i (columns), j (rows)
    position: tuple[float, ...] | None  # LPS mm
    orientation: tuple[float, ...] | None  # row direction, column direction, LPS
    acquisition: int
    instance: int
    sop_uid: str
    rescale: Rescale
    padding: tuple[float, float] | None  # lowest and highest padding value in the modality's units
    patient: str  # a digest: only to tell patients apart
    traits: Mapping[str, object] = field(default_factory=dict, compare=False)  # see dicom.traits
    time: tuple[str, ...] = ()  # when it was taken, sortable
    defect: str = ""  # why its pixels cannot be used


@dataclass
class Scan:
    """What a list of files holds: frames, and numbers of files that are no usable image."""

    frames: list[Frame] = field(default_factory=list)
    not_images: Counter = field(default_factory=Counter)  # modality -> files
    media_directories: list[Path] = field(default_factory=list)  # DICOMDIR
    without_image: int = 0  # the file ends before an image begins
    damaged: int = 0  # the header cannot be parsed, or says too little to be an image
    encrypted: int = 0
    unreadable: int = 0  # reading is not permitted
    empty: int = 0  # files of 0 bytes
    other: list[Path] = field(default_factory=list)  # not DICOM


def scan_files(files: list[Path]) -> Scan:
    """Every DICOM image among the files, and what else there was."""
    scan = Scan()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's about values that break the standard; what matters is checked here
        for file in files:
            _scan_file(file, scan)
    return scan


def scan_dicom(file: DicomFile) -> Scan:
    """What a DICOM file that was read holds. Raises whatever pydicom raises on malformed values."""
    scan = Scan()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _scan_dicom(file, scan)
    return scan


def _scan_file(path: Path, scan: Scan) -> None:
    try:
        with open(path, "rb") as stream:
            if not path.stat().st_size:
                scan.empty += 1
            elif begins_like_dicom(stream):
                _scan_dicom(read_dicom_stream(stream, path, _TAGS), scan)
            else:
                scan.other.append(path)
    except OSError:
        scan.unreadable += 1
    except EOFError:
        scan.without_image += 1
    except Exception:  # pydicom raises many kinds on damaged files; whatever it is, the file is of no use
        scan.damaged += 1


def _scan_dicom(file: DicomFile, scan: Scan) -> None:
    data, defect = file.data, file.pixel_defect
    modality = text(data.get("Modality"))
    if file.is_media_directory:
        scan.media_directories.append(file.path)
    elif modality in NOT_IMAGES:
        scan.not_images[modality] += 1
    elif data.get("Rows") and data.get("SOPClassUID"):
        if defect == NO_PIXELS and file.is_encrypted:
            scan.encrypted += 1
        scan.frames.extend(_frames(file))
    elif file.is_encrypted:
        scan.encrypted += 1
    elif data.get("SOPClassUID") and not _is_image_class(data.SOPClassUID):
        scan.not_images[modality or "unknown"] += 1
    elif defect == NO_PIXELS:
        scan.without_image += 1
    else:
        scan.damaged += 1


def _is_image_class(uid) -> bool:
    """Whether objects of this SOP class are images; by the names of the standard's classes."""
    from pydicom.uid import UID

    return "Image Storage" in UID(str(uid)).name


def _frames(file: DicomFile) -> list[Frame]:
    each = frame_values(file.data)
    known: dict[tuple, Header] = {}  # frames of one file share few headers
    private = private_b_value(file.data)
    person = text(file.data.get("PatientID")) or text(file.data.get("PatientName")).upper()
    patient = hashlib.sha256(person.encode()).hexdigest() if person else ""
    return [_frame(file, number, values, len(each), private, patient, known) for number, values in enumerate(each)]


def _frame(
    file: DicomFile, index: int, values: Mapping, count: int, private: float | None, patient: str, known: dict
) -> Frame:
    rescale = rescale_of(values)
    b_value = b_value_of(values, private)
    header = _header(values, rescale.unit, b_value)
    header = known.setdefault(header, header)
    photometric = text(values.get("PhotometricInterpretation"))
    color = (integer(values.get("SamplesPerPixel")) or 1) > 1 or photometric not in ("", "MONOCHROME1", "MONOCHROME2")
    mosaic = "MOSAIC" in (word.upper() for word in header.image_type) and count == 1
    uid = text(values.get("SOPInstanceUID"))
    return Frame(
        path=file.path,
        frame=index,
        frames=count,
        header=header,
        shape=(int(values["Rows"]), int(values["Columns"])),
        spacing=_spacing(values.get("PixelSpacing")) or _spacing(values.get("ImagerPixelSpacing")),
        position=_position(values, count),
        orientation=numbers(values.get("ImageOrientationPatient"), 6),
        acquisition=integer(values.get("AcquisitionNumber")) or 0,
        instance=index if count > 1 else integer(values.get("InstanceNumber")) or 0,
        sop_uid=uid if count == 1 else f"{uid}#{index}",
        rescale=rescale,
        padding=padding_of(values, rescale),
        patient=patient,
        traits=traits_of(values, header, b_value, color),
        time=_time(values),
        defect=file.pixel_defect or (COLOR if color else MOSAIC if mosaic else ""),
    )


def _position(values: Mapping, count: int) -> tuple[float, ...] | None:
    """Where the frame lies; a position that belongs to a whole multi-frame file says nothing about its frames."""
    if count == 1:
        return numbers(values.get("ImagePositionPatient"), 3)
    groups = getattr(values, "maps", ())[:-1]
    return next((numbers(one["ImagePositionPatient"], 3) for one in groups if "ImagePositionPatient" in one), None)


def _header(values: Mapping, unit: str, b_value: float | None) -> Header:
    image_type = words(values.get("FrameType")) or words(values.get("ImageType"))
    description = text(values.get("SeriesDescription"))
    return Header(
        modality=text(values.get("Modality")),
        image_type=image_type,
        body_part=text(values.get("BodyPartExamined")),
        series_uid=text(values.get("SeriesInstanceUID")),
        series_number=integer(values.get("SeriesNumber")),
        slice_thickness=number(values.get("SliceThickness")),
        kernel=text(values.get("ConvolutionKernel")),
        contrast=bool(values.get("ContrastBolusAgent")),
        study_uid=text(values.get("StudyInstanceUID")),
        date=iso_date(values.get("StudyDate")),
        description=description,
        study_description=text(values.get("StudyDescription")),
        protocol=text(values.get("ProtocolName")),
        sop_class=text(values.get("SOPClassUID")),
        b_value=b_value,
        echo_time=number(values.get("EffectiveEchoTime")) or number(values.get("EchoTime")),
        inversion_time=number(values.get("InversionTime")) or number(values.get("InversionTimes")),
        map_name=map_name(image_type, description, unit, b_value),
    )


def _time(values: Mapping) -> tuple[str, ...]:
    """When it was taken: date and time of the acquisition, time within the heart's cycle, time of the image."""
    said = [text(values.get(keyword)) for keyword in ("FrameAcquisitionDateTime", "AcquisitionDateTime")]
    trigger = number(values.get("TriggerTime")) or number(values.get("NominalCardiacTriggerDelayTime")) or 0.0
    return (
        said[0] or said[1],
        text(values.get("AcquisitionTime")),
        f"{trigger:012.3f}",
        text(values.get("ContentTime")),
    )


def _spacing(values) -> tuple[float, float] | None:
    """DICOM gives the distance between rows first; here i (columns) comes first."""
    pair = numbers(values, 2)
    return (pair[1], pair[0]) if pair and min(pair) > 0 else None
