"""What partial volume makes look like lesion: flat components at the lung's border, and "effusion" of fat.

Where the diaphragm's dome, the apex, the heart or a rib enters a slice, its voxels hold lung and soft tissue, and a
network takes the mixture for ground glass. Such a component is as high as a thin slice or two and touches the lung's
border; a lesion of that width is higher. Pleural fluid has 0 HU or more; what lies beside the lung with the HU of fat
is extrapleural fat.
"""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.labels import CONSOLIDATION, EFFUSION, GGO
from LesionKitLib.imaging.measures import bounding_box

FLAT_MM = 4.0  # mean height of a flat component: two slices of 2 mm
FLAT_EXTENT_MM = 6.0  # from its lowest to its highest voxel, for the border is not level
DOME_SLICES = 2  # where slices are thicker a component of this many is still partial volume ...
DOME_SLICE_MM = 5.5  # ... up to this slice thickness; above it a small lesion has no more slices either
DOME_SHARE = 0.8  # of a component's voxels, that have no lung straight above or below
DENSE_HU = -200.0  # a mixture of half lung (-850 HU) and half tissue (40 HU) has -400; denser is consolidation
FLUID_HU = -20.0  # fluid has 0 HU or more; a component of which nine tenths have less than this holds none ...
FAT_ML = 5.0  # ... if it is small; a large one is left for the reader, with a note on its mean


def drop_partial_volume(
    hu: np.ndarray, lungs: np.ndarray, lesions: np.ndarray, spacing
) -> tuple[np.ndarray, np.ndarray]:
    """(lungs, lesions) without the lesion components that are partial volume; copies where anything is dropped.

    hu, lungs (1 right, 2 left), lesions (1 to 3): [k, j, i] in LPS order; spacing: mm along (i, j, k). Ground glass and
    consolidation that are dropped stay lung; "effusion" of fat leaves the lung too.
    """
    from scipy import ndimage

    box = bounding_box(lesions)
    if box is None:
        return lungs, lesions
    box = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)  # with the border's neighbors
    lung, lesion, values = lungs[box] > 0, lesions[box].copy(), hu[box]
    numbers, count = ndimage.label(lesion > 0, np.ones((3, 3, 3)), output=np.int32)
    voxel_ml = float(np.prod(spacing)) / 1000
    flat, fat = np.zeros(count + 1, bool), np.zeros(count + 1, bool)
    for number, part in enumerate(ndimage.find_objects(numbers), 1):
        mask = numbers[part] == number
        classes = np.bincount(lesion[part][mask], minlength=4)
        if classes[EFFUSION.value] > classes[GGO.value] + classes[CONSOLIDATION.value]:
            fat[number] = mask.sum() * voxel_ml <= FAT_ML and np.percentile(values[part][mask], 90) < FLUID_HU
        else:
            flat[number] = _is_flat(mask, part, lung, spacing) and values[part][mask].mean() < DENSE_HU
    if not (flat.any() or fat.any()):
        return lungs, lesions
    lungs, lesions = lungs.copy(), lesions.copy()
    lesions[box][(flat | fat)[numbers]] = 0
    lungs[box][fat[numbers]] = 0
    return lungs, lesions


def _is_flat(mask: np.ndarray, part: tuple[slice, ...], lung: np.ndarray, spacing) -> bool:
    """Whether a component (its mask in ``part`` of the lung's array) is a sheet of partial volume at the border."""
    step = float(spacing[2])
    mean_height = mask.sum() / mask.any(0).sum() * step
    is_sheet = mean_height <= FLAT_MM and len(mask) * step <= FLAT_EXTENT_MM
    is_low = len(mask) <= DOME_SLICES and step <= DOME_SLICE_MM
    if not (is_sheet or is_low):
        return False
    reach = max(1, round(FLAT_MM / step))
    around = tuple(slice(max(0, s.start - n), s.stop + n) for s, n in zip(part, (reach, 1, 1), strict=True))
    inside = lung[around]
    own = np.zeros(inside.shape, bool)
    own[tuple(slice(s.start - a.start, s.stop - a.start) for s, a in zip(part, around, strict=True))] = mask
    if is_sheet and _touches(own, ~inside):
        return True
    return is_low and _share_with_no_lung_beyond(own, inside, reach) >= DOME_SHARE


def _touches(mask: np.ndarray, other: np.ndarray) -> bool:
    from scipy import ndimage

    return bool((ndimage.binary_dilation(mask, np.ones((3, 3, 3))) & other).any())


def _share_with_no_lung_beyond(mask: np.ndarray, lung: np.ndarray, reach: int) -> float:
    """Share of the mask's voxels above or below which, within ``reach`` slices, the lung ends."""
    ends = np.zeros(mask.shape, bool)
    for n in range(1, reach + 1):
        ends[n:] |= ~lung[:-n]
        ends[:-n] |= ~lung[n:]
    return float(ends[mask].mean())
