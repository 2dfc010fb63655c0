"""What people did to a result: edits, time, review.

Kept as an attribute of the segmentation node, so that it is saved and copied with it: whatever is written into a
segment makes Slicer's editor forget the states that Redo would bring back. Only DICOM.SegmentAlgorithmType is a tag of
the segment, as Slicer and DICOM want it there; it changes with a stroke, never with an undo, which brings the tag back.

- edits: how often measured voxels changed (a stroke, an undo, a revert: one each), in all and per segment.
- edit_seconds: the time between edits that are at most IDLE_S apart; who thinks longer than that has left.
- reviewed: when a segment was marked as reviewed (UTC, 20261122T150000Z); an edit takes the mark away.

A new result of the model starts all three anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from .originals import revert_to_ai  # noqa: F401  (one place to import editing from)
from .segmentations import (
    ALGORITHM_NAME_TAG,
    ALGORITHM_TYPE_TAG,
    CLASS_TAG,
    EDITING_ATTRIBUTE,
    FINGERPRINT_TAG,
    SegmentClass,
    get_tag,
    is_edited,
    segments_of,
)

IDLE_S = 60.0
MODIFIED = ("AUTOMATIC", "SEMIAUTOMATIC")


class EditRecord:
    """Counts edits of a segmentation. clock: seconds."""

    def __init__(self, segmentation, clock: Callable[[], float] = time.monotonic):
        self._segmentation = segmentation
        self._clock = clock
        self._last: float | None = None

    def restart(self) -> None:
        """The next edit is the first one, as after a new result."""
        self._last = None

    def note(self, segment_ids: Sequence[str]) -> None:
        """One edit of these segments now; the seconds that led to it are shared among them."""
        if not segment_ids:
            return
        now = self._clock()
        seconds = now - self._last if self._last is not None and now - self._last <= IDLE_S else 0.0
        self._last = now
        record = _read(self._segmentation)
        record["edits"] = record.get("edits", 0) + 1
        for segment_id in segment_ids:
            entry = record.setdefault("segments", {}).setdefault(segment_id, {})
            entry["edits"] = entry.get("edits", 0) + 1
            entry["edit_seconds"] = round(entry.get("edit_seconds", 0.0) + seconds / len(segment_ids), 1)
            entry.pop("reviewed", None)
        _write(self._segmentation, record)


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
    record = _read(segmentation)
    entry = record.setdefault("segments", {}).setdefault(segment_id, {})
    if reviewed:
        entry["reviewed"] = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    else:
        entry.pop("reviewed", None)
    _write(segmentation, record)


def editing_summary(segmentation) -> dict:
    """What people did, ready for JSON: {"reviewed", "edits", "edit_seconds", "segments": [one entry each]}.

    reviewed: whether every segment is. No voxel is looked at: algorithm types are as refresh_algorithm_types or a
    LiveMeasurement set them last.
    """
    content, record = segmentation.GetSegmentation(), _read(segmentation)
    entries = []
    for segment_id in content.GetSegmentIDs():
        segment, told = content.GetSegment(segment_id), record.get("segments", {}).get(segment_id, {})
        entries.append(
            {
                "id": segment_id,
                "name": segment.GetName(),
                "class": get_tag(segment, CLASS_TAG) or None,
                "algorithm_type": get_tag(segment, ALGORITHM_TYPE_TAG) or "MANUAL",
                "algorithm_name": get_tag(segment, ALGORITHM_NAME_TAG) or None,
                "edits": told.get("edits", 0),
                "edit_seconds": told.get("edit_seconds", 0.0),
                "reviewed": told.get("reviewed"),
            }
        )
    return {
        "reviewed": bool(entries) and all(entry["reviewed"] for entry in entries),
        "edits": record.get("edits", 0),
        "edit_seconds": round(sum(entry["edit_seconds"] for entry in entries), 1),
        "segments": entries,
    }


def exported_tags(segmentation, label: SegmentClass) -> dict[str, str]:
    """Tags of the first segment of this class for a .seg.nrrd: who made it, and what people did to it."""
    told = {entry["id"]: entry for entry in editing_summary(segmentation)["segments"]}
    for segment_id in segments_of(segmentation, label):
        entry = told[segment_id]
        tags = {
            ALGORITHM_TYPE_TAG: entry["algorithm_type"],
            ALGORITHM_NAME_TAG: entry["algorithm_name"],
            CLASS_TAG: entry["class"],
            "LesionKit.Edits": str(entry["edits"] or ""),
            "LesionKit.EditSeconds": f"{entry['edit_seconds']:.1f}" if entry["edits"] else "",
            "LesionKit.Reviewed": entry["reviewed"],
        }
        return {name: value for name, value in tags.items() if value}
    return {}


def _read(segmentation) -> dict:
    try:
        record = json.loads(segmentation.GetAttribute(EDITING_ATTRIBUTE) or "{}")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _write(segmentation, record: dict) -> None:
    segmentation.SetAttribute(EDITING_ATTRIBUTE, json.dumps(record))
