"""The files that a synthesis leaves: image, label map, lesion, segmentation, what was done. All of them or none."""

from __future__ import annotations

import json
import os

import numpy as np

from LesionKitLib.io.atomic import atomic_folder
from StrokeSynthLib.labels import LESION, TISSUES
from StrokeSynthLib.synthesis.synthesis import Synthesis

from .files import SEGMENTATION, algorithm_tags

IMAGE, LABELS, LESION_FILE, ABOUT = "image.nii.gz", "labels.nii.gz", "lesion.nii.gz", "synthesis.json"


def write_synthesis(result: Synthesis, folder: str | os.PathLike) -> None:
    """Write the five files into a folder. Raises UnusableInput when that is not possible; then nothing is left."""
    from LesionKitLib.io.images import write_labelmap, write_volume
    from LesionKitLib.io.seg_nrrd import SegmentRecord, write_seg_nrrd

    mask = result.lesion_mask
    layers = [np.where(mask, 0, result.labels.array), np.where(mask, LESION.value, 0)]
    tags = algorithm_tags(result.lesion.network if result.lesion else "label map", "")
    records = [SegmentRecord.of(LESION, 1, tags), *(SegmentRecord.of(tissue, 0) for tissue in TISSUES)]
    with atomic_folder(folder) as part:
        write_volume(part / IMAGE, result.image)
        write_labelmap(part / LABELS, result.labels.array, result.labels)
        write_labelmap(part / LESION_FILE, mask, result.labels)
        write_seg_nrrd(part / SEGMENTATION, layers, records, result.labels)
        text = json.dumps(result.summary(), indent=2, ensure_ascii=False, allow_nan=False)
        (part / ABOUT).write_text(text + "\n", encoding="utf-8")
