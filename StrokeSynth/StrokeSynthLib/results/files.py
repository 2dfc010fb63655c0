"""The files of a result: segmentation, measurements, table, report. All of them or none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from LesionKitLib.report.files import (
    REPORT,
    REPORT_PDF,
    Writer,
    bytes_writer,
    csv_writer,
    json_writer,
    report_writers,
    write_files,
)
from LesionKitLib.report.provenance import review_of
from StrokeSynthLib.labels import BRAIN, LESION, TISSUES

from .result import StrokeResult

SEGMENTATION, MEASUREMENTS, TABLE = "segmentation.seg.nrrd", "measurements.json", "measurements.csv"
OVERLAY = "overlay.png"
LESION_MAP, BRAIN_MAP = "lesion.nii.gz", "brain.nii.gz"
KINDS = {  # what the panel's Export lets choose -> its files
    "table": (TABLE, MEASUREMENTS),
    "report": (REPORT, OVERLAY),
    "labelmap": (LESION_MAP, BRAIN_MAP),
    "segmentation": (SEGMENTATION,),
}
HEADER = ("piece", "ml", "side", "territory", "territory_percent", "mni_x", "mni_y", "mni_z")

__all__ = [
    "KINDS", "MEASUREMENTS", "OVERLAY", "REPORT", "REPORT_PDF", "SEGMENTATION", "TABLE", "algorithm_tags",
    "export_files", "segments", "write_outputs",
]  # fmt: skip


def write_outputs(result: StrokeResult, folder: str | os.PathLike, pdf: bool = False, paper: str = "a4") -> list[str]:
    """Write all files of a run, with ``pdf`` the report as PDF, too.

    Returns their names. Raises UnusableInput when that is not possible; then nothing is left.
    """
    writers = {
        SEGMENTATION: _segmentation_writer(result, {}),
        **_table_writers(result),
        **_report_writers(result, pdf, paper),
    }
    return write_files(folder, writers)


def export_files(
    result: StrokeResult,
    folder: str | os.PathLike,
    kinds: Sequence[str],
    tags: dict[str, dict[str, str]] | None = None,
    editing: dict | None = None,
) -> list[str]:
    """Write the files of these kinds (keys of KINDS), corrected or not, into a folder; returns their names.

    tags: class key -> tags of that segment in the .seg.nrrd. editing: goes into the JSON under "editing". Files of the
    same names are replaced, others stay. Raises UnusableInput when the folder cannot be written to.
    """
    result = replace(result, review=review_of(editing))
    writers: dict[str, Writer] = {}
    for kind in kinds:
        if kind == "table":
            writers |= _table_writers(result, editing)
        elif kind == "report":
            writers |= _report_writers(result)
        elif kind == "labelmap":
            writers |= {
                LESION_MAP: _label_map_writer(result, result.lesion),
                BRAIN_MAP: _label_map_writer(result, result.brain),
            }
        elif kind == "segmentation":
            writers[SEGMENTATION] = _segmentation_writer(result, tags or {})
        else:
            raise KeyError(kind)
    return write_files(folder, writers)


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


def algorithm_tags(network: str, version: str) -> dict[str, str]:
    """Segment tags that say a segment was made by a model (DICOM PS3.3 C.8.20.2, Segment Algorithm Type and Name)."""
    return {
        "DICOM.SegmentAlgorithmType": "AUTOMATIC",
        "DICOM.SegmentAlgorithmName": f"LesionKit {network} {version}".rstrip(),
    }


def _table_writers(result: StrokeResult, editing: dict | None = None) -> dict[str, Writer]:
    found = result.measurements
    rows: list[tuple] = [("all", found["lesion_ml"], found["side"], *[""] * 5)]
    for number, lesion in enumerate(result.lesions(), 1):
        place = (lesion["territory"], lesion["territory_percent"])
        rows.append((number, lesion["ml"], lesion["side"], *place, *lesion["center_mni"]))
    document = result.summary() | ({"editing": editing} if editing is not None else {})
    return {TABLE: csv_writer(HEADER, rows, result.provenance()), MEASUREMENTS: json_writer(document)}


def _report_writers(result: StrokeResult, pdf: bool = False, paper: str = "a4") -> dict[str, Writer]:
    from .report import report_of

    return {
        **report_writers(report_of(result), pdf, paper),
        OVERLAY: lambda path: _write_overlay(result, path),
    }


def _segmentation_writer(result: StrokeResult, tags: dict[str, dict[str, str]]) -> Writer:
    from LesionKitLib.io.seg_nrrd import write_seg_nrrd

    layers, records = segments(result)
    records = [replace(record, tags={**record.tags, **tags.get(record.id, {})}) for record in records]
    return lambda path: write_seg_nrrd(path, layers, records, result.volume)


def _label_map_writer(result: StrokeResult, labels: np.ndarray) -> Writer:
    from LesionKitLib.io.images import write_labelmap

    return lambda path: write_labelmap(path, labels, result.volume)


def _write_overlay(result: StrokeResult, path: Path) -> None:
    from LesionKitLib.report.pictures import png_bytes

    from .figures import overlay

    bytes_writer(png_bytes(overlay(result.volume, result.brain, result.lesion)))(path)
