"""Pixels of DICOM, PNG and JPEG files as gray values 0..1 with bones bright.

DICOM follows the gray-scale pipeline of PS3.4 annex N.2: modality LUT or rescale, VOI LUT or window, polarity. Frames
are decoded in stored_frame.py. What a header or a compressed frame says about its size is checked before anything is
decoded, so that memory stays bounded.
"""

from __future__ import annotations

import warnings
from typing import BinaryIO

import numpy as np

from LesionKitLib.io.dicom.file import NO_PIXELS, DicomFile
from LesionKitLib.io.dicom.header import NOT_IMAGES
from LesionKitLib.io.dicom.values import text
from LesionKitLib.run.errors import UnusableInput

from .header_facts import header_facts
from .image_module import complete_image_module
from .stored_frame import DAMAGED, is_compressed, stored_frame
from .xray import Xray

MAX_PIXELS = 64_000_000  # of one frame: the largest detectors and film scanners have 30 million
MAX_FRAMES = 100_000
SMALLEST = 16  # pixels a side: less shows no anatomy
TABLE_BITS = 16  # up to here gray values go through a table of all stored values
TAILS = (0.1, 99.9)  # percentiles that become 0 and 1 where no window is given
LEAST_SHOWN = 0.02  # of 0..1: a window that shows less of the image is taken as wrong
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
COLORFUL = 0.1  # of the full range between channels


def refuse_size(rows: int, columns: int) -> None:
    """Raises UnusableInput for images too large to be decoded safely, or too small to show anything."""
    if rows * columns > MAX_PIXELS:
        most = MAX_PIXELS // 1_000_000
        raise UnusableInput(f"The image is too large: {columns} x {rows} pixels, at most {most} million are read.")
    if min(rows, columns) < SMALLEST:
        raise UnusableInput(f"The image is too small to show a body part: {columns} x {rows} pixels.")


# --- pictures


def decode_picture(stream: BinaryIO) -> Xray:
    """Of an open PNG or JPEG file. Raises UnusableInput."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's about size: the size is checked here
            with Image.open(stream, formats=("PNG", "JPEG")) as picture:
                refuse_size(picture.height, picture.width)
                frames, mode = getattr(picture, "n_frames", 1), picture.mode
                picture.load()
                upright = ImageOps.exif_transpose(picture)
                values = np.asarray(upright if mode.startswith(("I", "L")) else upright.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise UnusableInput("The image is too large to be read safely.") from error
    except UnidentifiedImageError as error:
        raise UnusableInput("The file is no DICOM, PNG or JPEG image.") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, UnusableInput | PermissionError):
            raise
        raise UnusableInput(DAMAGED) from error
    colored = colored_share(values)
    values, notes = _gray(values[..., 0] if mode == "LA" else values)
    if values.dtype == np.uint8:
        return Xray(values.astype(np.float32) / 255, frames=frames, notes=notes, colored=colored)
    values = values.astype(np.float32)
    return Xray(_between(values, *_tails(values)), frames=frames, notes=notes, colored=colored)


def _gray(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Color to gray: luminance, rounded back to the type. Gray values pass through."""
    if values.ndim == 2:
        return values, ()
    values = values[..., :3]
    full = np.iinfo(values.dtype).max
    sample = values[::4, ::4].astype(np.float32)
    colorful = float(np.mean(np.ptp(sample, axis=2) > COLORFUL * full))
    notes = ("The image is in color; its brightness was taken.",) if colorful > 0.01 else ()
    return np.rint(values @ LUMINANCE).astype(values.dtype), notes


def colored_share(values: np.ndarray) -> float:
    """Share of the pixels (rows, columns, 3) whose color a single tint, as a film's base has, does not explain."""
    if values.ndim != 3 or values.shape[2] < 3:
        return 0.0
    sample = values[::4, ::4, :3].reshape(-1, 3).astype(np.float32) / np.iinfo(values.dtype).max
    brightness = np.stack([sample @ LUMINANCE, np.ones(len(sample), np.float32)], axis=1)
    tint, *_ = np.linalg.lstsq(brightness, sample, rcond=None)
    return float(np.mean(np.abs(sample - brightness @ tint).max(1) > COLORFUL / 2))


# --- DICOM


def decode_dicom(stream: BinaryIO, file: DicomFile) -> Xray:
    """The first frame of an open DICOM file whose header is ``file``. Raises UnusableInput."""
    data = file.data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that break the standard; what matters is checked here
        frames, notes = _checked(file)
        pixels, more, colored = _gray_values(stored_frame(stream, file), data, is_compressed(data))
    if frames > 1:
        notes.append(f"The file holds {frames} frames; the first was taken.")
    spacing, aspect = _spacing(data)
    return Xray(pixels, header_facts(data), frames, (*notes, *more), spacing, aspect, colored)


