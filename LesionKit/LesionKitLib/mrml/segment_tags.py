"""What segments' tags say, for exported files and for panels; no voxel is looked at."""

from __future__ import annotations

from .editing import HELPER_TAG
from .segmentations import (
    ALGORITHM_NAME_TAG,
    ALGORITHM_TYPE_TAG,
    CLASS_TAG,
    EDITING_TAGS,
    EDITS_TAG,
    REVIEWED_TAG,
    SECONDS_TAG,
    get_tag,
    segments_of,
)


def exported_tags(segmentation, label) -> dict[str, str]:
    """Tags of the first segment of this class that a .seg.nrrd keeps: who made it, and what people did to it."""
    for segment_id in segments_of(segmentation, label):
        segment = segmentation.GetSegmentation().GetSegment(segment_id)
        names = (ALGORITHM_TYPE_TAG, ALGORITHM_NAME_TAG, CLASS_TAG, *EDITING_TAGS)
        return {name: get_tag(segment, name) for name in names if get_tag(segment, name)}
    return {}


def edited_segments(segmentation) -> list[str]:
    """IDs of the segments that people edit and review: all but the editor's helpers."""
    content = segmentation.GetSegmentation()
    return [i for i in content.GetSegmentIDs() if not get_tag(content.GetSegment(i), HELPER_TAG)]


def editing_state(segmentation) -> tuple[int, float, bool]:
    """(edits, seconds, whether every segment is reviewed), as editing_summary has them, but in no time."""
    content = segmentation.GetSegmentation()
    tags = [
        [get_tag(content.GetSegment(i), tag) for tag in (EDITS_TAG, SECONDS_TAG, REVIEWED_TAG)]
        for i in edited_segments(segmentation)
    ]
    edits = sum(int(edits or 0) for edits, _, _ in tags)
    seconds = sum(float(seconds or 0) for _, seconds, _ in tags)
    return edits, seconds, bool(tags) and all(reviewed for _, _, reviewed in tags)
