"""The files of a result: segmentation, measurements, table, report. All of them or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from LesionKitLib.report.files import (
    REPORT,
    REPORT_PDF,
    ResultWriters,
    Writer,
    csv_writer,
    json_writer,
    labelmap_writer,
    picture_writer,
    report_writers,
    write_files,
)
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
HEADER = ("component", "ml", "side", "territory", "territory_percent", "mni_x", "mni_y", "mni_z")

__all__ = [
    "KINDS", "MEASUREMENTS", "OVERLAY", "REPORT", "REPORT_PDF", "SEGMENTATION", "TABLE", "export_files", "segments",
    "write_outputs",
]  # fmt: skip


def write_outputs(
    result: StrokeResult, folder: str | os.PathLike, pdf: bool = False, paper: str = "a4", dicom: bool = False
) -> list[str]:
    """Write all files of a run, the report as PDF (pdf) and DICOM objects (dicom), too.

    Returns their names. Raises UnusableInput when that is not possible; then nothing is left.
    """
    writers = {
        **_segmentation_writers(result, {}),
        **_table_writers(result),
        **_report_writers(result, pdf, paper),
    }
    if dicom:
        writers |= _dicom_writers(result, {}, pdf, paper)
    return write_files(folder, writers)


def _labelmap_writers(result: StrokeResult) -> dict[str, Writer]:
    maps = {LESION_MAP: result.lesion, BRAIN_MAP: result.brain}
    return {name: labelmap_writer(labels, result.volume) for name, labels in maps.items()}


def segments(result: StrokeResult, more: Mapping[str, dict[str, str]] | None = None) -> tuple[list[np.ndarray], list]:
    """Label layers and segment records: the lesion lies over brain and tissues, so each has a layer of its own.

    more: class key -> tags of that segment, beside those that name the model.
    """
    from LesionKitLib.io.seg_nrrd import SegmentRecord, algorithm_tags

    tags = algorithm_tags(result.network, result.version)
    lesion = np.where(result.lesion > 0, LESION.value, 0).astype(np.uint8)
    layers, classes = [result.brain, lesion], [(BRAIN,), (LESION,)]
    if result.tissues is not None:
        layers.append(result.tissues)
        classes.append(TISSUES)
    records = [SegmentRecord.of(c, layer, tags) for layer, group in enumerate(classes) for c in group]
    return layers, [replace(record, tags={**record.tags, **(more or {}).get(record.id, {})}) for record in records]


def _table_writers(result: StrokeResult, editing: dict | None = None) -> dict[str, Writer]:
    found = result.measurements
    rows: list[tuple] = [("all", found["lesion_ml"], found["side"], *[""] * 5)]
    for number, lesion in enumerate(result.lesions(), 1):
        place = (lesion["territory"], lesion["territory_percent"])
        rows.append((number, lesion["ml"], lesion["side"], *place, *lesion["center_mni"]))
    document = result.summary() | ({"editing": editing} if editing is not None else {})
    return {TABLE: csv_writer(HEADER, rows, result.provenance()), MEASUREMENTS: json_writer(document)}


def _report_writers(result: StrokeResult, pdf: bool = False, paper: str = "a4") -> dict[str, Writer]:
    from .figures import overlay
    from .report import report_of

    return {
        **report_writers(report_of(result), pdf, paper),
        OVERLAY: picture_writer(lambda: overlay(result.volume, result.brain, result.lesion)),
    }


def _segmentation_writers(result: StrokeResult, tags: Mapping[str, dict[str, str]]) -> dict[str, Writer]:
    from LesionKitLib.io.seg_nrrd import write_seg_nrrd

    layers, records = segments(result, tags)
    return {SEGMENTATION: lambda path: write_seg_nrrd(path, layers, records, result.volume)}


def _dicom_writers(
    result: StrokeResult, tags: Mapping[str, dict[str, str]], pdf: bool = False, paper: str = "a4"
) -> dict[str, Writer]:
    from LesionKitLib.report.dicom_objects import dicom_writers

    from .dicom_objects import findings_of
    from .report import report_of

    findings = findings_of(result, *segments(result, tags))
    return dicom_writers(result.volume, findings, result.provenance(), report_of(result) if pdf else None, paper)


export_files = ResultWriters(
    _table_writers, _report_writers, _labelmap_writers, _segmentation_writers, _dicom_writers
).export
