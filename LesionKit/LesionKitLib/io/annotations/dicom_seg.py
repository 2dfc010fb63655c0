"""Segments of a DICOM Segmentation (PS3.3 A.51), of this project or another's, by highdicom."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LesionKitLib.imaging.segment_class import Code
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume
from LesionKitLib.io.dicom.source import require_highdicom
from LesionKitLib.run.errors import UnusableInput

from .annotation import Annotation, Annotations, labels_on_grid, named

HALF = 0.5  # of a fractional segment: what counts as inside


def read_dicom_seg(path: Path, image: Volume) -> Annotations:
    """Raises UnusableInput for an object whose frames are no volume, MissingResource without highdicom."""
    require_highdicom()
    import highdicom as hd

    try:
        seg = hd.seg.segread(str(path))
        volume = seg.get_volume(combine_segments=False, allow_missing_positions=True)
    except (ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise UnusableInput("The DICOM segmentation cannot be read as a volume of slices.") from error
    matrix = np.eye(4)
    matrix[:3, :3] = LPS_IN_RAS @ np.asarray(volume.affine)[:3, 2::-1]
    matrix[:3, 3] = LPS_IN_RAS @ np.asarray(volume.affine)[:3, 3]
    segments, notes = [], []
    for n, number in enumerate(seg.segment_numbers):
        mask = np.ascontiguousarray(volume.array[..., n] >= HALF).astype(np.uint8)
        moved, own = labels_on_grid(Volume(mask, matrix), image)
        description = seg.get_segment_description(number)
        sites = description.get("SegmentedPropertyTypeSequence", [{}])[0]
        modifiers = sites.get("SegmentedPropertyTypeModifierCodeSequence", []) if sites else []
        modifier = _code(modifiers[0]) if modifiers else None
        tags = {
            f"DICOM.{keyword}": str(description.get(keyword))
            for keyword in ("SegmentAlgorithmType", "SegmentAlgorithmName")
            if description.get(keyword)
        }
        segments.append(Annotation(str(description.SegmentLabel), moved != 0, _code(sites), modifier, tags))
        notes += own
    return named(segments, notes)


def _code(item) -> Code | None:
    if not item or not item.get("CodeValue"):
        return None
    return str(item.get("CodingSchemeDesignator", "")), str(item.CodeValue), str(item.get("CodeMeaning", ""))
