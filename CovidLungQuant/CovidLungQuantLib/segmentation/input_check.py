"""Whether a volume can be analyzed as a chest CT: one clear sentence when it cannot, notes when it can with care.

Whether lungs are in it is found out later, by segmenting.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from LesionKitLib.imaging.value_range import value_range
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.dicom.header import Header
from LesionKitLib.run.errors import UnusableInput

MIN_SLICES = 8
MIN_COVERAGE_MM = 40.0  # along every axis; less than this of a lung cannot be measured meaningfully
MIN_MATRIX = 64  # pixels along each in-plane axis
MAX_SLICE_SPACING_MM = 12.0
MAX_PIXEL_MM = 5.0
SPACING_LIMITS_MM = (0.1, 20.0)
HU_LIMITS = (-1024, 3071)  # air outside the field of view .. the end of the 12-bit scale (metal)
OFFSET_HU = 1024  # between stored values and HU in most CT files: the rescale intercept
TISSUE_HU = (-150, 200)  # fat to contrast-filled vessels: where most of a body lies

_XRAY = {"CR", "DX", "DR", "RG", "RF", "XA", "MG", "PX", "IO"}
_MODALITIES = {
    "MR": "a magnetic resonance image", "PT": "a positron emission image", "NM": "a nuclear medicine image",
    "US": "an ultrasound image", "SC": "a screen capture", "OT": "an image of another kind",
} | dict.fromkeys(_XRAY, "an X-ray picture")  # fmt: skip

_TOO_HIGH = f"as if stored without rescaling ({OFFSET_HU} too high)"


def check_chest_ct(volume: Volume, header: Header | None = None) -> Volume:
    """The volume ready for analysis: values clipped to HU_LIMITS, with notes about what limits the result.

    The input's array is never changed; without anything to clip the same array comes back. header: what DICOM said,
    if anything. Raises UnusableInput for other modalities, localizers, too few slices, spacing that is too coarse or
    impossible, NaN or infinity, constant images, and values that are not HU.
    """
    header = header or Header()
    _check_kind(header)
    _check_grid(volume)
    low, high = value_range(volume.array)
    _check_values(low, high)
    _check_offset(volume.array)
    notes = _grid_notes(volume, header)
    array = volume.array
    if low < HU_LIMITS[0] or high > HU_LIMITS[1]:
        array = np.clip(array, *HU_LIMITS)
        notes.append(f"Values from {low:g} to {high:g} HU were limited to {HU_LIMITS[0]} to {HU_LIMITS[1]} HU.")
    return replace(volume, array=array, notes=(*volume.notes, *notes))


def _check_kind(header: Header) -> None:
    if header.modality not in ("", "CT"):
        what = _MODALITIES.get(header.modality, "an image")
        raise UnusableInput(f"This is {what} (modality {header.modality}), but a chest CT is needed.")
    if header.kind == "localizer":
        raise UnusableInput(
            "This is the scan's localizer (topogram), not its slices; choose the series of axial slices."
        )


def _check_grid(volume: Volume) -> None:
    size, spacing = np.array(volume.array.shape[::-1]), volume.spacing
    if min(size) == 1:
        raise UnusableInput("The image is a single 2-D slice, but a chest CT of many slices is needed.")
    if spacing.min() < SPACING_LIMITS_MM[0] or spacing.max() > SPACING_LIMITS_MM[1]:
        raise UnusableInput(
            f"The voxel size {_by(spacing)} mm is impossible for a CT; the file's geometry is missing or wrong."
        )
    across = _slice_axis(size, spacing)
    in_plane = [axis for axis in range(3) if axis != across]
    if size[across] < MIN_SLICES:
        raise UnusableInput(
            f"The image has only {size[across]} slices; at least {MIN_SLICES} are needed to measure lungs."
        )
    if spacing[across] > MAX_SLICE_SPACING_MM:
        raise UnusableInput(
            f"The slices lie {spacing[across]:.1f} mm apart; "
            f"at more than {MAX_SLICE_SPACING_MM:g} mm lesions are missed, so they are not measured."
        )
    if size[in_plane].min() < MIN_MATRIX or spacing[in_plane].max() > MAX_PIXEL_MM:
        raise UnusableInput(
            f"The slices of {size[in_plane[0]]} x {size[in_plane[1]]} pixels of {spacing[in_plane].max():.1f} mm "
            f"are too coarse; at least {MIN_MATRIX} x {MIN_MATRIX} pixels of at most {MAX_PIXEL_MM:g} mm are needed."
        )
    extent = size * spacing
    if extent.min() < MIN_COVERAGE_MM:
        raise UnusableInput(
            f"The image covers only {extent.min():.0f} mm in one direction; at least {MIN_COVERAGE_MM:g} mm are needed."
        )


def _check_values(low: float, high: float) -> None:
    scale = f"the values go from {low:g} to {high:g}"
    if low >= 0 and 1100 <= high <= 5200:
        raise UnusableInput(f"The image is not in Hounsfield units: {scale}, {_TOO_HIGH}.")
    if low >= 0 or high < -500 or high - low < 200:
        raise UnusableInput(f"The image is not in Hounsfield units: {scale}, but air is about -1000 and water 0.")


def _check_offset(array: np.ndarray) -> None:
    """Refuse values that are HU but for the rescale's intercept, whatever pads the image outside the field of view.

    The padding is one value, the lowest, and tells nothing of the scale; the others do, on a thinned grid.
    """
    sample = array[:: max(1, len(array) // 64), ::4, ::4]
    values = sample[sample > sample.min()]
    if not values.size:
        return
    body = float(np.mean((values >= TISSUE_HU[0] + OFFSET_HU) & (values <= TISSUE_HU[1] + OFFSET_HU)))
    if np.percentile(values, 1) > TISSUE_HU[0] and body > 0.15:
        raise UnusableInput(
            f"The image is not in Hounsfield units: most tissue has values around {OFFSET_HU} and nothing that of air "
            f"(-1000), {_TOO_HIGH}."
        )
    if np.percentile(values, 5) < -1.25 * OFFSET_HU:
        raise UnusableInput(
            f"The image is not in Hounsfield units: its values go down to {float(values.min()):g}, but air is about "
            f"-1000, as if rescaled twice ({OFFSET_HU} too low)."
        )


def _grid_notes(volume: Volume, header: Header) -> list[str]:
    step = float(volume.spacing[_slice_axis(np.array(volume.array.shape[::-1]), volume.spacing)])
    thickness = header.slice_thickness
    if thickness and thickness < 0.6 * step:
        return [
            f"The slices are {thickness:g} mm thick but lie {step:g} mm apart: what lies between them is estimated."
        ]
    if step > 5.5:
        return [f"The slices lie {step:g} mm apart: small lesions may be missed."]
    return []


def _slice_axis(size: np.ndarray, spacing: np.ndarray) -> int:
    """The axis (i, j, k) the slices are stacked along: much coarser than the others, else that of the fewest voxels."""
    coarse = np.flatnonzero(spacing >= 0.6 * spacing.max())
    return int(coarse[np.argmin(size[coarse])])


def _by(values: np.ndarray) -> str:
    return " x ".join(f"{value:.3g}" for value in values)