def _checked(file: DicomFile) -> tuple[int, list[str]]:
    """The number of frames, and notes. Raises UnusableInput for what holds no image that can be decoded."""
    data = file.data
    _refuse_what_is_no_image(file)
    frames = max(1, _whole(data.get("NumberOfFrames")))
    if frames > MAX_FRAMES:
        raise UnusableInput(f"The DICOM file claims {frames} frames; at most {MAX_FRAMES} are read.")
    notes = complete_image_module(data)
    refuse_size(_whole(data.Rows), _whole(data.Columns))
    if file.pixel_defect:
        raise UnusableInput(f"The DICOM image is {file.pixel_defect}.")
    if any(element.tag.group & 0xFF01 == 0x6000 and element.tag.element == 0x3000 for element in data):
        notes.append("The file holds an overlay, which was not drawn into the image.")
    if data.get("BurnedInAnnotation") == "YES":
        notes.append("The header says that text is burned into the image.")
    return frames, notes


def _refuse_what_is_no_image(file: DicomFile) -> None:
    data, kind = file.data, text(file.data.get("Modality"))
    empty = file.pixel_defect == NO_PIXELS
    bare = empty and not data.get("Rows")
    if file.is_encrypted and (empty or not data.get("Rows")):
        raise UnusableInput("The DICOM file is encrypted; it holds no image that can be read.")
    if file.is_media_directory:
        raise UnusableInput("The DICOM file is a DICOMDIR, which lists images and holds none.")
    if kind in NOT_IMAGES or (bare and kind):
        raise UnusableInput(f"The DICOM file holds no image (it is of the kind {kind}).")
    if bare:
        raise UnusableInput(DAMAGED)


def _gray_values(stored: np.ndarray, data, compressed: bool) -> tuple[np.ndarray, tuple[str, ...], float]:
    """float32 (rows, columns), 0..1, bones bright; notes; the colored share."""
    from pydicom.pixels.processing import apply_color_lut

    if data.get("PhotometricInterpretation") == "PALETTE COLOR":
        try:
            stored = apply_color_lut(stored, data)
        except Exception as error:  # absent or malformed tables
            raise UnusableInput("The DICOM image's palette is absent or malformed.") from error
    if stored.ndim == 3:
        gray, notes = _gray(stored)
        return gray.astype(np.float32) / np.iinfo(stored.dtype).max, notes, colored_share(stored)
    if stored.dtype.kind == "f":
        return _between(stored.astype(np.float32), *_tails(stored)), (), 0.0
    stored = _only_stored_bits(stored, data, compressed)
    padding = _padding_mask(stored, data)
    pixels, notes = _windowed(stored, padding, data)
    if _is_negative(data):
        pixels = np.float32(1) - pixels
    if padding is not None:
        pixels[padding] = 0
    return pixels, notes, 0.0


def _only_stored_bits(stored: np.ndarray, data, compressed: bool) -> np.ndarray:
    """Values without what lies in the unused bits, as old embedded overlays do; sign kept.

    Decoders of codestreams give the values in the lower bits, whatever the header says of its HighBit.
    """
    bits, allocated = _whole(data.get("BitsStored")), stored.dtype.itemsize * 8
    high = _whole(data.get("HighBit"), bits - 1)
    if compressed and not (int(stored.max()) | int(stored.min())) >> bits:
        high = bits - 1
    above = allocated - 1 - high
    if not 0 < bits < allocated or above < 0 or above + bits > allocated:
        return stored
    # pushed to the top and back: shifts of signed numbers bring the sign along
    return (stored << above) >> (allocated - bits)


def _padding_mask(stored: np.ndarray, data) -> np.ndarray | None:
    """Where PixelPaddingValue (or its range) stands; None when nowhere, or when it would take nearly all."""
    value = data.get("PixelPaddingValue")
    if value is None:
        return None
    ends = [_whole(value), _whole(data.get("PixelPaddingRangeLimit"), _whole(value))]
    if stored.dtype.kind == "i":  # often written as unsigned although the pixels are signed
        top = 1 << (stored.dtype.itemsize * 8 - 1)
        ends = [end - 2 * top if end >= top else end for end in ends]
    mask = (stored >= min(ends)) & (stored <= max(ends))
    share = mask.mean()
    return mask if 0 < share < 0.98 else None


