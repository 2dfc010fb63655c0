"""Mask files that people give: an image of 0 and 1, a probability map, or a segmentation of one segment."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.masks import mask_of
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.errors import UnusableInput

from .file_kind import ending_of
from .images import read_volume
from .seg_nrrd import read_seg_nrrd


def read_mask(path: str | os.PathLike, name: str = "mask") -> Volume:
    """The mask in a file (uint8, 0 and 1) on its own grid; Volume.notes say what was decided.

    name: what the mask is called in sentences. Raises UnusableInput for what is no mask (see masks.mask_of), for a
    segmentation of several segments, and for all that read_volume refuses.
    """
    if ending_of(Path(path)) == ".seg.nrrd":
        volume, values = _only_segment(path, name)
    else:
        volume = read_volume(path)
        values = volume.array
    mask, notes = mask_of(values, name)
    return Volume(mask.astype(np.uint8), volume.ijk_to_ras, volume.name, (*volume.notes, *notes), volume.source)


def _only_segment(path: str | os.PathLike, name: str) -> tuple[Volume, np.ndarray]:
    layers, segments = read_seg_nrrd(path)
    if len(segments) > 1:
        names = ", ".join(f"'{segment.name}'" for segment in segments)
        raise UnusableInput(f"The {name} file holds {len(segments)} segments ({names}); give a file with the one.")
    layer = layers[segments[0].layer]
    return layer, layer.array == segments[0].value
