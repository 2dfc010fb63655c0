"""What people did to a result: edits, time, review; and the editor's settings that keep edits within the lungs.

Kept as tags of the segments, so that it is saved with them:

- LesionKit.Edits: how often the segment's measured voxels changed (a stroke, an undo, a revert: one each).
- LesionKit.EditSeconds: seconds that led to these edits. The time since the edit before, or since the editor was
  opened, counts for the segment then edited, but at most IDLE_S: who thinks longer than that has left.
- LesionKit.Reviewed: when it was marked as reviewed (UTC, 20261122T150000Z); an edit takes the mark away.

A new result of the model starts all three anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import slicer

from .originals import has_original, revert_to_ai  # noqa: F401  (one place to import editing from)
from .segmentations import (
    ALGORITHM_NAME_TAG,
    ALGORITHM_TYPE_TAG,
    CLASS_TAG,
    EDITS_TAG,
    FINGERPRINT_TAG,
    REVIEWED_TAG,
    SECONDS_TAG,
    SegmentClass,
    get_tag,
    is_edited,
    segments_of,
)

IDLE_S = 60.0
HELPER_TAG = "LesionKit.Helper"  # of a segment that only serves the editor
MASK_NAME = "Lungs (mask for editing)"
MODIFIED = ("AUTOMATIC", "SEMIAUTOMATIC")


class EditRecord:
    """Counts edits into the tags of a segmentation's segments.

    The editor's undo brings back tags together with voxels, but what was done was done: what was counted here is
    written again where a tag tells of less. clock: seconds.
    """

    def __init__(self, segmentation, clock: Callable[[], float] = time.monotonic):
        self._segmentation = segmentation
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Go on from what the tags say now, as after a new result, and from this moment."""
        content = self._segmentation.GetSegmentation()
        segments = {segment_id: content.GetSegment(segment_id) for segment_id in content.GetSegmentIDs()}
        self._counted = {i: (_number(s, EDITS_TAG), _number(s, SECONDS_TAG)) for i, s in segments.items()}
        self._last = self._clock()

    def note(self, segment_ids: Sequence[str]) -> None:
        """One edit of each of these segments now; the seconds that led to it are shared among them."""
        content = self._segmentation.GetSegmentation()
        if segment_ids:
            now = self._clock()
            seconds, self._last = min(now - self._last, IDLE_S) / len(segment_ids), now
            for segment_id in segment_ids:
                edits, spent = self._counted.get(segment_id, (0, 0.0))
                self._counted[segment_id] = (edits + 1, spent + seconds)
                content.GetSegment(segment_id).RemoveTag(REVIEWED_TAG)
        for segment_id, (edits, spent) in self._counted.items():
            segment = content.GetSegment(segment_id)
            if segment is not None and _number(segment, EDITS_TAG) < edits:
                segment.SetTag(EDITS_TAG, str(int(edits)))
                segment.SetTag(SECONDS_TAG, f"{spent:.1f}")


def set_types(segmentation, segment_ids: Iterable[str], differs: Callable[[str], bool | None]) -> None:
    """DICOM.SegmentAlgorithmType of the model's segments among these: AUTOMATIC as it left them, else SEMIAUTOMATIC.

    differs(segment ID): whether it has other voxels than the model gave it, or None when that must be looked up.
    """
    for segment_id in segment_ids:
        segment = segmentation.GetSegmentation().GetSegment(segment_id)
        if not get_tag(segment, FINGERPRINT_TAG):
            continue
        changed = differs(segment_id)
        kind = MODIFIED[bool(is_edited(segmentation, segment_id) if changed is None else changed)]
        if get_tag(segment, ALGORITHM_TYPE_TAG) != kind:
            segment.SetTag(ALGORITHM_TYPE_TAG, kind)


