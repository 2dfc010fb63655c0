"""What exported files say about segments."""

from __future__ import annotations

from .segmentations import ALGORITHM_NAME_TAG, ALGORITHM_TYPE_TAG, CLASS_TAG, EDITING_TAGS, get_tag, segments_of


def exported_tags(segmentation, label) -> dict[str, str]:
    """Tags of the first segment of this class that a .seg.nrrd keeps: who made it, and what people did to it."""
    for segment_id in segments_of(segmentation, label):
        segment = segmentation.GetSegmentation().GetSegment(segment_id)
        names = (ALGORITHM_TYPE_TAG, ALGORITHM_NAME_TAG, CLASS_TAG, *EDITING_TAGS)
        return {name: get_tag(segment, name) for name in names if get_tag(segment, name)}
    return {}
