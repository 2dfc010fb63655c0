"""Undo and redo as the voxels that each edit changed, in a box around them.

trame-slicer's own undo keeps two copies of the whole segmentation for each stroke (measured on 512 x 512 x 120: 125 MB
and 0.4 s a stroke); here a stroke takes some kilobytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer


@dataclass(frozen=True)
class _Change:
    """Of one group of classes: first voxel (k, j, i) of the box, its labels before and after."""

    group: int
    first: np.ndarray
    before: np.ndarray
    after: np.ndarray


class EditHistory:
    """segmentation, volume: nodes; groups: classes that exclude each other, as of LiveLogic.liveGroups. most: steps."""

    def __init__(self, segmentation, volume, groups, most: int):
        self._segmentation, self._volume, self._groups, self._most = segmentation, volume, groups, most
        self._steps: list[list[_Change]] = []
        self._position = 0  # so many of them are done
        self._labels: tuple[np.ndarray, ...] | None = None
        self._earlier: tuple[np.ndarray, ...] | None = None  # before the last step
        self._restoring = self._joining = False

    @property
    def can_undo(self) -> bool:
        return self._position > 0

    @property
    def can_redo(self) -> bool:
        return self._position < len(self._steps)

    def note(self, labels: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...] | None:
        """The label map of each group as it is now, [k, j, i]; what differs from the last one is a step.

        Returns the label maps before a person's stroke; None where it was no stroke: undo, or the answer to one.
        """
        before, self._labels = self._labels, labels
        if before is None or self._restoring:
            self._restoring = False
            return None
        was_joined = self._joining
        if was_joined:
            self._joining = False
            self._steps.pop()
            self._position = len(self._steps)
            before = self._earlier
        if self._add(before, labels):
            self._earlier = before
            return None if was_joined else before
        return None

    def replace(self, group: int, wanted: np.ndarray) -> None:
        """Give a group these labels, as part of the last step."""
        change = _change(group, self._labels[group], wanted)
        if change is not None:
            self._restore([(change, change.before, change.after)])
            self._restoring, self._joining = False, True

    def _add(self, before, labels) -> bool:
        """A step of what differs; whether there is one."""
        changes = [_change(n, *pair) for n, pair in enumerate(zip(before, labels, strict=True))]
        step = [change for change in changes if change is not None]
        if step:
            self._steps = [*self._steps[: self._position], step][-self._most :]
            self._position = len(self._steps)
        return bool(step)

    def undo(self) -> None:
        """Take the last step back; nothing where there is none."""
        if self.can_undo:
            self._position -= 1
            self._restore([(c, c.after, c.before) for c in self._steps[self._position]])

    def redo(self) -> None:
        """Do the step again that was taken back last."""
        if self.can_redo:
            self._position += 1
            self._restore([(c, c.before, c.after) for c in self._steps[self._position - 1]])

    def _restore(self, changes) -> None:
        from LesionKitLib.mrml.segmentations import segments_of

        self._restoring = True
        for change, now, wanted in changes:
            for label in self._groups[change.group]:
                segment_ids = segments_of(self._segmentation, label)
                if segment_ids:
                    self._set(segment_ids[0], change.first, now == label.value, wanted == label.value)

    def _set(self, segment_id: str, first: np.ndarray, now: np.ndarray, wanted: np.ndarray) -> None:
        """Let the segment lose and gain voxels of the box; others stay."""
        from LesionKitLib.mrml.oriented_images import oriented_image
        from LesionKitLib.mrml.volumes import local_ijk_to_ras

        logic, matrix = slicer.vtkSlicerSegmentationsModuleLogic, local_ijk_to_ras(self._volume)
        for mask, mode in ((~(now & ~wanted), logic.MODE_MERGE_MIN), (wanted & ~now, logic.MODE_MERGE_MAX)):
            if mask.all() if mode == logic.MODE_MERGE_MIN else not mask.any():
                continue
            image = oriented_image(mask.astype(np.uint8), matrix, first)
            logic.SetBinaryLabelmapToSegment(image, self._segmentation, segment_id, mode)


def _change(group: int, before: np.ndarray, after: np.ndarray) -> _Change | None:
    """What differs, or None."""
    if np.array_equal(before, after):
        return None
    differs = before != after
    first, last = [], []
    for axis in range(3):
        found = np.flatnonzero(differs.any(tuple(other for other in range(3) if other != axis)))
        first.append(found[0])
        last.append(found[-1] + 1)
    box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    return _Change(group, np.array(first), before[box].copy(), after[box].copy())
