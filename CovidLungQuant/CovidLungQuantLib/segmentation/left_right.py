"""Which lung a voxel belongs to: components on their side of the midline, fused lungs divided at their neck.

Arrays are LPS-oriented (``LesionKitLib.imaging.volume.reorient_to_lps``): [k, j, i] with i to the patient's left, j to
posterior, k to superior. Spacing is (i, j, k) in mm. Lung labels: 0 none, 1 right, 2 left.
"""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.labels import LEFT_LUNG, RIGHT_LUNG
from LesionKitLib.imaging.measures import bounding_box

RIGHT, LEFT = RIGHT_LUNG.value, LEFT_LUNG.value
COARSE_MM = 4.0  # grid on which lungs are told apart: finer than any fissure that matters, coarse enough to be quick
SMALLEST_PART = 0.02  # of a fused component: what the neck cuts off must be this large to be a lung of its own
VALLEY = 0.6  # the mediastinum shows when the sideways profile falls below this part of the lower lung's peak
STRADDLES = 0.35  # a component that no neck divides, with more than this beyond the midline, is cut along the midline


def split_left_right(mask: np.ndarray, spacing, midline: float | None = None) -> np.ndarray:
    """uint8 labels, 1 right and 2 left lung, of a bool mask of both.

    On a copy of about 4 mm each connected component goes to the side of the midline it lies on. A component on both
    sides (lungs that touch at the anterior or posterior junction) is thinned until its neck breaks into a right and a
    left core, and divided by a watershed from these. Full resolution takes the nearest coarse label, and near the cut
    the sign of the interpolated distance to it, so that the cut is smooth.
    The midline is the valley of the mask's sideways profile; where it has none (a single lung), ``midline`` (voxels
    along i), or else the middle of the array.
    """
    labels = np.zeros(mask.shape, np.uint8)
    box = bounding_box(mask)
    if box is None:
        return labels
    inner = mask[box]
    steps = [max(1, round(COARSE_MM / s)) for s in reversed(spacing)]  # k, j, i
    coarse = inner[:: steps[0], :: steps[1], :: steps[2]]
    if not coarse.any():  # a mask of specks thinner than the coarse grid
        steps, coarse = [1, 1, 1], inner
    size = [n * s for n, s in zip(steps, reversed(spacing), strict=True)]
    fallback = (mask.shape[2] - 1) / 2 if midline is None else midline
    midline = _profile_valley(coarse, fallback, box[2].start, steps[2])
    middle = (midline - box[2].start) / steps[2]
    sides = _split_coarse(coarse, size, middle)
    labels[box] = _to_full(sides, size, inner, steps)
    return labels


def _profile_valley(coarse: np.ndarray, fallback: float, start: int, step: int) -> float:
    """The midline in full-resolution voxels: where the sideways profile of two lungs has its valley."""
    from scipy import ndimage

    profile = ndimage.uniform_filter1d(coarse.sum((0, 1)).astype(float), 3, mode="constant")
    cumulative = np.cumsum(profile)
    # Otsu's threshold of the sideways position: between the two lungs when there are two.
    where = np.arange(len(profile))
    moment = np.cumsum(profile * where)
    weight = cumulative / cumulative[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] / cumulative[-1] * weight - moment / cumulative[-1]) ** 2 / (weight * (1 - weight))
    cut = int(np.nanargmax(np.where(np.isfinite(between), between, -1)))
    if not 0 < cut < len(profile) - 1:
        return fallback
    first, second = int(np.argmax(profile[: cut + 1])), cut + 1 + int(np.argmax(profile[cut + 1 :]))
    between_peaks = profile[first : second + 1]
    if between_peaks.min() >= VALLEY * min(profile[first], profile[second]):
        return fallback
    bottom = np.flatnonzero(between_peaks <= between_peaks.min() * 1.1)
    return start + step * (first + float(bottom.mean()))


def _split_coarse(coarse: np.ndarray, size, middle: float) -> np.ndarray:
    from scipy import ndimage

    numbers, count = ndimage.label(coarse)
    sides = np.zeros(coarse.shape, np.uint8)
    for number, box in enumerate(ndimage.find_objects(numbers, count), 1):
        component = numbers[box] == number
        sides[box][component] = _split_component(component, size, middle - box[2].start)[component]
    return sides


