"""What makes two images at one place different: b-value, echo, kernel, image type, phase, acquisition, ...

Two kinds. Images that differ in one of SEPARATE are never parts of one volume. Those that differ in one of OVERLAPPING
are parts of one volume as long as they follow each other along the patient (an acquisition per bed position, thin
slices below thick ones).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .values import integer, number, text

SEPARATE = (
    "modality", "color", "kind", "map", "component", "diffusion", "b_value", "echo", "kernel", "respiration",
    "series_number",
)  # fmt: skip
OVERLAPPING = ("study", "acquisition", "time_point", "phase", "thickness", "description", "image_type")

# Elements that are read for all this, beside those of dicom.header
TRAIT_TAGS = [
    "SequenceName", "ScanningSequence", "ImageComments", "ProtocolName", "Manufacturer", "StudyDescription",
    "DiffusionBValue", "DiffusionDirectionality", "EchoTime", "EffectiveEchoTime", "InversionTime", "InversionTimes",
    "RepetitionTime", "ComplexImageComponent", "TemporalPositionIdentifier", "NominalPercentageOfCardiacPhase",
    "NominalPercentageOfRespiratoryPhase", "PresentationLUTShape", "ConvolutionKernel", "StudyDate",
]  # fmt: skip

# b-values in private elements: group, creator, element, and the maker in case the creator was removed
_PRIVATE_B = (
    (0x0019, "SIEMENS MR HEADER", 0x0C, "SIEMENS"),
    (0x0043, "GEMS_PARM_01", 0x39, "GE"),
    (0x2001, "Philips Imaging DD 001", 0x03, "PHILIPS"),
    (0x0065, "Image Private Header", 0x09, "UIH"),
)
_BLOCKS = range(0x10, 0x18)
PRIVATE_TAGS = [
    tag
    for group, _, element, _ in _PRIVATE_B
    for block in _BLOCKS
    for tag in (group << 16 | block, group << 16 | block << 8 | element)
]

_COMPONENTS = {
    "M": "magnitude", "MAGNITUDE": "magnitude", "P": "phase", "PHASE": "phase", "R": "real part", "REAL": "real part",
    "I": "imaginary part", "IMAGINARY": "imaginary part",
}  # fmt: skip
# Parametric maps: numbers that were computed from images (diffusion, perfusion, relaxation, dual energy)
_MAPS = {
    "ADC": "ADC", "DADC": "ADC", "EADC": "exponential ADC", "EXPADC": "exponential ADC", "FA": "FA", "CBF": "CBF",
    "RCBF": "CBF", "RELCBF": "CBF", "CBV": "CBV", "RCBV": "CBV", "RELCBV": "CBV", "MTT": "MTT", "RMTT": "MTT",
    "RELMTT": "MTT", "TTP": "TTP", "TMAX": "Tmax", "TTD": "TTD", "PBP": "PBP", "PBV": "PBV", "KTRANS": "Ktrans",
    "IODINE": "iodine", "T1MAP": "T1", "T2MAP": "T2", "T2STARMAP": "T2*", "PDMAP": "PD", "CMRO2": "CMRO2", "OEF": "OEF",
    "KEP": "kep", "PENUMBRA": "penumbra",
}  # fmt: skip
_RELAXATION = {"T1", "T2", "R1", "R2"}  # of which maps are named "T1 map"
_IMAGE_WORDS = {"DWI", "B0", "B1000", "FLAIR", "T1W", "T2W", "PDW", "TSE", "MPRAGE"}
_MAP_UNITS = {"mm2/s", "um2/s", "10-6.mm2/s", "10*-6.mm2/s", "10^-6 mm^2/s", "10^-3 mm^2/s", "ml/100ml/s"}
_TRACE_WORDS = {"TRACEW", "TRACE", "ISOTROPIC", "ISO"}
_PROJECTIONS = {"MIP", "MINIP", "MNIP", "PROJECTION", "MAXIP", "AVERAGEIP"}
_LOCALIZER_WORDS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM"}
_CAPTURES = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture and its multi-frame kinds


def image_kind(image_type: tuple[str, ...], sop_class: str) -> str:
    """localizer, secondary (screen capture, dose page), projection (MIP), derived (reformat, ...) or original."""
    found = tokens(*image_type)
    if found & _LOCALIZER_WORDS:
        return "localizer"
    is_image = sop_class and not sop_class.startswith(_CAPTURES)  # reformats, too, are DERIVED\\SECONDARY
    if sop_class.startswith(_CAPTURES) or (not is_image and len(image_type) > 1 and image_type[1] == "SECONDARY"):
        return "secondary"
    if found & _PROJECTIONS and "ORIGINAL" not in found:
        return "projection"
    return "derived" if found & {"DERIVED", "MPR"} else "original"


def map_name(image_type: tuple[str, ...], description: str, unit: str, b_value: float | None) -> str:
    """Which parametric map it is (ADC, CBF, ...), "" for images.

    By the image type (PS3.3 C.8.13.3.1); else by unit; else by the description, unless that names an image as well.
    """
    typed = tokens(*image_type)
    if name := _map_among(typed):
        return name
    if unit in _MAP_UNITS:
        return "ADC" if "m" in unit and "/s" in unit and "ml" not in unit else "perfusion"
    if b_value is not None or typed & _TRACE_WORDS:
        return ""
    described = tokens(description)
    return "" if described & (_TRACE_WORDS | _IMAGE_WORDS) else _map_among(described)


def map_name_of_file(name: str) -> str:
    """Which parametric map of the brain a file is by its name, such as "sub-01_Tmax.nii.gz"; "" for images.

    Words that are often something else, such as initials, do not count.
    """
    words = tokens(name) - {"FA", "KEP", "MAP", "MAPS"}
    return "" if names_an_image(name) else _map_among(words)


def names_an_image(file_name: str) -> bool:
    """Whether a file's name names an image's contrast, such as "sub-01_T2w.nii.gz"."""
    return bool(tokens(file_name) & (_TRACE_WORDS | _IMAGE_WORDS | _RELAXATION))


def _map_among(words: set[str]) -> str:
    if {"APPARENT", "DIFFUSION"} <= words:
        return "ADC"
    if {"MAP", "MAPS"} & words and (relaxation := sorted(words & _RELAXATION)):
        return relaxation[0]
    return next((_MAPS[word] for word in sorted(words & set(_MAPS))), "")


def tokens(*texts: str) -> set[str]:
    """The words of the texts, in capitals."""
    return {word for one in texts for word in re.split(r"[^A-Z0-9]+", one.upper()) if word}


def private_b_value(data) -> float | None:
    """The b-value (s/mm2) from a maker's private element: Siemens, GE, Philips, United Imaging."""
    for group, creator, element, maker in _PRIVATE_B:
        for block in _BLOCKS:
            tag = group << 16 | block << 8 | element
            if tag not in data:
                continue
            owner = text(data[group << 16 | block].value) if group << 16 | block in data else ""
            if owner == creator or (not owner and text(data.get("Manufacturer")).upper().startswith(maker)):
                return _plain_b(data[tag].value)
    return None