def _windowed(stored: np.ndarray, padding: np.ndarray | None, data) -> tuple[np.ndarray, tuple[str, ...]]:
    """Through modality LUT and VOI LUT or window to 0..1; between the TAILS where there is none or it shows nothing."""
    low, high = int(stored.min()), int(stored.max())
    if high - low >= 1 << TABLE_BITS:  # more than 16 bits in use: no table of all values
        coarse = (high - low) / ((1 << TABLE_BITS) - 1)
        index = ((stored.astype(np.float64) - low) / coarse).astype(np.uint16)
        values = np.rint(low + coarse * np.arange(1 << TABLE_BITS)).astype(np.int64)
    else:
        narrow = stored if stored.dtype.itemsize == 2 else stored.astype(np.int32)
        index = (narrow - narrow.dtype.type(low)).astype(np.uint16, copy=False)  # modulo 65536, which the range fits
        values = np.arange(low, high + 1)
    sample = index[::4, ::4]
    if padding is not None and not padding[::4, ::4].all():
        sample = sample[~padding[::4, ::4]]
    table, notes = _modality(values.astype(stored.dtype if stored.dtype.itemsize >= 2 else np.int32), data)
    voi = _voi(table, data)
    if voi is not None and np.ptp(np.percentile(voi[sample], (1, 99))) >= LEAST_SHOWN:
        return voi[index], notes
    if voi is not None and low < high:
        notes += ("The window in the header shows nothing of this image and was not used.",)
    return _between(table, *np.percentile(table[sample], TAILS))[index], notes


def _modality(values: np.ndarray, data) -> tuple[np.ndarray, tuple[str, ...]]:
    """Stored values after modality LUT or rescale, float64."""
    from pydicom.pixels.processing import apply_modality_lut

    try:
        return np.asarray(apply_modality_lut(values, data), np.float64), ()
    except Exception:  # malformed tables
        return values.astype(np.float64), ("The modality LUT in the header is malformed and was not used.",)


def _voi(values: np.ndarray, data) -> np.ndarray | None:
    """Values after the first VOI LUT or window, scaled to 0..1, float32; None when there is none or it is malformed."""
    from pydicom.pixels.processing import apply_voi_lut

    has_lut = bool(data.get("VOILUTSequence"))
    if not has_lut and (data.get("WindowCenter") is None or data.get("WindowWidth") is None):
        return None
    try:
        shown = np.asarray(apply_voi_lut(np.rint(values).astype(np.int64) if has_lut else values, data), np.float64)
    except Exception:  # malformed tables, windows of no width
        return np.zeros(len(values), np.float32)
    top = _voi_top(data) if has_lut else (1 << max(1, _whole(data.get("BitsStored"), 16))) - 1
    if not has_lut:  # pydicom scales a window to the range that stored values have after rescaling
        low, high = _window_range(data)
        return np.clip((shown - low) / ((high - low) or 1), 0, 1).astype(np.float32)
    return np.clip(shown / top, 0, 1).astype(np.float32)


def _voi_top(data) -> int:
    """The largest value that the LUT's bits can hold, or that it holds where it says too few."""
    item = data.VOILUTSequence[0]
    bits = int(item.LUTDescriptor[2])
    return max((1 << bits) - 1, 1)


def _window_range(data) -> tuple[float, float]:
    """What pydicom's apply_windowing gives for the darkest and the brightest pixel."""
    bits, signed = _whole(data.get("BitsStored"), 16), _whole(data.get("PixelRepresentation")) == 1
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    slope, intercept = data.get("RescaleSlope"), data.get("RescaleIntercept")
    if not data.get("ModalityLUTSequence") and slope is not None and intercept is not None:
        low, high = low * float(slope) + float(intercept), high * float(slope) + float(intercept)
    return low, high


def _is_negative(data) -> bool:
    """Whether low values are meant to be shown bright (PS3.3 C.7.6.3.1.2 and C.11.4)."""
    return data.get("PhotometricInterpretation") == "MONOCHROME1" or data.get("PresentationLUTShape") == "INVERSE"


def _spacing(data) -> tuple[tuple[float, float] | None, float]:
    """Spacing in mm between rows and between columns, None when not known, and a pixel's height over its width."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        pair = _pair(data.get(name))
        if pair:
            return pair, pair[0] / pair[1]
    pair = _pair(data.get("PixelAspectRatio"))
    return None, pair[0] / pair[1] if pair else 1.0


def _pair(value) -> tuple[float, float] | None:
    try:
        first, second = (float(number) for number in value)
    except (TypeError, ValueError):
        return None
    fine = min(first, second) > 0 and 0.1 <= first / second <= 10
    return (first, second) if fine else None


def _tails(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values[::4, ::4], TAILS)
    return float(low), float(high)


def _between(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """low..high become 0..1, float32; all 0 where they are the same."""
    if not high > low:
        return np.zeros(values.shape, np.float32)
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


def _whole(value, default: int = 0) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return default
