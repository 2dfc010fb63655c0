"""Compressed frames that pydicom's plugins cannot decode, or decode slowly: by imagecodecs, an optional package.

Its libjpeg-turbo reads JPEG Extended of 12 bits, which pydicom does not hand to GDCM, and JPEG Lossless five times as
fast as GDCM; OpenJPEG reads High-Throughput JPEG 2000 (ISO 15444-15) and libjxl JPEG XL (ISO 18181).
"""

from __future__ import annotations

import functools
import importlib.util

import numpy as np

from LesionKitLib.run.errors import UnusableInput

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
HTJ2K = tuple(f"1.2.840.10008.1.2.4.20{n}" for n in (1, 2, 3))
JPEG_XL = tuple(f"1.2.840.10008.1.2.4.11{n}" for n in (0, 1, 2))
# transfer syntax -> the function of imagecodecs
_DECODERS = {
    JPEG_EXTENDED: "jpeg8_decode",
    **dict.fromkeys(JPEG_LOSSLESS, "jpeg8_decode"),
    **dict.fromkeys(HTJ2K, "jpeg2k_decode"),
    **dict.fromkeys(JPEG_XL, "jpegxl_decode"),
}
_END_OF_JPEG = b"\xff\xd9"
_NAMES = {
    JPEG_EXTENDED: "JPEG Extended with 12 bits",
    **dict.fromkeys(HTJ2K, "High-Throughput JPEG 2000"),
    **dict.fromkeys(JPEG_XL, "JPEG XL"),
}


@functools.cache
def installed() -> bool:
    """Whether imagecodecs is there."""
    return importlib.util.find_spec("imagecodecs") is not None


def decodes(syntax: str, data) -> bool:
    """Whether frames of this transfer syntax and header are decoded here rather than by pydicom's plugins.

    Raises UnusableInput where nothing else reads them and imagecodecs is not installed.
    """
    only_here = syntax in HTJ2K + JPEG_XL or (syntax == JPEG_EXTENDED and data.BitsStored > 8)
    if only_here and not installed():
        raise UnusableInput(
            f"The image is compressed as {_NAMES[syntax]}, which cannot be read here: the package imagecodecs is not "
            "installed."
        )
    return only_here or (syntax in JPEG_LOSSLESS and data.SamplesPerPixel == 1 and installed())


def decode(frame: bytes, syntax: str, data) -> np.ndarray:
    """Stored values, (rows, columns) or (rows, columns, 3), of the type that the header allocates.

    Raises ValueError for damaged data and for another kind of picture than the header's.
    """
    import imagecodecs

    if syntax in (JPEG_EXTENDED, *JPEG_LOSSLESS) and not frame.rstrip(b"\0").endswith(_END_OF_JPEG):
        raise ValueError("cut short")  # libjpeg would fill up what is lacking
    try:
        values = np.asarray(getattr(imagecodecs, _DECODERS[syntax])(frame))
    except RuntimeError as error:  # of which every decoder has its own kind
        raise ValueError("damaged") from error
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != (2 if data.SamplesPerPixel == 1 else 3) or values.dtype.kind not in "iu":
        raise ValueError("another kind of picture than the header says")
    kind = "i" if data.PixelRepresentation == 1 else "u"
    allocated = np.dtype(f"{kind}{max(values.dtype.itemsize, int(data.BitsAllocated) // 8)}")
    return np.ascontiguousarray(values).astype(allocated)