def _split_component(component: np.ndarray, size, middle: float) -> np.ndarray:
    """Sides of one connected component: an array of its shape, or of one number when it lies on one side."""
    share = _left_share(component, middle)
    lesser = min(share, 1 - share)
    if lesser > SMALLEST_PART:
        divided = _split_at_neck(component, size, middle)
        if divided is not None:
            return divided
    if lesser > STRADDLES:
        columns = np.where(np.arange(component.shape[2]) < middle, RIGHT, LEFT)
        return np.broadcast_to(columns, component.shape).astype(np.uint8)
    return np.full(component.shape, LEFT if share > 0.5 else RIGHT, np.uint8)


def _split_at_neck(component: np.ndarray, size, middle: float) -> np.ndarray | None:
    """Thin the component until a right and a left core come apart, then grow them back; None when they never do."""
    from scipy import ndimage

    padded = np.pad(component, 1)  # the picture's edge is an edge of the lung too
    depth = ndimage.distance_transform_edt(padded, size)[1:-1, 1:-1, 1:-1]
    for radius in np.arange(min(size), depth.max(), min(size) / 2):
        cores, count = ndimage.label(depth > radius)
        volumes = np.bincount(cores.ravel(), minlength=count + 1)[1:]
        is_left = np.broadcast_to(np.arange(component.shape[2]) >= middle, component.shape)
        left = np.bincount(cores.ravel(), is_left.ravel())
        on_left = left[1:] / volumes > 0.5
        least = SMALLEST_PART * volumes.sum()
        if volumes[on_left].max(initial=0) > least and volumes[~on_left].max(initial=0) > least:
            on_left = np.concatenate([[False], on_left])
            return _grow_back(cores > 0, on_left[cores], depth, radius, min(size) / 2)
    return None


def _grow_back(core: np.ndarray, left: np.ndarray, depth: np.ndarray, radius: float, step: float) -> np.ndarray:
    """The cores grown, both sides at one pace, into what is ever less deep: a watershed whose line lies in the neck."""
    from scipy import ndimage

    right = core & ~left
    while radius > 0:
        radius = max(0.0, radius - step)
        free = (depth > radius) & ~right & ~left
        while True:
            to_right = ndimage.binary_dilation(right) & free
            to_left = ndimage.binary_dilation(left) & free & ~to_right
            if not (to_right.any() or to_left.any()):
                break
            right |= to_right
            left |= to_left
            free &= ~to_right & ~to_left
    return np.where(left, LEFT, np.where(right, RIGHT, 0)).astype(np.uint8)


def _left_share(component: np.ndarray, middle: float) -> float:
    columns = component.sum((0, 1))
    return float(columns[np.arange(len(columns)) >= middle].sum() / columns.sum())


def _to_full(sides: np.ndarray, size, inner: np.ndarray, steps) -> np.ndarray:
    """Coarse sides brought to the voxels of ``inner``."""
    from scipy import ndimage

    nearest = ndimage.distance_transform_edt(sides == 0, size, return_distances=False, return_indices=True)
    filled = sides[tuple(nearest)]
    index = [np.minimum(np.rint(np.arange(n) / s).astype(int), m - 1) for n, s, m in
             zip(inner.shape, steps, sides.shape, strict=True)]  # fmt: skip
    full = filled[index[0]][:, index[1]][:, :, index[2]] * inner
    _smooth_cut(full, filled, size, index, steps)
    return full


def _smooth_cut(full: np.ndarray, filled: np.ndarray, size, index, steps) -> None:
    """Next to the cut, where the coarse grid shows as stairs, go by the interpolated distance to it."""
    from scipy import ndimage

    if filled.min() == filled.max():
        return
    left = filled == LEFT
    band = ndimage.binary_dilation(left) & ~ndimage.binary_erosion(left, border_value=1)
    signed = ndimage.distance_transform_edt(left, size) - ndimage.distance_transform_edt(~left, size)
    near = band[index[0]][:, index[1]][:, :, index[2]] & (full > 0)
    where = np.nonzero(near)
    at = [axis / step for axis, step in zip(where, steps, strict=True)]
    full[where] = np.where(ndimage.map_coordinates(signed, at, order=1, mode="nearest") > 0, LEFT, RIGHT)
