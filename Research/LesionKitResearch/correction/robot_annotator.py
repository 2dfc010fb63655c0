"""A robot that corrects a slice as an annotator would, by a fixed rule: a stroke along the middle of the largest error.

Imperfect on purpose: the stroke wavers, has a limited length and does not fill the error. See docs/correction.md.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

MAX_LENGTH_MM = 50.0
JITTER_MM = 1.5  # standard deviation of the stroke's distance from the middle, less where the error is thin
WAVE_MM = 9.0  # along the stroke, over which the distance changes
RADIUS_SHARE = 0.5  # of the inscribed radius
RADIUS_MM = (0.8, 5.0)


@dataclass(frozen=True)
class Stroke:
    """value: the class that was drawn. mask (h, w) bool: its pixels."""

    value: int
    mask: np.ndarray


def generator_for(name: str, seed: int) -> np.random.Generator:
    """The robot's hand for one picture: the same each time."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def next_stroke(
    labels: np.ndarray, truth: np.ndarray, classes: int, spacing: float, rng: np.random.Generator
) -> Stroke | None:
    """The stroke for the largest error component (8-neighborhood) of labels (h, w) against the ground truth (h, w).

    spacing: mm per pixel. None where nothing is wrong.
    """
    value, component = _largest_error(labels, truth, classes)
    if component is None:
        return None
    path, thickness = middle_of(component, max(2, round(MAX_LENGTH_MM / spacing)))
    inscribed = float(np.median(thickness))
    path = _wavered(path, min(JITTER_MM / spacing, inscribed / 2), WAVE_MM / spacing, component.shape, rng)
    radius = np.clip(RADIUS_SHARE * inscribed, *(r / spacing for r in RADIUS_MM))
    return Stroke(value, _brushed(path, radius, component.shape))


def _largest_error(labels: np.ndarray, truth: np.ndarray, classes: int) -> tuple[int, np.ndarray | None]:
    from scipy import ndimage

    best, value, mask = 0, 0, None
    for wanted in range(classes):
        components, count = ndimage.label((truth == wanted) & (labels != wanted), np.ones((3, 3)))
        if not count:
            continue
        sizes = np.bincount(components.ravel())[1:]
        if sizes.max() > best:
            best, value, mask = int(sizes.max()), wanted, components == 1 + sizes.argmax()
    return value, mask


def middle_of(component: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The longest path of the skeleton of a component (h, w): points (n, 2), at most ``length`` of them about the
    thickest place, and the inscribed radius (n) at each, in pixels."""
    import SimpleITK as sitk
    from scipy import ndimage

    padded = np.pad(component, 1)
    distance = ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
    skeleton = sitk.GetArrayFromImage(sitk.BinaryThinning(sitk.GetImageFromArray(padded.astype(np.uint8))))[1:-1, 1:-1]
    points = np.argwhere((skeleton > 0) & component)
    if len(points) < 2:
        points = np.array(np.unravel_index(distance.argmax(), distance.shape))[None]
        return points, distance[tuple(points.T)]
    path = points[_longest_path(points, int(distance[tuple(points.T)].argmax()))]
    radii = distance[tuple(path.T)]
    start = min(max(0, int(radii.argmax()) - length // 2), max(0, len(path) - length))
    return path[start : start + length], radii[start : start + length]


def _longest_path(points: np.ndarray, start: int) -> list[int]:
    """Indices of points (n, 2) along the longest of the shortest paths, found from ``start`` in two steps."""
    from scipy.sparse.csgraph import dijkstra
    from scipy.spatial import cKDTree

    graph = cKDTree(points).sparse_distance_matrix(cKDTree(points), 1.5).tocsr()
    first = _farthest(dijkstra(graph, indices=start))
    distances, before = dijkstra(graph, indices=first, return_predecessors=True)
    path = [_farthest(distances)]
    while path[-1] != first:
        path.append(before[path[-1]])
    return path


def _farthest(distances: np.ndarray) -> int:
    return int(np.where(np.isfinite(distances), distances, -1).argmax())


def _wavered(path: np.ndarray, spread: float, wave: float, shape: tuple[int, int], rng) -> np.ndarray:
    """The path moved by smooth noise of that standard deviation (pixels), within the picture."""
    from scipy import ndimage

    margin = int(4 * wave)
    noise = ndimage.gaussian_filter1d(rng.normal(size=(len(path) + 2 * margin, 2)), wave, axis=0)
    noise = noise[margin : margin + len(path)] * spread * np.sqrt(2 * np.sqrt(np.pi) * wave)
    return np.clip(np.round(path + noise).astype(int), 0, np.array(shape) - 1)


def _brushed(path: np.ndarray, radius: float, shape: tuple[int, int]) -> np.ndarray:
    from scipy import ndimage

    line = np.ones(shape, bool)
    line[tuple(path.T)] = False
    return ndimage.distance_transform_edt(line) <= radius
