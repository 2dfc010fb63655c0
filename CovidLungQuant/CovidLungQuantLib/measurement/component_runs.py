"""Counts of lesion components, kept up to date slice by slice.

A slice is stored as its runs: stretches of one class along i. Runs that touch, also over corners and in the slice
above, are linked; the components are the connected parts of that graph. Only changed slices are taken apart again, and
a graph of some ten thousand runs is sorted out in milliseconds, where labeling the voxels takes much of a second.
Counts what measures.components counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CovidLungQuantLib.labels import LEFT_LUNG
from LesionKitLib.imaging.measures import MIN_LESION_ML

from .measurements import ANY, GROUPS

_NO_LINKS = np.zeros((2, 0), np.int64)


@dataclass(frozen=True)
class Runs:
    """Stretches of one class in a slice (J, I), sorted. start, stop: flat indices in rows of width I + 1.

    left: how many of a run's voxels are left lung.
    """

    start: np.ndarray
    stop: np.ndarray
    label: np.ndarray
    left: np.ndarray

    @classmethod
    def of(cls, lesions: np.ndarray, lungs: np.ndarray) -> Runs:
        rows, columns = lesions.shape
        padded = np.zeros((rows, columns + 1), np.uint8)  # the empty last column keeps rows apart
        padded[:, :columns] = lesions
        flat = padded.ravel()
        change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        edges = np.concatenate([[0], change]) if flat[0] else change
        label = flat[edges[:-1]]
        inside = label > 0
        start, stop = edges[:-1][inside], edges[1:][inside]
        padded[:, :columns] = lungs == LEFT_LUNG.value
        before = np.concatenate([[0], np.cumsum(flat, dtype=np.int32)])
        return cls(start, stop, label[inside], before[stop] - before[start])


class LesionRuns:
    """The runs of all slices (K, J, I) and their links."""

    def __init__(self, shape: tuple[int, int, int]):
        nothing = np.zeros(shape[1:], np.uint8)
        self._width = shape[2] + 1
        self._runs = [Runs.of(nothing, nothing)] * shape[0]
        self._within = [_NO_LINKS] * shape[0]
        self._above = [_NO_LINKS] * shape[0]  # between slices k and k + 1

    def replace(self, slices: dict[int, tuple[np.ndarray, np.ndarray]]) -> None:
        """New (lesions, lungs) of these slices."""
        for k, (lesions, lungs) in slices.items():
            self._runs[k] = Runs.of(lesions, lungs)
            self._within[k] = self._links_within(self._runs[k])
        for k in {k for changed in slices for k in (changed - 1, changed)} & set(range(len(self._runs) - 1)):
            self._above[k] = self._links_between(self._runs[k], self._runs[k + 1])

    def count(self, voxel_ml: float) -> dict[str, tuple[int, int]]:
        """Per group of GROUPS and for "any": how many components of at least MIN_LESION_ML are (right, left)."""
        first = np.cumsum([0] + [len(runs.start) for runs in self._runs])
        label = np.concatenate([runs.label for runs in self._runs])
        size = np.concatenate([runs.stop - runs.start for runs in self._runs])
        left = np.concatenate([runs.left for runs in self._runs])
        links = [links + first[k] for k, links in enumerate(self._within)]
        links += [links + first[k : k + 2, None] for k, links in enumerate(self._above[:-1])]
        links = np.concatenate(links, axis=1)
        alike = label[links[0]] == label[links[1]]
        single = _joined(len(label), links[:, alike])  # sorts out all groups of one class at once
        result = {}
        for group, classes in {**GROUPS, "any": ANY}.items():
            member = np.isin(label, classes)
            if len(classes) == 1:
                numbers = single
            else:
                numbers = _joined(len(label), links[:, member[links[0]] & member[links[1]]])
            result[group] = _sides(numbers[member], size[member], left[member], voxel_ml)
        return result

    def _links_within(self, runs: Runs) -> np.ndarray:
        beside = np.flatnonzero(runs.stop[:-1] == runs.start[1:])
        return np.concatenate([[beside, beside + 1], _touching(runs, runs, self._width)], axis=1)

    def _links_between(self, lower: Runs, upper: Runs) -> np.ndarray:
        return np.concatenate([_touching(lower, upper, shift) for shift in (-self._width, 0, self._width)], axis=1)


def _touching(a: Runs, b: Runs, shift: int) -> np.ndarray:
    """(2, n) indices of runs of a and b that share a column, or a corner, when b's rows are moved back by shift."""
    low = np.searchsorted(b.stop, a.start + shift, side="left")
    high = np.searchsorted(b.start, a.stop + shift, side="right")
    count = np.maximum(high - low, 0)
    own = np.repeat(np.arange(len(count)), count)
    other = np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
    return np.stack([own, other])


def _joined(nodes: int, links: np.ndarray) -> np.ndarray:
    """Number of the connected part that each node belongs to."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(links.shape[1], np.int8), (links[0], links[1])), shape=(nodes, nodes))
    return connected_components(graph, directed=False)[1]


def _sides(numbers: np.ndarray, size: np.ndarray, left: np.ndarray, voxel_ml: float) -> tuple[int, int]:
    """As measurements counts them: large enough, and left if the larger part is."""
    if not len(numbers):
        return 0, 0
    sizes = np.bincount(numbers, size).astype(np.int64)
    lefts = np.bincount(numbers, left).astype(np.int64)
    large = sizes * voxel_ml >= MIN_LESION_ML * (1 - 1e-9)
    on_left = int((large & (lefts * 2 > sizes)).sum())
    return int(large.sum()) - on_left, on_left
