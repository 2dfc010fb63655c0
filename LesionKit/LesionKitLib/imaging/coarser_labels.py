"""A label map on a coarser grid that keeps every label's volume, also of what is thinner than a voxel."""

from __future__ import annotations

import numpy as np


def coarser_labels(fine: np.ndarray, factors: tuple[int, int, int], spacing=(1.0, 1.0, 1.0)) -> np.ndarray:
    """Labels (k, j, i) on a grid with ``factors`` (k, j, i) as large voxels; shapes must divide.

    Each label gets as many voxels as its volume fills, to the nearest whole one: first those of which it fills more
    than half, then by falling share, nearest to its middle first. (Nearest neighbor gives nothing or twice as much of a
    sheet of half a voxel, depending on where it lies.) spacing: of the coarse voxels (k, j, i), mm.
    """
    values = sorted(set().union(*(np.unique(plane).tolist() for plane in fine)) - {0})
    filled = {value: _filled(fine == value, factors) for value in values}
    result = np.zeros([length // factor for length, factor in zip(fine.shape, factors, strict=True)], fine.dtype)
    size, missing = int(np.prod(factors)), {}
    for value, counts in filled.items():
        wanted = int(round(counts.sum(dtype=np.int64) / size))
        chosen = _fullest(counts, counts > size / 2, wanted, spacing)
        result[chosen] = value
        missing[value] = wanted - np.count_nonzero(chosen)
    for value, count in missing.items():
        if count > 0:
            free = (result == 0) & (filled[value] > 0)
            result[_fullest(filled[value], free, count, spacing)] = value
    return result


def _filled(mask: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    """uint16: how many fine voxels of the mask lie in each coarse one."""
    parts = [mask[k :: factors[0], j :: factors[1], i :: factors[2]] for k, j, i in np.ndindex(*factors)]
    counts = np.zeros(parts[0].shape, np.uint16)
    for part in parts:
        counts += part
    return counts


def _fullest(counts: np.ndarray, allowed: np.ndarray, wanted: int, spacing) -> np.ndarray:
    """The allowed voxels of the highest counts, ``wanted`` in number; of equal ones those nearest to the middle."""
    levels = np.bincount(counts[allowed])
    above = np.cumsum(levels[::-1])[::-1]  # how many have this count or more
    level = int(np.searchsorted(-above, -wanted, side="left"))  # the lowest count of which all are taken
    chosen = allowed & (counts >= level)
    places = np.argwhere(allowed & (counts == level - 1))  # the next lower ones compete for the rest
    places = places[: len(places) if level > 0 else 0]
    rest = wanted - np.count_nonzero(chosen)
    if rest > 0 and len(places):
        distance = (((places - _middle(counts)) * spacing) ** 2).sum(1)
        chosen[tuple(places[np.argsort(distance, kind="stable")[:rest]].T)] = True
    return chosen


def _middle(counts: np.ndarray) -> np.ndarray:
    """The center of mass, as an index (k, j, i)."""
    profiles = (counts.sum(tuple(other for other in range(3) if other != axis), dtype=np.int64) for axis in range(3))
    return np.array([np.average(np.arange(len(profile)), weights=profile) for profile in profiles])
