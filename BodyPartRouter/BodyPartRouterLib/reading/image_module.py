"""The Image Pixel Module of a header (PS3.3 C.7.6.3): completed where only one value makes sense, else refused by name.

Faulty headers over whole pixels are common enough: an absent PhotometricInterpretation must not be called damage.
"""

from __future__ import annotations

from LesionKitLib.io.dicom.values import integer, text
from LesionKitLib.run.errors import UnusableInput

GRAY = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB")
BITS_ALLOCATED = (1, 8, 16, 32, 64)


def complete_image_module(data) -> list[str]:
    """Fill in, in the data set ``data``, what can be told; returns notes about it.

    Raises UnusableInput with a sentence that names the attribute that is absent or makes no sense.
    """
    for keyword in ("Rows", "Columns", "BitsAllocated"):
        if not integer(data.get(keyword)):
            raise UnusableInput(f"The DICOM image says nothing of its {keyword}.")
    if integer(data.BitsAllocated) not in BITS_ALLOCATED:
        raise UnusableInput(f"The DICOM image's BitsAllocated is {integer(data.BitsAllocated)}, which is not read.")
    notes = _sop_class(data)
    _samples_and_color(data)
    notes += _bits(data)
    if text(data.get("PixelRepresentation")) not in ("0", "1"):
        if text(data.get("PixelRepresentation")):
            raise UnusableInput("The DICOM image's PixelRepresentation is neither 0 nor 1.")
        data.PixelRepresentation = 0
        notes.append("The header says nothing of its PixelRepresentation; 0 (unsigned) was taken.")
    if data.SamplesPerPixel == 3 and text(data.get("PlanarConfiguration")) not in ("0", "1"):
        data.PlanarConfiguration = 0
    return notes


def _sop_class(data) -> list[str]:
    if text(data.get("SOPClassUID")):
        return []
    known = text(getattr(data, "file_meta", {}).get("MediaStorageSOPClassUID"))
    if not known:
        raise UnusableInput("The DICOM image says nothing of its SOPClassUID.")
    data.SOPClassUID = known
    return ["The header says nothing of its SOPClassUID; the one of the file meta information was taken."]


def _samples_and_color(data) -> None:
    """PhotometricInterpretation in capitals, and SamplesPerPixel, which it implies."""
    color = text(data.get("PhotometricInterpretation")).upper()
    if not color:
        raise UnusableInput("The DICOM image says nothing of its PhotometricInterpretation.")
    if color not in GRAY + COLORS:
        raise UnusableInput("The DICOM image's PhotometricInterpretation is none that is read.")
    if color != data.PhotometricInterpretation:
        data.PhotometricInterpretation = color
    implied, samples = 1 if color in GRAY else 3, integer(data.get("SamplesPerPixel"))
    if samples not in (None, implied):
        raise UnusableInput(f"The DICOM image's SamplesPerPixel is {samples}, which contradicts {color}.")
    data.SamplesPerPixel = implied


def _bits(data) -> list[str]:
    """BitsStored, from HighBit where it is absent or makes no sense. HighBit is checked where it is used."""
    if "FloatPixelData" in data or "DoubleFloatPixelData" in data:
        return []
    allocated, stored, high = (integer(data.get(k)) for k in ("BitsAllocated", "BitsStored", "HighBit"))
    if stored is not None and 0 < stored <= allocated:
        return []
    if high is None or not 0 <= high < allocated:
        said = "says nothing of its BitsStored" if stored is None else f"has a BitsStored of {stored}, which cannot be"
        raise UnusableInput(f"The DICOM image {said}.")
    data.BitsStored = high + 1
    return [f"The header's BitsStored is absent or cannot be; {high + 1} was taken from its HighBit."]
