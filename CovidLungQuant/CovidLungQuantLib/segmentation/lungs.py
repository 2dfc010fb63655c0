"""Right and left lung, lung thirds, and the cleaning of a lung mask.

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
ISLAND_ML = 5.0  # a smaller component is dropped ...
NEAR_MM = 15.0  # ... unless it lies this near to a larger one (a lung's recess cut off by a thick slice)
VESSEL_MM2 = 200.0  # a gap in an axial slice up to this is a vessel, whatever its way out in 3-D
TAIL = 0.001  # of a lung's voxels, at either end, that its height leaves out: stray voxels must not move the thirds
HEIGHT_STEP_MM = 0.25

THIRDS = ("lower", "middle", "upper")


def label_lungs(mask: np.ndarray, spacing, midline: float | None = None) -> np.ndarray:
    """From a network's lung mask to clean lungs: islands dropped, split into right (1) and left (2), holes filled.

    midline: as in split_left_right.
    """
    return fill_lungs(split_left_right(drop_islands(mask, spacing), spacing, midline), spacing)


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


def drop_islands(mask: np.ndarray, spacing) -> np.ndarray:
    """The bool mask without components under ISLAND_ML that lie farther than NEAR_MM from every larger component.

    When all are that small they are all kept: they may be what a collapsed lung has left.
    """
    from scipy import ndimage

    box = bounding_box(mask)
    if box is None:
        return mask.astype(bool)
    inner = mask[box]
    numbers, count = ndimage.label(inner, np.ones((3, 3, 3)), output=np.int32)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1) * (float(np.prod(spacing)) / 1000)
    large = sizes >= ISLAND_ML
    large[0] = False
    result = mask.astype(bool)
    if large.all() or not large[1:].any():
        return result
    kept = large.copy()
    boxes = ndimage.find_objects(numbers)
    for number in np.flatnonzero(~large[1:]) + 1:
        reach = tuple(
            slice(max(0, int(s.start - NEAR_MM / mm)), int(s.stop + NEAR_MM / mm) + 1)
            for s, mm in zip(boxes[number - 1], reversed(spacing), strict=True)
        )
        kept[number] = large[numbers[reach]].any()
    result[box] = kept[numbers]
    return result


def fill_lungs(lungs: np.ndarray, spacing) -> np.ndarray:
    """Lungs with their holes filled: cavities enclosed in 3-D, and in each axial slice gaps as small as vessels.

    A larger gap that is closed in a slice and open in 3-D stays: it is the dome of the diaphragm, or a hilum.
    lungs: bool, or uint8 labels; each label is filled by itself, so that lungs touching before and behind the heart
    do not swallow it. Same dtype as given.
    """
    result = lungs.copy()
    smallest_gap = VESSEL_MM2 / (float(spacing[0]) * float(spacing[1]))
    for value in [True] if lungs.dtype == bool else [v for v in np.unique(lungs) if v]:
        box = bounding_box(lungs == value)
        if box is None:
            continue
        view = result[box]
        mask = view == value
        closed = np.zeros(mask.shape, bool)
        for k in range(len(mask)):
            small, large = _holes(mask[k], smallest_gap)
            closed[k] = large
            mask[k] |= small
        mask |= _enclosed(closed, mask)
        view[mask & (view == 0)] = value
    return result


def _holes(mask: np.ndarray, smallest_gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Background of a 2-D mask that does not reach the border: (gaps up to ``smallest_gap`` pixels, larger)."""
    from scipy import ndimage

    gaps, count = ndimage.label(np.pad(~mask, 1, constant_values=True))
    if count < 2:
        return np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
    sizes = np.bincount(gaps.ravel())
    hole = np.ones(count + 1, bool)
    hole[[0, gaps[0, 0]]] = False
    gaps = gaps[1:-1, 1:-1]
    return (hole & (sizes <= smallest_gap))[gaps], (hole & (sizes > smallest_gap))[gaps]


