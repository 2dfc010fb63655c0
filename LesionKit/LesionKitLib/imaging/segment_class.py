"""What a segment is: its value in a label map, and how it is shown and coded.

A code is (coding scheme, code value, meaning), as in DICOM PS3.16. The categories:

- SCT 123037004 Anatomical Structure: 3D Slicer's terminology lists, and what SRT T-D000A of earlier DICOM became.
  DICOM's CID 7150 now says SCT 91723000; Slicer's older code is kept, because Slicer finds Lung only under it.
- SCT 49755003 Morphologically Abnormal Structure: CID 7150 segmentation property categories (Slicer's lists say
  "Morphologically Altered Structure").
"""

from __future__ import annotations

from dataclasses import dataclass

Code = tuple[str, str, str]

ANATOMICAL_STRUCTURE: Code = ("SCT", "123037004", "Anatomical Structure")
MORPHOLOGICALLY_ABNORMAL_STRUCTURE: Code = ("SCT", "49755003", "Morphologically Abnormal Structure")


@dataclass(frozen=True)
class SegmentClass:
    """One segment: its value in the label map it belongs to, and how it is shown and coded."""

    key: str  # used in measurement names, e.g. ggo -> ggo_ml
    value: int
    name: str
    color: tuple[int, int, int]  # sRGB 0-255
    category: Code
    type: Code
    modifier: Code | None = None
    region: Code | None = None  # anatomic region of a finding
