"""The files that a synthesis leaves: image, label map, lesion, segmentation, what was done, report. All or none."""

from __future__ import annotations

import os

import numpy as np

from LesionKitLib.report.files import json_writer, report_writers, write_files
from StrokeSynthLib.labels import LESION, TISSUES
from StrokeSynthLib.synthesis.synthesis import Synthesis

from .files import SEGMENTATION
from .synthesis_report import cards_of, provenance_of, synthesis_report

IMAGE, LABELS, LESION_FILE, ABOUT = "image.nii.gz", "labels.nii.gz", "lesion.nii.gz", "synthesis.json"


def synthesis_document(result: Synthesis) -> dict:
    """The document of ``stroke synthesize --json`` and synthesis.json. source: of the label map."""
    return {**provenance_of(result).document(), **result.summary()}


def write_synthesis(result: Synthesis, folder: str | os.PathLike, pdf: bool = False, paper: str = "a4") -> list[str]:
    """Write the files into a folder, with ``pdf`` the report as PDF, too; returns their names.

    Raises UnusableInput when that is not possible; then nothing is left.
    """
    from LesionKitLib.io.images import write_labelmap, write_volume
    from LesionKitLib.io.seg_nrrd import SegmentRecord, algorithm_tags, write_seg_nrrd

    mask = result.lesion_mask
    layers = [np.where(mask, 0, result.labels.array), np.where(mask, LESION.value, 0)]
    tags = algorithm_tags(result.lesion.network if result.lesion else "label map", "")
    records = [SegmentRecord.of(LESION, 1, tags), *(SegmentRecord.of(tissue, 0) for tissue in TISSUES)]
    writers = {
        IMAGE: lambda path: write_volume(path, result.image),
        LABELS: lambda path: write_labelmap(path, result.labels.array, result.labels),
        LESION_FILE: lambda path: write_labelmap(path, mask, result.labels),
        SEGMENTATION: lambda path: write_seg_nrrd(path, layers, records, result.labels),
        ABOUT: json_writer(synthesis_document(result)),
        **report_writers(synthesis_report(result, cards_of(result)), pdf, paper),
    }
    return write_files(folder, writers)
