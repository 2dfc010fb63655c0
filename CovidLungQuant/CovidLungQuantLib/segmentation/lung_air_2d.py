"""Lung air in single slices by gray value alone, for images without millimeters or Hounsfield units and for training.

Everything works on one axial slice (row 0 anterior) of values 0..1, dark = air.
"""

from __future__ import annotations

import numpy as np

MIN_AREA = 0.004  # of the slice; smaller air pockets are trachea, esophagus, bowel


def otsu_threshold(values: np.ndarray) -> float:
    """The gray value that separates two populations best (Otsu 1979, IEEE Trans SMC 9:62), or the only one."""
    if np.ptp(values) < 1e-6:
        return float(values.max())
    counts, edges = np.histogram(values, 128)
    centers = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centers)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(centers[np.nanargmax(between)])


def enclosed_air(gray: np.ndarray) -> np.ndarray:
    """Air inside the body of one slice (h, w): dark regions that do not reach the picture's border."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(gray.astype(np.float32), max(gray.shape) / 400)
    tissue = smooth > otsu_threshold(smooth[smooth > 0.02] if (smooth > 0.02).any() else smooth)
    body = largest(ndimage.binary_opening(tissue, iterations=max(1, gray.shape[1] // 170)))
    filled = ndimage.binary_fill_holes(body)
    air = filled & ~tissue
    labels, count = ndimage.label(air)
    areas = np.bincount(labels.ravel())[1:]
    return np.isin(labels, 1 + np.flatnonzero(areas > MIN_AREA * gray.size)) if count else air


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected component of a mask."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    return mask if count < 2 else labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def lung_box(gray: np.ndarray) -> tuple[int, int, int, int] | None:
    """(top, bottom, left, right) around the lungs of a slice, or None when no lung is seen."""
    air = enclosed_air(gray)
    if air.mean() < 2 * MIN_AREA:
        return None
    rows, columns = np.flatnonzero(air.any(1)), np.flatnonzero(air.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
