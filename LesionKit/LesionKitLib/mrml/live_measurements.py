"""Measurements that follow the segments while a person edits them.

Changes of the segmentation are gathered for DEBOUNCE_MS (one stroke fires several events, between which a segment can
be empty), then read and counted once. Reading takes the editor's own voxels, without exporting them. What is counted
is the logic's affair, and so is the tables' look; this file knows segments, classes and edits.

Measured on 512 x 512 x 120 (Testing/benchmarks/live_update.py; processor time of one core, reading to tables): 0.05 s
after a stroke in one slice, 0.08 s after a ball of 25 mm, 0.14 s after one of 60 mm; the first update, which counts
everything, 0.55 s. The debounce comes on top.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import slicer
import vtk

from LesionKitLib.run.background import TimerFactory, user_sentence

from .editing import EditRecord, set_types
from .oriented_images import image_from_labels
from .originals import ORIGINAL_ATTRIBUTE, read_original
from .segmentations import SegmentClass, read_labels, segments_of
from .volumes import local_ijk_to_ras

DEBOUNCE_MS = 40
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveTable:
    """What is known after an update.

    rows: AI against corrected, one per class (keys as of the counts' comparison). measurements: as the logic's measure
    gives; None when nothing can be measured, and message is then the sentence that says why. seconds: of the update.
    """

    rows: list[dict] = field(default_factory=list)
    measurements: dict | None = None
    message: str = ""
    seconds: float = 0.0


class Counts(Protocol):
    """What the logic counts with; CovidLungQuantLib.measurement.live.LiveCounts is one."""

    labels: tuple[np.ndarray, ...]  # as given last, one label map per group

    def update(self, *labels: np.ndarray): ...  # -> .values: per group the values whose voxels changed

    def measurements(self) -> dict: ...

    def comparison(self) -> list[dict]: ...

    def changed_since_original(self) -> tuple[frozenset[int], ...]: ...


class LiveLogic(Protocol):
    """What a module's logic offers to be measured live."""

    def liveGroups(self) -> Sequence[Sequence[SegmentClass]]:
        """Classes whose voxels exclude each other make one group, and one label map."""

    def newLiveCounts(self, segmentation, inputVolume, original: tuple[np.ndarray, ...] | None) -> Counts: ...

    def givenBack(
        self, before: tuple[np.ndarray, ...], now: tuple[np.ndarray, ...]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """What painting the second group has taken out of the first and shall be put back: voxels (n, 3: k, j, i) and
        their values (n); or None."""

    def showLive(self, segmentation, inputVolume, measurements: dict | None, comparison: list[dict]) -> None:
        """Refill the tables; measurements is None where there is nothing to measure against."""


class LiveMeasurement:
    """Keeps a segmentation measured, its algorithm types and its record of edits, until stop() or the scene closes.

    on_update(LiveTable) is called for the first time soon after the construction. timer_factory as of BackgroundRunner;
    clock: seconds, for the time spent on edits. Main thread only.
    """

    def __init__(
        self,
        logic: LiveLogic,
        segmentation,
        volume_node,
        on_update: Callable[[LiveTable], None],
        timer_factory: TimerFactory,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._logic, self._segmentation, self._volume = logic, segmentation, volume_node
        self._on_update = on_update
        self._record = EditRecord(segmentation, clock)
        self._counts: Counts | None = None
        self._written: str | None = None  # the model's result that the counts compare with
        self._named: set[str] = set()  # segments that events have named since the last update
        self._busy = self._armed = False
        self._timer = timer_factory(DEBOUNCE_MS, self._on_timer)
        self._observed: list[tuple[vtk.vtkObject, int]] = []
        self._observe()
        self._arm()

    @property
    def running(self) -> bool:
        """Until stop()."""
        return bool(self._observed)

    @property
    def labels(self) -> tuple[np.ndarray, ...] | None:
        """One label map per group [k, j, i] as last read, of the volume's shape; do not write to them. None before."""
        return self._counts.labels if self._counts is not None else None

    def stop(self) -> None:
        """Let go of the nodes. Nothing is called any more."""
        self._timer.stop()
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []
        self._counts = None

    def refresh(self) -> None:
        """Bring everything up to date now; for an export, or before the panel shows numbers for another reason."""
        if not self.running or self._busy:
            return
        self._timer.stop()
        self._armed = False
        self._busy = True  # what is written below fires events of its own
        start = time.perf_counter()
        try:
            rows, measurements, message = self._update()
        except Exception as error:
            if not isinstance(error, ValueError):
                log.exception("Measuring after an edit failed.")
            self._counts = None  # whatever state it is in: begin anew
            rows, measurements, message = [], None, user_sentence(error)
        finally:
            self._busy = False
        self._on_update(LiveTable(rows, measurements, message, time.perf_counter() - start))

    def _update(self) -> tuple[list[dict], dict | None, str]:
        labels = self._read()
        named, self._named = self._named, set()
        written = self._segmentation.GetAttribute(ORIGINAL_ATTRIBUTE)
        if self._counts is None or written != self._written:
            self._counts = self._logic.newLiveCounts(self._segmentation, self._volume, self._original())
            self._written = written
            self._counts.update(*labels)
            self._record.restart()
            self._set_types(named, None)
        else:
            labels = self._give_back(labels)
            changes = self._counts.update(*labels)
            self._set_types(named, changes.values)
            self._record.note(self._edited(named, changes.values))
        comparison, message = self._counts.comparison(), ""
        try:
            measurements = self._counts.measurements()
        except ValueError as error:  # nothing to measure against; the comparison still holds
            measurements, message = None, user_sentence(error)
        self._logic.showLive(self._segmentation, self._volume, measurements, comparison)
        return comparison, measurements, message

    def _read(self) -> tuple[np.ndarray, ...]:
        return tuple(read_labels(self._segmentation, self._volume, group) for group in self._logic.liveGroups())

    def _original(self) -> tuple[np.ndarray, ...] | None:
        """The model's label maps, where they are kept and the volume still has their grid."""
        original = read_original(self._segmentation)
        if original is None or not original.fits(self._volume):
            return None
        groups = self._logic.liveGroups()
        return tuple(original.labels([c.key for c in group], [c.value for c in group]) for group in groups)

    def _give_back(self, labels: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        """Put voxels back into the segments of the first group that painting the second has taken out of them."""
        lost = self._logic.givenBack(self._counts.labels, labels)
        if lost is None:
            return labels
        voxels, values = lost
        labels[0][tuple(voxels.T)] = values
        first = voxels.min(0)
        box = np.zeros(voxels.max(0) - first + 1, np.uint8)
        box[tuple((voxels - first).T)] = values
        logic, matrix = slicer.vtkSlicerSegmentationsModuleLogic, local_ijk_to_ras(self._volume)
        for label in self._logic.liveGroups()[0]:
            segment_ids = segments_of(self._segmentation, label)
            if segment_ids and (box == label.value).any():
                image = image_from_labels(box == label.value, matrix, first)
                logic.SetBinaryLabelmapToSegment(image, self._segmentation, segment_ids[0], logic.MODE_MERGE_MAX)
        return labels

    def _set_types(self, named: set[str], changed: tuple[frozenset[int], ...] | None) -> None:
        """Algorithm types of the segments that may have changed (changed None: all).

        The label maps tell it for a class with one segment; the segment's fingerprint only where they do not: several
        segments of a class, or a segment that an event has named while its class looks like the original (it may
        differ under another class).
        """
        since = self._counts.changed_since_original()
        for n, group in enumerate(self._logic.liveGroups()):
            for label in group:
                segment_ids = segments_of(self._segmentation, label)
                if changed is not None and label.value not in changed[n] and not named.intersection(segment_ids):
                    continue
                sure = len(segment_ids) == 1 and label.value in since[n]
                set_types(self._segmentation, segment_ids, lambda _id, sure=sure: True if sure else None)

    def _edited(self, named: set[str], changed: tuple[frozenset[int], ...]) -> list[str]:
        """Segments whose classes changed; of several segments of one class those that events have named."""
        edited = []
        for n, group in enumerate(self._logic.liveGroups()):
            for label in group:
                if label.value in changed[n]:
                    segment_ids = segments_of(self._segmentation, label)
                    edited += [i for i in segment_ids if len(segment_ids) == 1 or i in named]
        return edited

    def _observe(self) -> None:
        scene, transformed = self._segmentation.GetScene(), slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        self._observe_content()
        self._add_observer(self._segmentation, self._segmentation.SegmentationChangedEvent, self._on_new_content)
        self._add_observer(self._segmentation, transformed, self._on_new_image)
        self._add_observer(self._volume, transformed, self._on_new_image)
        self._add_observer(self._volume, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, self._on_new_image)
        self._add_observer(scene, slicer.vtkMRMLScene.StartCloseEvent, lambda *_: self.stop())
        self._add_observer(scene, slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._on_removed)

    def _observe_content(self) -> None:
        """The vtkSegmentation itself: the node tells of a group of changes without naming the segments."""
        content, kinds = self._segmentation.GetSegmentation(), slicer.vtkSegmentation
        for event in (kinds.SourceRepresentationModified, kinds.SegmentAdded, kinds.SegmentRemoved):
            self._add_observer(content, event, self._on_segment)
        self._add_observer(content, kinds.SegmentModified, self._on_segment)  # its class may have been chosen

    def _add_observer(self, node, event, callback) -> None:
        self._observed.append((node, node.AddObserver(event, callback)))

    @vtk.calldata_type(vtk.VTK_STRING)
    def _on_segment(self, content, _event, segment_id=None) -> None:
        if not self._busy:
            self._named.update([segment_id] if segment_id else content.GetSegmentIDs())
            self._arm()

    def _on_new_content(self, *_arguments) -> None:
        """The node has got another vtkSegmentation, as when it is copied into."""
        if not any(node is self._segmentation.GetSegmentation() for node, _ in self._observed):
            self._observe_content()
        self._named.update(self._segmentation.GetSegmentation().GetSegmentIDs())
        self._arm()

    def _on_new_image(self, *_arguments) -> None:
        self._counts = None
        self._arm()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, _scene, _event, node) -> None:
        if node is self._segmentation or node is self._volume:
            self.stop()

    def _arm(self) -> None:
        """Later events do not put it off, so that numbers also move during a long series of changes."""
        if not self._armed:
            self._armed = True
            self._timer.start()

    def _on_timer(self) -> None:
        self._timer.stop()
        if self._armed:
            self.refresh()
