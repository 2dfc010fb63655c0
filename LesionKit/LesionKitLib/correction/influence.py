"""How far a stroke reaches: a distance that grows fast across edges, so that influence stops at a lesion's border."""

from __future__ import annotations

import numpy as np

NOWHERE = 1e6  # mm
LEAST_INFLUENCE = 0.02  # of 1 at the stroke; where it is less, a stroke teaches nothing


def reach_of(radius: float, factor: float, limits: tuple[float, float]) -> float:
    """Geodesic distance in mm after which the influence of a stroke has fallen to 1/e; radius: of its brush, mm."""
    return float(np.clip(factor * radius, *limits))


def limit_of(reach: float) -> float:
    """Geodesic distance in mm from which the influence is below LEAST_INFLUENCE."""
    return float(-reach * np.log(LEAST_INFLUENCE))


def brush_radius(stroke: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Largest inscribed radius in mm of a stroke (*grid, bool); in its plane where it has one slice."""
    from scipy import ndimage

    padded = np.pad(stroke, [(0, 0) if size == 1 else (1, 1) for size in stroke.shape])
    return float(ndimage.distance_transform_edt(padded, spacing).max())


def speed_of(features: np.ndarray, edge_weight: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Speed (*grid) float32 in 0..1 of a front that is slow where features (n, *grid) change.

    edge_weight: slowness for each unit that a feature changes within 1 mm.
    """
    from scipy import ndimage

    squares = np.zeros(features.shape[1:], np.float32)
    for feature in features:
        for axis, step in enumerate(spacing):
            if feature.shape[axis] > 1:
                order = [int(n == axis) for n in range(feature.ndim)]
                squares += (ndimage.gaussian_filter(feature, 1.0, order) / step) ** 2
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
