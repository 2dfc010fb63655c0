"""What image files other than DICOM state about their geometry, checked before it is believed."""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.grids import SHEAR_TOLERANCE, shear_of, spacing_of, spacing_text
from LesionKitLib.imaging.volume import affine
from LesionKitLib.run.errors import UnusableInput

ORIENTATION_NOTE = "The file does not say how the patient lies; left-right may be wrong."
SMALLEST_MM, LARGEST_MM = 0.002, 100.0  # between voxel centers; beyond them the unit of length is wrong
# millimeters in a unit of length
MM = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "um": 0.001}
_NAMES = {"m": "meters", "cm": "centimeters", "mm": "millimeters", "um": "micrometers"}


def unoriented(spacing) -> np.ndarray:
    """The grid of a file that gives spacing (i, j, k; mm) but no orientation: as ITK and 3D Slicer place it (LPS)."""
    return affine(spacing)


def checked(matrix: np.ndarray, unit: str = "mm") -> tuple[np.ndarray, tuple[str, ...]]:
    """A stated ijkToRAS (4 x 4) in millimeters, and a note where it was converted.

    unit: m, cm, mm or um. Raises UnusableInput for a spacing that is none, sheared axes and a size no patient has.
    """
    matrix = np.asarray(matrix, float)
    spacing = spacing_of(matrix) * MM[unit]
    if not np.isfinite(matrix).all() or spacing.min() <= 0:
        raise UnusableInput("The file's spacing or direction is invalid, so its voxels have no size.")
    if not SMALLEST_MM <= spacing.min() <= spacing.max() <= LARGEST_MM:
        raise UnusableInput(
            f"By its header (lengths in {_NAMES[unit]}) the image's voxels measure {spacing_text(spacing)}, "
            "which is no size of a patient's image: correct the spacing or its unit."
        )
    refuse_shear(matrix)
    if unit == "mm":
        return matrix, ()
    matrix = matrix * np.array([[MM[unit]]] * 3 + [[1.0]])
    return matrix, (f"The file gives its geometry in {_NAMES[unit]}; it was converted to millimeters.",)


def refuse_shear(matrix: np.ndarray) -> None:
    """Raises UnusableInput where the axes are not perpendicular within SHEAR_TOLERANCE, with the angle."""
    shear = shear_of(matrix)
    if shear <= SHEAR_TOLERANCE:
        return
    degrees = np.degrees(np.arcsin(min(shear, 1.0)))
    raise UnusableInput(
        f"The image's axes are not perpendicular (sheared by {degrees:.1f} degrees); "
        "resample it to a straight grid first."
    )


def checked_spacing(values, where: str) -> np.ndarray:
    """Stated lengths (i, j, k). Raises UnusableInput that names ``where`` when one is missing or not above 0."""
    spacing = np.asarray(values, float)
    if len(spacing) < 3 or not np.isfinite(spacing[:3]).all() or spacing[:3].min() <= 0:
        shown = ", ".join(f"{value:g}" for value in spacing)
        raise UnusableInput(f"The {where} of the file is invalid ({shown}), so its voxels have no size.")
    return spacing[:3]


def missing_spacing(where: str) -> UnusableInput:
    """For a file that states no spacing. where: the fields that would state it."""
    return UnusableInput(
        f"The file does not say how large its voxels are (no spacing: {where} is missing); add it or export it again."
    )
