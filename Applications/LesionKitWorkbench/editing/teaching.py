"""Teach: a stroke of Paint or Erase also takes, or gives back, what is alike near it.

The method is LesionKitLib.correction: an online likelihood of all strokes so far, learned from gray values, place and
the labels that nobody touched. Stroke and answer are one step of undo.
"""

from __future__ import annotations

import numpy as np


class Teacher:
    """segmentation, volume: nodes; logic: of the module, whose last live group holds the lesion's classes."""

    def __init__(self, logic, segmentation, volume):
        self._logic, self._segmentation, self._volume = logic, segmentation, volume
        self._classes = logic.liveGroups()[-1]
        self._strokes: np.ndarray | None = None  # of all strokes so far: class, 0 for "this is not", -1 elsewhere
        self._image = None

    def answer(self, before: tuple[np.ndarray, ...], now: tuple[np.ndarray, ...]) -> np.ndarray | None:
        """The lesions' label map after a stroke, or None where it teaches nothing.

        before, now: the label map of each live group around the stroke, [k, j, i].
        """
        from LesionKitLib.correction.online_likelihood import UNMARKED
        from LesionKitLib.correction.teaching import teach

        drawn = before[-1] != now[-1]
        if not drawn.any():
            return None
        if self._strokes is None:
            self._image = self._logic.volumeFor(self._volume)
            self._strokes = np.full(drawn.shape, UNMARKED, np.int8)
        self._strokes[drawn] = self._numbered(now[-1])[drawn]
        inside = (now[0] > 0) | (now[-1] > 0) | drawn if len(now) > 1 else None
        if inside is not None and not (now[0] > 0).any():
            inside = None  # a drawing without lungs or brain
        result = teach(
            self._image,
            self._numbered(now[-1]),
            self._strokes,
            classes=len(self._classes) + 1,
            allowed=inside,
            newest=drawn,
        )
        values = np.array([0, *(label.value for label in self._classes)], now[-1].dtype)
        return values[result]

    def _numbered(self, labels: np.ndarray) -> np.ndarray:
        """Classes as 1, 2, ... in the order of the group."""
        numbers = np.zeros(256, np.uint8)
        for number, label in enumerate(self._classes, 1):
            numbers[label.value] = number
        return numbers[labels]
