"""Where a place in the lungs of one examination lies in another: an affine registration of the lung masks.

Only the shape of the lungs is used: lesions grow and shrink and must not pull the registration. Every voxel of a coarse
grid is compared, in one thread, so that the same masks always give the same transform.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume
from LesionKitLib.run.errors import UnusableInput

GRID_MM = 6.0  # voxels that the registration compares
MARGIN_MM = 25.0  # of the grid around the lungs
CLAMP_MM = 25.0  # farther from the lungs' surface distances are alike, so that the far background has no say
ITERATIONS = 100


@dataclass(frozen=True)
class LungTransform:
    """matrix: 4 x 4, maps RAS mm of the earlier examination to those of the later one. overlap: Dice of the lungs."""

    matrix: np.ndarray
    overlap: float

    def apply(self, points: np.ndarray) -> np.ndarray:
        """RAS points (n, 3) in mm of the earlier examination, in the later one."""
        return points @ self.matrix[:3, :3].T + self.matrix[:3, 3]

    def inverse(self) -> LungTransform:
        """The way back."""
        return LungTransform(np.linalg.inv(self.matrix), self.overlap)


def register_lungs(earlier: Volume, later: Volume) -> LungTransform:
    """The transform between two label maps of the lungs (0 none), each on its own grid, in any axis order.

    Raises UnusableInput when one of them shows no lungs.
    """
    import SimpleITK as sitk

    fixed, moving = _distance_map(earlier), _distance_map(later)
    start = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.GEOMETRY
    )
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(4.0, 1e-3, ITERATIONS, 0.6, 1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=False)
    found = method.Execute(fixed, moving)
    inside = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, found, sitk.sitkLinear, CLAMP_MM)) < 0
    lungs = sitk.GetArrayFromImage(fixed) < 0
    overlap = 2.0 * float((inside & lungs).sum()) / max(1.0, float(inside.sum() + lungs.sum()))
    return LungTransform(_ras_matrix(found), overlap)


def _distance_map(lungs: Volume):
    """Signed distance to the lungs' surface in mm, negative inside, clamped; a SimpleITK image of GRID_MM voxels."""
    import SimpleITK as sitk
    from scipy import ndimage

    grid = _coarse_lungs(lungs)
    inside = np.asarray(grid.array, bool)
    distance = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    image = sitk.GetImageFromArray(np.clip(GRID_MM * distance, -CLAMP_MM, CLAMP_MM).astype(np.float32))
    image.SetSpacing([GRID_MM] * 3)
    image.SetOrigin((LPS_IN_RAS @ grid.ijk_to_ras[:3, 3]).tolist())
    return image


def _coarse_lungs(lungs: Volume) -> Volume:
    """The lungs on a grid of GRID_MM along L, P, S with a margin around them."""
    from LesionKitLib.imaging.volume import affine, resample_like

    voxels = np.argwhere(lungs.array > 0)
    if not len(voxels):
        raise UnusableInput("One of the examinations shows no lungs, so they cannot be compared.")
    corners = np.array([voxels.min(0), voxels.max(0)])[:, ::-1]
    box = np.array([[corners[a, 0], corners[b, 1], corners[c, 2], 1] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    lps = (box @ lungs.ijk_to_ras.T)[:, :3] @ LPS_IN_RAS
    first, last = lps.min(0) - MARGIN_MM, lps.max(0) + MARGIN_MM
    size = np.ceil((last - first) / GRID_MM).astype(int) + 1
    matrix = affine([GRID_MM] * 3, LPS_IN_RAS, LPS_IN_RAS @ first)
    empty = Volume(np.zeros(size[::-1], np.uint8), matrix)
    mask = lungs.with_array((lungs.array > 0).astype(np.uint8))
    return empty.with_array(resample_like(mask, empty, nearest=True))


def _ras_matrix(transform) -> np.ndarray:
    """An ITK affine transform (LPS) as a 4 x 4 matrix in RAS."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
    matrix = np.eye(4)
    matrix[:3, :3] = LPS_IN_RAS @ np.column_stack(columns) @ LPS_IN_RAS
    matrix[:3, 3] = LPS_IN_RAS @ origin
    return matrix
