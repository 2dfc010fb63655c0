"""From a mask of lung to clean lungs: islands dropped, right and left told apart, holes filled.

Arrays are LPS-oriented (``LesionKitLib.imaging.volume.reorient_to_lps``): [k, j, i] with i to the patient's left, j to
posterior, k to superior. Spacing is (i, j, k) in mm. Lung labels: 0 none, 1 right, 2 left.
"""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.measures import bounding_box

from .left_right import split_left_right

ISLAND_ML = 5.0  # a smaller component is dropped ...
NEAR_MM = 15.0  # ... unless it lies this near to a larger one (a lung's recess cut off by a thick slice)
VESSEL_MM2 = 200.0  # a gap in an axial slice up to this is a vessel, whatever its way out in 3-D


def label_lungs(mask: np.ndarray, spacing, midline: float | None = None) -> np.ndarray:
    """From a network's lung mask to clean lungs: islands dropped, split into right (1) and left (2), holes filled.

    midline: as in split_left_right.
    """
    return fill_lungs(split_left_right(drop_islands(mask, spacing), spacing, midline), spacing)


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
