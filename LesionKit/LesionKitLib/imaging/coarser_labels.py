"""A label map on a coarser grid that keeps every label's volume, also of what is thinner than a voxel."""

from __future__ import annotations

import numpy as np


def coarser_labels(fine: np.ndarray, factors: tuple[int, int, int], spacing=(1.0, 1.0, 1.0)) -> np.ndarray:
    """Labels (k, j, i) on a grid with ``factors`` (k, j, i) as large voxels; shapes must divide.

    Each label gets as many voxels as its volume fills, to the nearest whole one: first those of which it fills more
    than half, then by falling share, nearest to its middle first. (Nearest neighbor gives nothing or twice as much of a
    sheet of half a voxel, depending on where it lies.) spacing: of the coarse voxels (k, j, i), mm.
    """
    shape = tuple(length // factor for length, factor in zip(fine.shape, factors, strict=True))
    shares = {int(value): _shares(fine == value, factors, shape) for value in np.unique(fine) if value}
    result = np.zeros(shape, fine.dtype)
    missing = {}
    for value, share in shares.items():
        wanted = int(round(float(share.sum(dtype=np.float64))))
        chosen = _largest(share, share > 0.5, wanted, spacing)
        result[chosen] = value
        missing[value] = wanted - int(chosen.sum())
    for value, count in missing.items():
        if count > 0:
            free = (result == 0) & (shares[value] > 0)
            result[_largest(shares[value], free, count, spacing)] = value
    return result


def _shares(mask: np.ndarray, factors: tuple[int, int, int], shape: tuple[int, int, int]) -> np.ndarray:
    """float32: what part of each coarse voxel the mask fills."""
    (k, j, i), (a, b, c) = shape, factors
    return mask.reshape(k, a, j, b, i, c).mean((1, 3, 5), dtype=np.float32)


def _largest(share: np.ndarray, allowed: np.ndarray, count: int, spacing) -> np.ndarray:
    """The ``count`` allowed voxels of the largest share, of equal ones those nearest to the middle of all shares."""
    places = np.argwhere(allowed)
    if len(places) > count:
        filled = np.argwhere(share > 0)
        middle = (filled * share[tuple(filled.T)][:, None]).sum(0) / share.sum()
        distance = (((places - middle) * spacing) ** 2).sum(1)
        places = places[np.lexsort((distance, -share[tuple(places.T)]))[:count]]
    chosen = np.zeros(share.shape, bool)
    chosen[tuple(places.T)] = True
    return chosen
