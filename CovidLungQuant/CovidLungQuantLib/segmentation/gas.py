"""Gas in organs of the belly that a network took for lung is not lung; a bulla, which lies in lung, is."""

from __future__ import annotations

import numpy as np

from .lung_air import COARSE_MM, ROOM_HU, TISSUE_HU, in_plane_mean

LEAST_ML = 5.0
BESIDE_TISSUE = 0.7  # share of the surroundings of gas that is soft tissue, above which it lies in an organ
RING = 2  # coarse voxels: beyond the wall, in which gas and tissue share voxels


def drop_gas(hu: np.ndarray, lungs: np.ndarray, lesions: np.ndarray, spacing) -> tuple[np.ndarray, np.ndarray]:
    """(lungs, lesions) without gas in organs; copies where anything is dropped.

    hu, lungs, lesions: [k, j, i] in LPS order; spacing: mm along (i, j, k). Works on a copy of about 4 mm.
    """
    from scipy import ndimage

    steps = [max(1, round(COARSE_MM / s)) for s in reversed(spacing)]
    thin = tuple(slice(None, None, step) for step in steps)
    coarse, lung = hu[thin], lungs[thin] > 0
    labels, count = ndimage.label(lung & (in_plane_mean(coarse) < ROOM_HU))
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * float(np.prod(spacing) * np.prod(steps)) / 1000
    in_organ = np.zeros(lung.shape, bool)
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if sizes[number] < LEAST_ML:
            continue
        around = tuple(slice(max(0, s.start - RING - 1), s.stop + RING + 1) for s in box)
        gas = labels[around] == number
        ring = ndimage.binary_dilation(gas, iterations=RING) & ~ndimage.binary_dilation(gas)
        beside_tissue = np.count_nonzero(ring & (coarse[around] > TISSUE_HU))
        if beside_tissue > BESIDE_TISSUE * np.count_nonzero(ring):
            in_organ[around] |= ndimage.binary_dilation(gas, np.ones((3, 3, 3))) & lung[around]
    if not in_organ.any():
        return lungs, lesions
    index = [np.minimum(np.arange(n) // step, m - 1) for n, step, m in zip(hu.shape, steps, lung.shape, strict=True)]
    dropped = in_organ[index[0]][:, index[1]][:, :, index[2]]
    return np.where(dropped, np.uint8(0), lungs), np.where(dropped, np.uint8(0), lesions)
