"""Labels of a volume corrected by strokes: the part around them is answered, on a grid as coarse as its size asks for.

This is what the Segment Editor's effect and the page call; it knows neither.
"""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.measures import bounding_box
from LesionKitLib.imaging.volume import Volume

from .evidence import evidence_of
from .influence import brush_radius, limit_of, reach_of
from .online_likelihood import UNMARKED, Answer, OnlineLikelihood, Settings
from .probability_map import ProbabilityMap

MOST_CELLS = 400_000  # of the grid on which is learned
GRAY_PERCENTILES = (0.5, 99.5)  # beyond them gray values say nothing more
SPREAD_SAMPLE = 50_000  # voxels from which the percentiles are taken
SMOOTH_GRAY_MM = 1.0
VOLUME_SETTINGS = Settings(reach_mm=(4.0, 30.0), anchors=120, sure_anchors=120)


def teach(
    volume: Volume,
    labels: np.ndarray,
    strokes: np.ndarray,
    classes: int = 2,
    probabilities: ProbabilityMap | None = None,
    allowed: np.ndarray | None = None,
    newest: np.ndarray | None = None,
    settings: Settings = VOLUME_SETTINGS,
) -> np.ndarray:
    """Labels (k, j, i) uint8 of a volume after strokes: what was drawn, and what is alike near it.

    volume: the image (HU or gray values). labels (k, j, i): the labels before, 0 background, 1 to classes - 1; they are
    not changed in place. strokes (k, j, i) signed: all strokes so far, the class drawn (0: "this is not"), UNMARKED
    (-1) elsewhere. probabilities: what a network gave, if there was one; it then tells the number of classes.
    allowed (k, j, i) bool: voxels that may change, as inside the lungs and outside other readers' segments; None: all.
    newest (k, j, i) bool: only near these voxels something is learned anew, from all strokes there; None: everywhere.
    Raises ValueError for other shapes, and strokes or labels of classes that are not known.
    """
    classes = classes if probabilities is None else probabilities.classes
    _check(volume, classes, labels, strokes, allowed, newest)
    result = np.array(labels, np.uint8)
    drawn = strokes > UNMARKED if newest is None else newest
    place = bounding_box(drawn)
    if place is None:
        return result
    box = _surroundings(place, drawn, volume, settings)
    free = None if allowed is None else allowed[box]
    part = _Part(volume, box, probabilities, classes, free)
    answer = part.answer(result[box], strokes[box], settings)
    result[box] = answer if free is None else np.where(free, answer, result[box])
    return result


def _check(volume: Volume, classes: int, labels, strokes, *masks) -> None:
    if any(array is not None and array.shape != volume.array.shape for array in (labels, strokes, *masks)):
        raise ValueError("Strokes, labels and image lie on different grids.")
    if strokes.max(initial=UNMARKED) >= classes or labels.max(initial=0) >= classes:
        raise ValueError("A stroke or a label names a class that is not known.")


def _surroundings(place: tuple[slice, ...], drawn: np.ndarray, volume: Volume, settings: Settings) -> tuple[slice, ...]:
    """The part of the volume that strokes may reach."""
    spacing, stroke = volume.spacing[::-1], drawn[place]
    reach = settings.reach_mm[1]
    if stroke.size <= MOST_CELLS:  # many strokes may reach as far as any
        reach = reach_of(brush_radius(stroke, tuple(spacing)), settings.reach, settings.reach_mm)
    margin = limit_of(reach)
    return tuple(
        slice(max(0, part.start - int(margin / step) - 1), min(size, part.stop + int(margin / step) + 1))
        for part, step, size in zip(place, spacing, drawn.shape, strict=True)
    )