def set_reviewed(segmentation, segment_id: str, reviewed: bool = True) -> None:
    """Mark a segment as reviewed now, or take the mark away."""
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    if reviewed:
        segment.SetTag(REVIEWED_TAG, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    else:
        segment.RemoveTag(REVIEWED_TAG)


def is_reviewed(segmentation, segment_id: str) -> bool:
    """Whether the segment is marked as reviewed, and was not edited since."""
    return bool(get_tag(segmentation.GetSegmentation().GetSegment(segment_id), REVIEWED_TAG))


def editing_summary(segmentation) -> dict:
    """What people did, ready for JSON: {"reviewed", "edits", "edit_seconds", "segments": [one entry each]}.

    reviewed: whether every segment is. Only tags are read: algorithm types are as refresh_algorithm_types or a
    LiveMeasurement set them last.
    """
    content = segmentation.GetSegmentation()
    entries = []
    for segment_id in content.GetSegmentIDs():
        segment = content.GetSegment(segment_id)
        if get_tag(segment, HELPER_TAG):
            continue
        entries.append(
            {
                "id": segment_id,
                "name": segment.GetName(),
                "class": get_tag(segment, CLASS_TAG) or None,
                "algorithm_type": get_tag(segment, ALGORITHM_TYPE_TAG) or "MANUAL",
                "algorithm_name": get_tag(segment, ALGORITHM_NAME_TAG) or None,
                "edits": int(_number(segment, EDITS_TAG)),
                "edit_seconds": _number(segment, SECONDS_TAG),
                "reviewed": get_tag(segment, REVIEWED_TAG) or None,
            }
        )
    return {
        "reviewed": bool(entries) and all(entry["reviewed"] for entry in entries),
        "edits": sum(entry["edits"] for entry in entries),
        "edit_seconds": round(sum(entry["edit_seconds"] for entry in entries), 1),
        "segments": entries,
    }


def mask_to_lungs(editor_node, segmentation, lungs: Sequence[SegmentClass], on: bool = True) -> bool:
    """Let the Segment Editor change voxels inside the lungs only; returns whether it does.

    The editor can be masked by one segment, so the lungs are joined in a hidden one, which is made anew at every call
    and removed when the mask is switched off. Hidden segments are not painted over while the mask is on.
    """
    content = segmentation.GetSegmentation()
    for segment_id in [i for i in content.GetSegmentIDs() if get_tag(content.GetSegment(i), HELPER_TAG)]:
        content.RemoveSegment(segment_id)
    mask_id = _add_mask(segmentation, lungs) if on else ""
    modes = slicer.vtkMRMLSegmentationNode
    editor_node.SetMaskSegmentID(mask_id)
    editor_node.SetMaskMode(modes.EditAllowedInsideSingleSegment if mask_id else modes.EditAllowedEverywhere)
    overwrite = editor_node.OverwriteVisibleSegments if mask_id else editor_node.OverwriteAllSegments
    editor_node.SetOverwriteMode(overwrite)
    return bool(mask_id)


def _add_mask(segmentation, lungs: Sequence[SegmentClass]) -> str:
    """ID of a hidden segment that holds both lungs, or "" when there are none."""
    content = segmentation.GetSegmentation()
    parts = [segment_id for label in lungs for segment_id in segments_of(segmentation, label)]
    if not parts:
        return ""
    segment = slicer.vtkSegment()
    segment.SetName(MASK_NAME)
    segment.SetTag(HELPER_TAG, "lungs")
    mask_id = content.GenerateUniqueSegmentID("LesionKitLungs")
    content.AddSegment(segment, mask_id)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    for part in parts:
        image = slicer.vtkOrientedImageData()
        segmentation.GetBinaryLabelmapRepresentation(part, image)
        logic.SetBinaryLabelmapToSegment(image, segmentation, mask_id, logic.MODE_MERGE_MAX)
    display = segmentation.GetDisplayNode()
    if display is not None:
        display.SetSegmentVisibility(mask_id, False)
    return mask_id


def _number(segment, tag: str) -> float:
    try:
        return float(get_tag(segment, tag) or 0)
    except ValueError:
        return 0.0
