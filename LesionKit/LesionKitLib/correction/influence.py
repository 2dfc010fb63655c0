"""How far a stroke reaches: a distance that grows fast across edges, so that influence stops at a lesion's border."""

from __future__ import annotations

import numpy as np

NOWHERE = 1e6  # mm


def speed_of(features: np.ndarray, edge_weight: float) -> np.ndarray:
    """Speed (*grid) float32 in 0..1 of a front that is slow where features (n, *grid) change."""
    from scipy import ndimage

    squares = sum(ndimage.gaussian_gradient_magnitude(feature, 1.0) ** 2 for feature in features)
    return (1 / (1 + edge_weight * np.sqrt(squares))).astype(np.float32)


def distance_from(strokes: np.ndarray, speed: np.ndarray, spacing: tuple[float, ...], limit: float) -> np.ndarray:
    """Geodesic distance (*grid) in mm from the strokes (*grid, bool), NOWHERE beyond the limit.

    By fast marching (Sethian 1996, PNAS 93:1591), SimpleITK's.
    """
    import SimpleITK as sitk
    from scipy import ndimage

    image = sitk.GetImageFromArray(speed)
    image.SetSpacing([float(s) for s in spacing[::-1]])
    march = sitk.FastMarchingImageFilter()
    march.SetNumberOfWorkUnits(1)
    rim = strokes & ~ndimage.binary_erosion(strokes)
    march.SetTrialPoints([[int(i) for i in point[::-1]] for point in np.argwhere(rim)])
    march.SetStoppingValue(limit)
    distance = sitk.GetArrayFromImage(march.Execute(image))
    distance[strokes] = 0
    return np.where(distance <= limit, distance, NOWHERE).astype(np.float32)