class _Part:
    """A box of a volume on cells of ``steps`` voxels, so that it has at most MOST_CELLS."""

    def __init__(self, volume: Volume, box, probabilities: ProbabilityMap | None, classes: int, free):
        self.shape = tuple(part.stop - part.start for part in box)
        self.spacing = volume.spacing[::-1]
        self.steps = steps_for(self.shape, self.spacing)
        self.cell_mm = tuple(float(x) for x in self.spacing * self.steps)
        self.free = None if free is None else self._reduced(free, np.max)
        gray = _limited(self._reduced(volume.array[box], np.mean), self.free)
        prior = None if probabilities is None else probabilities.on_grid(gray.shape, self._ijk_to_ras(volume, box))
        smooth = tuple(SMOOTH_GRAY_MM / step for step in self.cell_mm)
        self.evidence = evidence_of(gray, prior, None, self.free, self.cell_mm, classes, smooth)

    def answer(self, labels: np.ndarray, strokes: np.ndarray, settings: Settings) -> np.ndarray:
        """labels, strokes and the answer: on the box's voxels."""
        middle = tuple(slice(step // 2, None, step) for step in self.steps)
        before = _padded(labels, self.steps)[middle]
        online = OnlineLikelihood(self.evidence, before, settings, self.free)
        answer = online.answer(self._reduced(strokes.astype(np.int16), np.max, UNMARKED))
        if max(self.steps) == 1:
            result = np.where(answer.changes, answer.labels, labels)
        else:
            result = self._on_voxels(answer, labels)
        return np.where(strokes > UNMARKED, strokes, result).astype(np.uint8)

    def _on_voxels(self, answer: Answer, labels: np.ndarray) -> np.ndarray:
        """The answer's labels on voxels: within cells of one kind theirs, at the rims by interpolated scores."""
        from scipy import ndimage

        around = np.ones((3, 3, 3), bool)
        low, high = (f(answer.labels, footprint=around) for f in (ndimage.minimum_filter, ndimage.maximum_filter))
        changes = ndimage.binary_dilation(answer.changes, around)
        result = np.where(self._spread(answer.changes), self._spread(answer.labels), labels)
        rim = np.nonzero(self._spread(changes & (low != high)))
        if not len(rim[0]):
            return result
        at = [(axis + 0.5) / step - 0.5 for axis, step in zip(rim, self.steps, strict=True)]
        scores = [ndimage.map_coordinates(part, at, np.float32, order=1, mode="nearest") for part in answer.scores]
        result[rim] = np.argmax(scores, 0)
        return result

    def _reduced(self, values: np.ndarray, how, fill=None) -> np.ndarray:
        """One value for each cell."""
        if max(self.steps) == 1:
            return values
        padded = _padded(values, self.steps, fill)
        cells = [(size // step, step) for size, step in zip(padded.shape, self.steps, strict=True)]
        return how(padded.reshape([n for pair in cells for n in pair]), axis=(1, 3, 5))

    def _spread(self, cells: np.ndarray) -> np.ndarray:
        """The values of cells on voxels."""
        for axis, step in enumerate(self.steps):
            cells = np.repeat(cells, step, axis)
        return cells[tuple(slice(size) for size in self.shape)]

    def _ijk_to_ras(self, volume: Volume, box) -> np.ndarray:
        """Of the cells."""
        matrix = volume.ijk_to_ras.copy()
        first = [part.start + (step - 1) / 2 for part, step in zip(box, self.steps, strict=True)]
        matrix[:3, 3] += matrix[:3, :3] @ first[::-1]
        matrix[:3, :3] *= self.steps[::-1]
        return matrix


def steps_for(shape: tuple[int, ...], spacing, most: int = MOST_CELLS) -> tuple[int, ...]:
    """Voxels per cell along each axis, so that cells are about cubes and at most ``most``."""
    steps = np.ones(len(shape), int)
    while np.prod(np.ceil(np.array(shape) / steps)) > most:
        steps[np.argmin(np.where(steps < shape, np.asarray(spacing) * steps, np.inf))] += 1
    return tuple(int(step) for step in steps)


def _padded(values: np.ndarray, steps: tuple[int, ...], fill=None) -> np.ndarray:
    """Up to whole cells, with the edge's values or with ``fill``."""
    margins = [(0, -size % step) for size, step in zip(values.shape, steps, strict=True)]
    if not any(after for _, after in margins):
        return values
    return np.pad(values, margins, mode="edge") if fill is None else np.pad(values, margins, constant_values=fill)


def _limited(gray: np.ndarray, free: np.ndarray | None) -> np.ndarray:
    """float32, without the few values far from all others."""
    values = gray[free] if free is not None and free.any() else gray.ravel()
    low, high = np.percentile(values[:: max(1, len(values) // SPREAD_SAMPLE)], GRAY_PERCENTILES)
    return np.clip(gray, low, high).astype(np.float32)
