"""A 3-D image with its place in the patient, and the moves between the input's grid and the model's axes.

Arrays are indexed ``[k, j, i]`` (slowest axis first) as in 3D Slicer. ``ijk_to_ras`` maps the column vector
``(i, j, k, 1)`` to millimeters in RAS: x grows towards the patient's right, y towards anterior, z towards superior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from LesionKitLib.run.errors import UnusableInput

from .grids import SHEAR_TOLERANCE, shear_of, spacing_of, squared
from .source import ImageSource

OBLIQUE_LIMIT_DEGREES = 10.0  # up to here an axial slice is still an axial slice to the networks

# Model axes: i towards the patient's left, j towards posterior, k towards superior. A slice then shows as
# radiologists hang it: anterior up, the patient's right at the left of the picture.
LPS_IN_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Volume:
    """A scalar image or label map.

    array: shape (k, j, i). ijk_to_ras: 4 x 4, mm. name: shown to the user, never a patient's name.
    notes: sentences about what reading found (gaps, clipped values), shown with the result.
    source: which image this is; None for computed ones.
    Axes that miss a right angle by rounding (SHEAR_TOLERANCE) are turned to the nearest rotation. Raises UnusableInput
    when the array is not 3-D or the axes are not perpendicular.
    """

    array: np.ndarray
    ijk_to_ras: np.ndarray
    name: str = ""
    notes: tuple[str, ...] = field(default=(), compare=False)
    source: ImageSource | None = field(default=None, compare=False)

    def __post_init__(self):
        if self.array.ndim != 3:
            raise UnusableInput(f"The image has {self.array.ndim} dimensions, but a 3-D volume is needed.")
        matrix = np.asarray(self.ijk_to_ras, dtype=float)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or min(spacing_of(matrix)) <= 0:
            raise UnusableInput("The image does not say where its voxels lie: its spacing or direction is invalid.")
        if shear_of(matrix) > SHEAR_TOLERANCE:
            raise UnusableInput(
                "The slices are sheared against each other (gantry tilt); resample the volume to a straight grid first."
            )
        object.__setattr__(self, "ijk_to_ras", squared(matrix, self.array.shape))

    @property
    def spacing(self) -> np.ndarray:
        """mm between voxel centers along (i, j, k)."""
        return spacing_of(self.ijk_to_ras)

    @property
    def directions(self) -> np.ndarray:
        """3 x 3; column n is the unit vector in RAS of array axis i, j, k."""
        return self.ijk_to_ras[:3, :3] / self.spacing

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in milliliters."""
        return float(np.prod(self.spacing)) / 1000.0

    def with_array(self, array: np.ndarray) -> Volume:
        """The same grid holding other values; raises ValueError when the shape differs."""
        if array.shape != self.array.shape:
            raise ValueError(f"array of shape {array.shape} does not fit the grid {self.array.shape}")
        return replace(self, array=array)