def _plain_b(value) -> float | None:
    """A private value may come as bytes (representation not known); GE adds 1e9 as a flag."""
    if isinstance(value, bytes):
        import struct

        found = re.match(rb"\s*(\d+(\.\d+)?)\s*(\\|\0|$)", value)
        if found:
            value = found[1].decode()
        elif len(value) in (4, 8):
            value = struct.unpack("<f" if len(value) == 4 else "<d", value)[0]
    if isinstance(value, str):
        value = value.split("\\")[0]
    result = number(value)
    if result is None or result < 0:
        return None
    return result % 100_000 if result > 10_000 else result


def b_value_of(values: Mapping[str, object], private: float | None = None) -> float | None:
    """The b-value in s/mm2: the standard's element, a private one, or what name and comment of the sequence say."""
    found = number(values.get("DiffusionBValue"))
    if found is None:
        found = private
    if found is None and (named := re.search(r"_b(\d{1,5})(?!\d)", text(values.get("SequenceName")))):
        found = float(named[1])
    if found is None and (said := re.match(r"b\s*=\s*(\d{1,5})\b", text(values.get("ImageComments")))):
        found = float(said[1])
    return found


def traits_of(values: Mapping[str, object], header, b_value: float | None, color: bool) -> dict[str, object]:
    """The values of SEPARATE and OVERLAPPING of one frame; header: its Header."""
    echo = number(values.get("EffectiveEchoTime")) or number(values.get("EchoTime"))
    phases = ("NominalPercentageOfRespiratoryPhase", "NominalPercentageOfCardiacPhase")
    return {
        "modality": header.modality,
        "color": color,
        "kind": header.kind,
        "map": header.map_name,
        "component": component_of(values, header),
        "diffusion": _directionality(values, header),
        "b_value": b_value,
        "echo": None if echo is None or header.modality != "MR" else round(echo),
        "kernel": header.kernel,
        "respiration": respiration_of(header.description, text(values.get("ImageComments"))),
        "series_number": header.series_number,
        "study": header.study_uid,
        "acquisition": integer(values.get("FrameAcquisitionNumber")) or integer(values.get("AcquisitionNumber")) or 0,
        "time_point": integer(values.get("TemporalPositionIndex")) or integer(values.get("TemporalPositionIdentifier")),
        "phase": next((found for name in phases if (found := number(values.get(name))) is not None), None),
        "thickness": None if header.slice_thickness is None else round(header.slice_thickness, 2),
        "description": header.description,
        "image_type": header.image_type,
    }


