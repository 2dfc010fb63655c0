"""The first frame of a DICOM file as stored values, decoded but not yet scaled; nothing but this frame is read."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from LesionKitLib.io.dicom.file import DEFLATED, DicomFile
from LesionKitLib.run.errors import UnusableInput

from . import codecs
from .frame_size import refuse_other_size

DAMAGED = "The image file is damaged or cut short (truncated); copy it again."
# every other transfer syntax packs frames; pydicom does not know all of them
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", DEFLATED)
UNDEFINED_LENGTH = b"\xff\xff\xff\xff"  # of an element whose value is a sequence of fragments
_OPTIONS = {
    "rows": "Rows",
    "columns": "Columns",
    "samples_per_pixel": "SamplesPerPixel",
    "photometric_interpretation": "PhotometricInterpretation",
    "bits_allocated": "BitsAllocated",
    "bits_stored": "BitsStored",
    "pixel_representation": "PixelRepresentation",
    "planar_configuration": "PlanarConfiguration",
}


def stored_frame(stream: BinaryIO, file: DicomFile) -> np.ndarray:
    """Of an open file: (rows, columns) or (rows, columns, 3), color as RGB; its Image Pixel Module must be complete.

    Raises UnusableInput with one sentence, MemoryError, OSError.
    """
    syntax = transfer_syntax(file.data)
    try:
        if is_compressed(file.data):
            array = _encapsulated(stream, file, syntax)
        elif syntax == DEFLATED or "BitsStored" not in file.data:
            array = _whole(stream, file)
        else:
            array = _native(stream, file, syntax)
    except (UnusableInput, MemoryError, PermissionError):
        raise
    except NotImplementedError as error:  # a transfer syntax that pydicom does not know
        raise UnusableInput("The image is compressed in a way that cannot be read here.") from error
    except RuntimeError as error:  # of a kind of its own where pydicom knows no way to decode it
        if "missing dependencies" in str(error) or type(error) is not RuntimeError:
            raise UnusableInput("The image is compressed in a way that cannot be read here.") from error
        raise UnusableInput(DAMAGED) from error
    except Exception as error:  # whatever a decoder raises on damaged data
        raise UnusableInput(DAMAGED) from error
    if array.shape[:2] != (file.data.Rows, file.data.Columns):
        raise UnusableInput(DAMAGED)
    return array


def transfer_syntax(data):
    """Of the file meta information, or of an old file without it the one that the data set was read with."""
    from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    told = getattr(data, "file_meta", {}).get("TransferSyntaxUID")
    if told:
        return UID(told)
    implicit, little = data.original_encoding
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def is_compressed(data) -> bool:
    """Whether the frames are codestreams (encapsulated, PS3.5 A.4)."""
    return transfer_syntax(data) not in _NATIVE


def _native(stream: BinaryIO, file: DicomFile, syntax) -> np.ndarray:
    from pydicom.pixels import get_decoder

    data = file.data
    bits = data.Rows * data.Columns * data.SamplesPerPixel * data.BitsAllocated
    if data.PhotometricInterpretation == "YBR_FULL_422":  # two pixels share their colors (PS3.3 C.7.6.3.1.2)
        bits = bits * 2 // 3
    count = (bits + 7) // 8
    implicit, _little = data.original_encoding
    stream.seek(file.pixel_start)
    head = stream.read(8 if implicit else 12)
    if head[-4:] == UNDEFINED_LENGTH:
        raise UnusableInput("The DICOM image is compressed, but its header does not say how (TransferSyntaxUID).")
    pixels = stream.read(count)
    if len(pixels) != count:
        raise UnusableInput(DAMAGED)
    vr = "OW" if implicit else head[4:6].decode("ascii")
    options = _options(data)
    if data.BitsAllocated > 1:  # the whole words: which of their bits count depends on HighBit
        options["bits_stored"] = data.BitsAllocated
    return get_decoder(syntax).as_array(pixels + bytes(count % 2), index=0, pixel_vr=vr, **options)[0]


def _encapsulated(stream: BinaryIO, file: DicomFile, syntax) -> np.ndarray:
    from pydicom.encaps import encapsulate, generate_frames
    from pydicom.pixels import get_decoder

    data, skipped = file.data, 8 if file.data.original_encoding[0] else 12
    stream.seek(file.pixel_start)
    if stream.read(skipped)[-4:] != UNDEFINED_LENGTH:
        raise UnusableInput("The DICOM image's TransferSyntaxUID says that it is compressed, but it is not.")
    frame = next(generate_frames(stream, number_of_frames=int(data.get("NumberOfFrames") or 1)))
    refuse_other_size(frame, str(syntax), data)
    if codecs.decodes(str(syntax), data):
        return codecs.decode(frame, str(syntax), data)
    return get_decoder(syntax).as_array(encapsulate([frame]), index=0, **_options(data))[0]


def _whole(stream: BinaryIO, file: DicomFile) -> np.ndarray:
    """Of a deflated data set, which has to be unfolded as a whole, and of float values."""
    import pydicom
    from pydicom.pixels import pixel_array

    stream.seek(0)
    whole = pydicom.dcmread(stream, force=True)
    whole.update({element.tag: element for element in file.data if element.tag.group == 0x0028})
    if "TransferSyntaxUID" not in getattr(whole, "file_meta", {}):
        whole.file_meta.TransferSyntaxUID = transfer_syntax(file.data)
    return pixel_array(whole, index=0)


def _options(data) -> dict:
    values = {name: data.get(keyword) for name, keyword in _OPTIONS.items()}
    values |= {"number_of_frames": 1, "pixel_keyword": "PixelData"}
    return {name: value for name, value in values.items() if value is not None}
