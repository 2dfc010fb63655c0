"""The files that an analysis leaves: segmentation, measurements, report. All of them or none."""

from __future__ import annotations

import csv
import json
import os

from CovidLungQuantLib.labels import LESIONS, LUNGS
from LesionKitLib.io.atomic import atomic_folder

from .result import CovidResult

SEGMENTATION, MEASUREMENTS, TABLE = "segmentation.seg.nrrd", "measurements.json", "measurements.csv"
REPORT, OVERLAY, HEATMAP = "report.html", "overlay.png", "heatmap.nii.gz"


def write_outputs(result: CovidResult, folder: str | os.PathLike) -> None:
    """Write the five files, and the heat map where there is one, into a folder.

    Raises UnusableInput when that is not possible; then nothing is left.
    """
    from CovidLungQuantLib.measurement.measurements import to_rows
    from CovidLungQuantLib.networks.registry import cards_of
    from LesionKitLib.io.images import write_labelmap
    from LesionKitLib.io.seg_nrrd import SegmentRecord, write_seg_nrrd

    from .report import save_overlay_png, write_report

    tags = algorithm_tags(result.network, result.version)
    # lungs and lesions overlap, so they lie in two layers
    records = [SegmentRecord.of(c, layer, tags) for layer, group in enumerate((LUNGS, LESIONS)) for c in group]
    with atomic_folder(folder) as part:
        write_seg_nrrd(part / SEGMENTATION, [result.lungs, result.lesions], records, result.volume)
        text = json.dumps(result.summary(), indent=2, ensure_ascii=False, allow_nan=False)
        (part / MEASUREMENTS).write_text(text + "\n", encoding="utf-8")
        with (part / TABLE).open("w", newline="", encoding="utf-8") as file:
            header, rows = to_rows(result.measurements)
            csv.writer(file).writerows([header, *rows])
        write_report(result, part / REPORT, cards_of(result.network))
        save_overlay_png(result, part / OVERLAY)
        if result.heatmap is not None:
            write_labelmap(part / HEATMAP, result.heatmap, result.volume)


def algorithm_tags(network: str, version: str) -> dict[str, str]:
    """Segment tags that say a segment was made by a model (DICOM PS3.3 C.8.20.2, Segment Algorithm Type and Name)."""
    return {
        "DICOM.SegmentAlgorithmType": "AUTOMATIC",
        "DICOM.SegmentAlgorithmName": f"LesionKit {network} {version}",
    }