def _enclosed(closed: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Of the gaps closed in their slice, those that no neighboring slice opens."""
    from scipy import ndimage

    if not closed.any():
        return closed
    numbers, count = ndimage.label(closed)
    outside = np.pad(~closed & ~mask, ((1, 1), (0, 0), (0, 0)), constant_values=True)
    leaks = closed & (outside[:-2] | outside[2:])
    shut = np.ones(count + 1, bool)
    shut[numbers[leaks]] = False
    shut[0] = False
    return shut[numbers]


def heights(ijk_to_ras: np.ndarray, shape) -> tuple[np.ndarray, np.ndarray | None]:
    """Height in mm (towards superior, from voxel 0) of LPS-oriented voxels as slice part (K) + in-slice part (J, I).

    The in-slice part is None when axial slices are level, as they mostly are.
    """
    i_step, j_step, k_step = (float(x) for x in ijk_to_ras[2, :3])
    by_slice = k_step * np.arange(shape[0])
    if max(abs(i_step) * shape[2], abs(j_step) * shape[1]) < HEIGHT_STEP_MM:
        return by_slice, None
    return by_slice, j_step * np.arange(shape[1])[:, None] + i_step * np.arange(shape[2])


def third_limits(lungs: np.ndarray, ijk_to_ras: np.ndarray) -> dict[int, tuple[float, float]]:
    """For each lung present (1, 2) the heights, as in ``heights``, where its middle and its upper third begin.

    Each lung is divided by its own extent from bottom to top (a raised diaphragm must not empty a lower third),
    without the outermost 0.1 % of its voxels at either end.
    """
    by_slice, in_slice = heights(ijk_to_ras, lungs.shape)
    if in_slice is None:
        return level_third_limits(np.array([np.bincount(codes.ravel(), minlength=3)[:3] for codes in lungs]), by_slice)
    low, high = by_slice.min() + in_slice.min(), by_slice.max() + in_slice.max()
    counts = _empty_bins(low, high)
    for k, codes in enumerate(lungs):
        for value in (RIGHT, LEFT):
            bins = np.rint((by_slice[k] + in_slice[codes == value] - low) / HEIGHT_STEP_MM).astype(int)
            counts[value] += np.bincount(bins, minlength=counts.shape[1])
    return {value: _cuts(counts[value], low) for value in (RIGHT, LEFT) if counts[value].any()}


def level_third_limits(voxels: np.ndarray, by_slice: np.ndarray) -> dict[int, tuple[float, float]]:
    """third_limits where axial slices are level: voxels (K, 3) of each label in each slice, and the slices' heights."""
    low = by_slice.min()
    counts = _empty_bins(low, by_slice.max())
    bins = [round((height - low) / HEIGHT_STEP_MM) for height in by_slice]
    np.add.at(counts.T, bins, voxels)
    return {value: _cuts(counts[value], low) for value in (RIGHT, LEFT) if counts[value].any()}


def _empty_bins(low: float, high: float) -> np.ndarray:
    return np.zeros((3, int((high - low) / HEIGHT_STEP_MM) + 2), np.int64)


def _cuts(counts: np.ndarray, low: float) -> tuple[float, float]:
    share = np.cumsum(counts) / counts.sum()
    bottom = int(np.searchsorted(share, TAIL, side="right"))
    top = int(np.searchsorted(share, 1 - TAIL, side="left"))
    height = (top - bottom) * HEIGHT_STEP_MM
    start = low + bottom * HEIGHT_STEP_MM
    return start + height / 3, start + 2 * height / 3


def thirds(lungs: np.ndarray, ijk_to_ras: np.ndarray) -> np.ndarray:
    """uint8 of the lungs' shape: 0 outside, 1 lower, 2 middle, 3 upper third of the lung the voxel belongs to."""
    limits = third_limits(lungs, ijk_to_ras)
    by_slice, in_slice = heights(ijk_to_ras, lungs.shape)
    result = np.zeros(lungs.shape, np.uint8)
    for k, codes in enumerate(lungs):
        for value, cuts in limits.items():
            height = np.broadcast_to(by_slice[k] + (0 if in_slice is None else in_slice), codes.shape)
            inside = codes == value
            result[k][inside] = third_index(height[inside], cuts) + 1
    return result


def third_index(height, cuts: tuple[float, float]) -> np.ndarray:
    """0 lower, 1 middle, 2 upper. A voxel on a cut belongs to the higher third."""
    height = np.asarray(height)
    return (height >= cuts[0] - 1e-6).astype(np.intp) + (height >= cuts[1] - 1e-6)