def component_of(values: Mapping[str, object], header) -> str:
    """magnitude, phase, real part or imaginary part of an MR; "" where it is not said."""
    if header.modality != "MR":
        return ""
    said = text(values.get("ComplexImageComponent")).upper()
    if said in _COMPONENTS:
        return _COMPONENTS[said]
    for word in header.image_type[2:]:
        first = re.split(r"[ _]", word.upper())[0]
        if first in _COMPONENTS:
            return _COMPONENTS[first]
    return ""


def _directionality(values: Mapping[str, object], header) -> str:
    """trace (all directions in one) or single direction, of diffusion images."""
    said = text(values.get("DiffusionDirectionality")).upper()
    if said in ("ISOTROPIC", "DIRECTIONAL"):
        return "trace" if said == "ISOTROPIC" else "single direction"
    return "trace" if tokens(*header.image_type) & _TRACE_WORDS else ""


def respiration_of(*texts: str) -> str:
    """inspiration, expiration, or "" where the texts do not say (or say both)."""
    found = tokens(*texts)
    taken_in = any(re.match(r"INSP|INHAL", word) for word in found)
    let_out = any(re.match(r"EXP$|EXPIR|EXSP|EXHAL", word) for word in found)
    return "" if taken_in == let_out else "inspiration" if taken_in else "expiration"


_LABELS = {
    "kind": "{} images", "map": "{} map", "component": "{}", "diffusion": "{}", "b_value": "b = {:g} s/mm2",
    "echo": "echo time {:g} ms", "kernel": "kernel {}", "respiration": "{}", "series_number": "series number {}",
    "study": "study {}", "acquisition": "acquisition {}", "time_point": "time point {}", "phase": "phase {:g} %",
    "thickness": "{:g} mm thick", "description": "'{}'", "image_type": "image type {}", "modality": "{}",
    "size": "{}", "pixel": "{}", "orientation": "{}",
}  # fmt: skip
_UNKNOWN = {"b_value": "no b-value", "kernel": "no kernel named", "echo": "no echo time"}


def label_of(name: str, value: object) -> str:
    """A trait as words for a list; "" where there is nothing to say."""
    if name == "color":
        return "color pictures" if value else ""
    if name not in _LABELS:  # an element that was found to differ
        return f"{name} {value}"
    if value is None or value == "":
        return _UNKNOWN.get(name, "")
    if name == "image_type":
        return _LABELS[name].format(" ".join(value))
    return _LABELS[name].format(value)
