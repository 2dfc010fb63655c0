"""Pixels of DICOM images in the modality's units (HU for a CT), one frame at a time.

Decoded by pydicom and its plugins (GDCM: JPEG, JPEG-Lossless, JPEG-LS, JPEG 2000; pydicom itself: plain and RLE), not
by SimpleITK: ITK inverts MONOCHROME1 before rescaling and applies the first frame's rescaling to all frames of a file.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np

from LesionKitLib.run.errors import MissingResource, UnusableInput

from .header import Frame
from .values import integer

AIR_HU = -1024
_FILES_HELD = 2  # interpolation needs two slices; the frames of one file lie mostly together


class PixelReader:
    """Decodes frames on demand; at most two files are held in memory."""

    def __init__(self):
        self._open = lru_cache(maxsize=_FILES_HELD)(_open)

    def __call__(self, frame: Frame) -> np.ndarray:
        """(rows, columns): whole numbers, or float32 where the rescaling needs it; padding of a CT becomes air.

        Raises UnusableInput where the pixels cannot be decoded, MissingResource without a decoder for them.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd lengths and the like, which decoders cope with
            stored = _decode(self._open(frame.path), frame)
        if stored.shape != frame.shape:
            raise UnusableInput("A DICOM image has another size than its header says; copy the series again.")
        return _without_padding(frame.rescale(stored), frame)


def _open(path: Path):
    import pydicom

    data = pydicom.dcmread(path, force=True)
    for keyword, usual in (("SamplesPerPixel", 1), ("PhotometricInterpretation", "MONOCHROME2"), ("NumberOfFrames", 1)):
        if not data.get(keyword):
            setattr(data, keyword, usual)
    if data.get("PixelRepresentation") is None:
        data.PixelRepresentation = 0
    if not data.get("BitsStored"):
        data.BitsStored = data.get("BitsAllocated")
    if not hasattr(data, "file_meta") or not data.file_meta.get("TransferSyntaxUID"):
        data.ensure_file_meta()
        implicit, little = data.original_encoding
        data.file_meta.TransferSyntaxUID = _syntax_of_old_file(implicit, little)
    return data


def _syntax_of_old_file(implicit: bool, little: bool) -> str:
    if not little:
        return "1.2.840.10008.1.2.2"
    return "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1"


def _decode(data, frame: Frame) -> np.ndarray:
    """Stored values of a frame, signed as the header says."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    syntax = UID(data.file_meta.TransferSyntaxUID)
    left_aligned = 0
    if not syntax.is_encapsulated or syntax.name.startswith("RLE"):
        # High Bit beside the top of Bits Stored (retired, but found in old archives): the values lie further up
        high, bits = integer(data.get("HighBit")), int(data.BitsStored)
        if high is not None and bits <= high < int(data.BitsAllocated):
            left_aligned = high + 1 - bits
    try:
        options = {"bits_stored": int(data.BitsStored) + left_aligned} if left_aligned else {}
        stored, _ = get_decoder(syntax).as_array(data, index=frame.frame, raw=True, **options)
    except MemoryError:
        raise
    except Exception as error:  # whatever a decoder raises
        raise _sentence(error, syntax) from error
    return stored >> left_aligned if left_aligned else stored


def _sentence(error: Exception, syntax) -> Exception:
    name = getattr(syntax, "name", str(syntax))
    if "missing dependencies" in str(error):
        return MissingResource(f"No decoder for this compression is installed ({name}).")
    if isinstance(error, NotImplementedError):
        return UnusableInput(f"The compression of the DICOM images is not supported ({name}).")
    return UnusableInput(f"The pixel data of a DICOM image cannot be decoded (stored as {name}).")


def _without_padding(values: np.ndarray, frame: Frame) -> np.ndarray:
    """CT padding (outside the scanner's field) becomes air.

    A padding value within tissue (some files declare 0 = water) counts only where it fills the picture's corner.
    """
    if frame.padding is None or frame.header.modality != "CT":
        return values
    low, high = frame.padding
    if high > -900 and low < 3072 and not low <= values[0, 0] <= high:
        return values
    padded = (values >= low) & (values <= high)
    if not padded.any():
        return values
    if values.dtype.kind == "u":
        values = values.astype(np.int64)
    return np.where(padded, values.dtype.type(AIR_HU), values)
