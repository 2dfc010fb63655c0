"""Measurements that follow an edit of the stroke's segments; see LesionKitLib.mrml.live_measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.edit_comparison import comparison_row
from LesionKitLib.imaging.volume import Volume
from StrokeSynthLib.labels import BRAIN, LESION

from .measurements import measure

ROWS = ((1, LESION, "Stroke lesion"), (0, BRAIN, "Brain"))


@dataclass(frozen=True)
class Changes:
    """values: of the classes whose voxels changed, in the brain and in the lesion's label map."""

    values: tuple[frozenset[int], frozenset[int]]


class LiveCounts:
    """Counts of one volume's labels. original: (brain, lesion) as the model left them, or None.

    to_image: MNI mm to the image's mm (4 x 4). Counting 4 million voxels anew takes some hundredths of a second, so
    nothing is kept between updates.
    """

    def __init__(self, volume: Volume, to_image: np.ndarray, original: tuple[np.ndarray, np.ndarray] | None = None):
        self._volume, self._to_image, self._original = volume, to_image, original
        self.labels = (np.zeros(volume.array.shape, np.uint8),) * 2

    def update(self, brain: np.ndarray, lesion: np.ndarray) -> Changes:
        """Take over new label maps (kept, not copied)."""
        before, self.labels = self.labels, (brain, lesion)
        return Changes(tuple(_differing(old, new) for old, new in zip(before, self.labels, strict=True)))

    def measurements(self) -> dict:
        """As measurements.measure."""
        return measure(self._volume, self.labels[1], self.labels[0], self._to_image)

    def comparison(self) -> list[dict]:
        """AI against corrected, a row for the lesion and one for the brain.

        The keys are those of LesionKitLib.imaging.edit_comparison.
        """
        return [self._compared(index, label, name) for index, label, name in ROWS]

    def changed_since_original(self) -> tuple[frozenset[int], frozenset[int]]:
        """Values whose voxels are not those of the original; empty without one."""
        if self._original is None:
            return frozenset(), frozenset()
        return tuple(_differing(old, new) for old, new in zip(self._original, self.labels, strict=True))

    def _compared(self, index: int, label, name: str) -> dict:
        now = self.labels[index] == label.value
        count = int(now.sum())
        if self._original is None:
            return comparison_row(label.key, name, count, self._volume.voxel_ml)
        before = self._original[index] == label.value
        both = int((before & now).sum())
        return comparison_row(label.key, name, count, self._volume.voxel_ml, int(before.sum()), both)


def _differing(old: np.ndarray, new: np.ndarray) -> frozenset[int]:
    differs = old != new
    return frozenset({*np.unique(old[differs]).tolist(), *np.unique(new[differs]).tolist()} - {0})