def affine(spacing, directions=LPS_IN_RAS, origin=(0.0, 0.0, 0.0)) -> np.ndarray:
    """4 x 4 ijkToRAS from spacing (i, j, k) in mm, 3 x 3 direction columns and the RAS position of voxel (0, 0, 0)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(directions, float) * np.asarray(spacing, float)
    matrix[:3, 3] = origin
    return matrix


def obliquity_degrees(volume: Volume) -> float:
    """Largest angle between an array axis and the patient axis nearest to it."""
    axes, _ = _nearest_axes(volume.directions)
    cosines = [abs(volume.directions[axes[n], n]) for n in range(3)]
    return float(np.degrees(np.arccos(np.clip(min(cosines), -1, 1))))


def reorient_to_lps(volume: Volume) -> tuple[Volume, Callable[[np.ndarray], np.ndarray]]:
    """Permute and flip the array (no interpolation) so that i, j, k run to Left, Posterior, Superior, nearly.

    Returns the volume (a view, no copy) and a function that brings an array on its grid back to the input's layout.
    """
    axes, signs = _nearest_axes(volume.directions)
    source = [int(np.where(axes == n)[0][0]) for n in range(3)]  # which input axis (i, j, k) becomes output axis n
    flips = [signs[source[n]] != LPS_IN_RAS[n, n] for n in range(3)]
    order = [2 - source[2], 2 - source[1], 2 - source[0]]  # the same in numpy's axis order (k, j, i)
    flipped = tuple(2 - n for n in range(3) if flips[n])
    array = np.flip(volume.array.transpose(order), flipped)

    to_input = np.zeros((4, 4))
    to_input[3, 3] = 1
    for n in range(3):
        length = volume.array.shape[2 - source[n]]
        to_input[source[n], n] = -1 if flips[n] else 1
        to_input[source[n], 3] = length - 1 if flips[n] else 0
    back = np.argsort(order)

    def restore(values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.flip(values, flipped).transpose(back))

    return replace(volume, array=array, ijk_to_ras=volume.ijk_to_ras @ to_input), restore


def straighten(volume: Volume) -> Volume:
    """The volume resampled (linear) onto a grid parallel to the patient's axes, of the same spacing, covering it all.

    For input turned by more than OBLIQUE_LIMIT_DEGREES. Outside the input the value is the input's minimum.
    """
    lps, _ = reorient_to_lps(volume)
    corners = np.array([[i, j, k, 1] for k in _ends(lps, 0) for j in _ends(lps, 1) for i in _ends(lps, 2)], float)
    points = (lps.ijk_to_ras @ corners.T)[:3].T @ LPS_IN_RAS  # LPS mm
    low, high = points.min(0), points.max(0)
    size = np.maximum(np.ceil((high - low) / lps.spacing - 1e-6).astype(int), 1) + 1
    grid = Volume(
        np.broadcast_to(np.zeros((), lps.array.dtype), size[::-1]),
        affine(lps.spacing, origin=LPS_IN_RAS @ low),
        volume.name,
        volume.notes,
        volume.source,
    )
    return grid.with_array(resample_like(lps, grid, fill=float(volume.array.min())))


def resample_like(volume: Volume, grid: Volume, fill: float = 0.0, nearest: bool = False) -> np.ndarray:
    """Values of ``volume`` at the voxel centers of ``grid`` (linear, or nearest neighbor), in the volume's dtype."""
    import SimpleITK as sitk

    image = to_sitk(volume)
    out = sitk.Resample(
        image,
        [int(n) for n in grid.array.shape[::-1]],
        sitk.Transform(),
        sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear,
        *_sitk_geometry(grid),
        fill,
        image.GetPixelID(),
    )
    return sitk.GetArrayFromImage(out)


def to_sitk(volume: Volume):
    """A SimpleITK image (LPS geometry) with a copy of the values; booleans become uint8."""
    import SimpleITK as sitk

    array = volume.array.astype(np.uint8) if volume.array.dtype == bool else np.ascontiguousarray(volume.array)
    image = sitk.GetImageFromArray(array)
    origin, spacing, direction = _sitk_geometry(volume)
    image.SetOrigin(origin)
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    return image


def _sitk_geometry(volume: Volume):
    origin = LPS_IN_RAS @ volume.ijk_to_ras[:3, 3]
    direction = LPS_IN_RAS @ volume.directions
    return [float(x) for x in origin], [float(x) for x in volume.spacing], [float(x) for x in direction.ravel()]


def _nearest_axes(directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each array axis the patient axis (0 R, 1 A, 2 S) it is nearest to, each used once, and its sign."""
    remaining = np.abs(directions).copy()
    axes, signs = np.zeros(3, int), np.zeros(3)
    for _ in range(3):
        patient, own = np.unravel_index(np.argmax(remaining), (3, 3))
        axes[own] = patient
        signs[own] = np.sign(directions[patient, own])
        remaining[patient, :] = -1
        remaining[:, own] = -1
    return axes, signs


def _ends(volume: Volume, axis: int) -> tuple[int, int]:
    return 0, volume.array.shape[axis] - 1
