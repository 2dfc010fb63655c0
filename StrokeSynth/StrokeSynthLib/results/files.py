"""The files that a segmentation leaves: segmentation, measurements, report. All of them or none."""

from __future__ import annotations

import csv
import json
import os

import numpy as np

from LesionKitLib.io.atomic import atomic_folder
from StrokeSynthLib.labels import BRAIN, LESION, TISSUES
from StrokeSynthLib.measurement.measurements import to_rows

from .result import StrokeResult

SEGMENTATION, MEASUREMENTS, TABLE = "segmentation.seg.nrrd", "measurements.json", "measurements.csv"
REPORT, OVERLAY = "report.html", "overlay.png"


def write_outputs(result: StrokeResult, folder: str | os.PathLike) -> None:
    """Write the five files into a folder. Raises UnusableInput when that is not possible; then nothing is left."""
    from LesionKitLib.io.seg_nrrd import write_seg_nrrd

    from .report import save_overlay_png, write_report

    layers, records = segments(result)
    with atomic_folder(folder) as part:
        write_seg_nrrd(part / SEGMENTATION, layers, records, result.volume)
        text = json.dumps(result.summary(), indent=2, ensure_ascii=False, allow_nan=False)
        (part / MEASUREMENTS).write_text(text + "\n", encoding="utf-8")
        with (part / TABLE).open("w", newline="", encoding="utf-8") as file:
            header, rows = to_rows(result.measurements)
            csv.writer(file).writerows([header, *rows])
        write_report(result, part / REPORT, card_of(result))
        save_overlay_png(result, part / OVERLAY)


def segments(result: StrokeResult) -> tuple[list[np.ndarray], list]:
    """Label layers and segment records: the lesion lies over brain and tissues, so each has a layer of its own."""
    from LesionKitLib.io.seg_nrrd import SegmentRecord

    tags = algorithm_tags(result.network, result.version)
    lesion = np.where(result.lesion > 0, LESION.value, 0).astype(np.uint8)
    layers, classes = [result.brain, lesion], [(BRAIN,), (LESION,)]
    if result.tissues is not None:
        layers.append(result.tissues)
        classes.append(TISSUES)
    records = [SegmentRecord.of(c, layer, tags) for layer, group in enumerate(classes) for c in group]
    return layers, records


def card_of(result: StrokeResult) -> dict | None:
    """The model's card, or None where the network is not an installed one."""
    from LesionKitLib.models.registry import find_model
    from LesionKitLib.run.errors import MissingResource
    from StrokeSynthLib.networks.registry import NETWORKS

    try:
        return find_model(result.network, [NETWORKS.library]).card if result.version else None
    except MissingResource:
        return None


def algorithm_tags(network: str, version: str) -> dict[str, str]:
    """Segment tags that say a segment was made by a model (DICOM PS3.3 C.8.20.2, Segment Algorithm Type and Name)."""
    return {
        "DICOM.SegmentAlgorithmType": "AUTOMATIC",
        "DICOM.SegmentAlgorithmName": f"LesionKit {network} {version}".rstrip(),
    }
