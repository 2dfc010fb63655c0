"""Whether a volume can be analyzed as a brain MR: one clear sentence when it cannot, notes when it can with care.

Whether a brain is in it is found out later, by aligning it with the template.
"""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.value_range import value_range
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.dicom_header import Header
from LesionKitLib.run.errors import UnusableInput

MIN_SLICES = 8
MIN_MATRIX = 48  # voxels along the two finer axes
MIN_COVERAGE_MM = 60.0  # along every axis: less of a head cannot be placed in standard space
MAX_COVERAGE_MM = 600.0
SPACING_LIMITS_MM = (0.1, 12.0)
AIR_IN_HU = -800.0  # no MR holds values like this; CT does, wherever there is air
_OTHER = {
    "CT": "a CT", "PT": "a positron emission image", "NM": "a nuclear medicine image", "US": "an ultrasound image",
    "SC": "a screen capture",
} | dict.fromkeys(("CR", "DX", "DR", "RG", "RF", "XA", "MG", "PX", "IO"), "an X-ray picture")  # fmt: skip


def check_brain_mr(volume: Volume, header: Header | None = None) -> tuple[str, ...]:
    """Notes about what limits the result. header: what DICOM said, if anything.

    Raises UnusableInput for other modalities, localizers, too few slices, impossible spacing, NaN or infinity, constant
    images, label maps, and values that are a CT's.
    """
    header = header or Header()
    if header.modality not in ("", "MR"):
        what = _OTHER.get(header.modality, "an image")
        raise UnusableInput(f"This is {what} (modality {header.modality}), but an MR of the brain is needed.")
    if header.kind == "localizer":
        raise UnusableInput("This is the scan's localizer, not its slices; choose another series.")
    _check_grid(volume)
    _check_values(volume.array)
    thickest = float(volume.spacing.max())
    if thickest > 5.5:
        return (f"The slices lie {thickest:.1f} mm apart: small lesions may be missed.",)
    return ()


def _check_grid(volume: Volume) -> None:
    size, spacing = np.array(volume.array.shape[::-1]), volume.spacing
    if min(size) == 1:
        raise UnusableInput("The image is a single 2-D slice, but a brain MR of many slices is needed.")
    if spacing.min() < SPACING_LIMITS_MM[0] or spacing.max() > SPACING_LIMITS_MM[1]:
        raise UnusableInput(
            f"The voxel size {_by(spacing)} mm is impossible for a brain MR, or too coarse; at most "
            f"{SPACING_LIMITS_MM[1]:g} mm can be analyzed."
        )
    if min(size) < MIN_SLICES:
        raise UnusableInput(f"The image has only {min(size)} slices; at least {MIN_SLICES} are needed.")
    if np.sort(size)[1] < MIN_MATRIX:
        raise UnusableInput(
            f"The image of {_by(size)} voxels is too coarse; slices need at least {MIN_MATRIX} x {MIN_MATRIX} pixels."
        )
    extent = size * spacing
    if extent.min() < MIN_COVERAGE_MM:
        raise UnusableInput(
            f"The image covers only {extent.min():.0f} mm in one direction; a brain needs at least {MIN_COVERAGE_MM:g}."
        )
    if extent.max() > MAX_COVERAGE_MM:
        raise UnusableInput(f"The image covers {extent.max():.0f} mm; give an MR of the head alone.")


def _check_values(array: np.ndarray) -> None:
    low, high = value_range(array)
    if low <= AIR_IN_HU and high > 200 and np.mean(array[::4, ::4, ::4] <= AIR_IN_HU) > 0.05:
        raise UnusableInput(
            f"The values go from {low:g} to {high:g}, as a CT's in Hounsfield units do, but an MR of the brain is "
            "needed."
        )
    if len(np.unique(array[::2, ::2, ::2])) < 12:
        raise UnusableInput("The image holds only a few different values: it is a label map or a mask, not an MR.")


def _by(values: np.ndarray) -> str:
    return " x ".join(f"{value:.3g}" for value in values)
