"""The files of a result: segmentation, measurements, tables, report. All of them or none."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from CovidLungQuantLib.labels import LESIONS, LUNGS
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

from .result import CovidResult

SEGMENTATION, MEASUREMENTS, TABLE = "segmentation.seg.nrrd", "measurements.json", "measurements.csv"
LESION_TABLE, OVERLAY, HEATMAP = "lesions.csv", "overlay.png", "heatmap.nii.gz"
LESION_MAP, LUNG_MAP = "lesions.nii.gz", "lungs.nii.gz"
KINDS = {  # what the panel's Export lets choose -> its files
    "table": (TABLE, LESION_TABLE, MEASUREMENTS),
    "report": (REPORT,),
    "labelmap": (LESION_MAP, LUNG_MAP),
    "segmentation": (SEGMENTATION,),
}
LESION_HEADER = ("lesion", "class", "ml", "side", "third", "zone", "extent_mm", "slices", "ras_x", "ras_y", "ras_z")

__all__ = [
    "HEATMAP", "KINDS", "LESION_TABLE", "MEASUREMENTS", "OVERLAY", "REPORT", "REPORT_PDF", "SEGMENTATION", "TABLE",
    "export_files", "output_writers", "segments", "write_outputs",
]  # fmt: skip


def write_outputs(
    result: CovidResult, folder: str | os.PathLike, pdf: bool = False, paper: str = "a4", dicom: bool = False
) -> list[str]:
    """Write all files of a run, the heat map where there is one, the report as PDF (pdf) and DICOM objects (dicom).

    Returns their names. Raises UnusableInput when that is not possible; then nothing is left.
    """
    return write_files(folder, output_writers(result, pdf, paper, dicom))


def output_writers(result: CovidResult, pdf: bool = False, paper: str = "a4", dicom: bool = False) -> dict[str, Writer]:
    """What write_outputs writes: name -> what writes it to a path."""
    from LesionKitLib.io.seg_nrrd import algorithm_tags

    from .figures import overlay

    tags = {item.key: algorithm_tags(result.network, result.version) for item in (*LUNGS, *LESIONS)}
    writers = {
        **_segmentation_writers(result, tags),
        **_table_writers(result),
        **_report_writers(result, pdf, paper),
        OVERLAY: picture_writer(lambda: overlay(result.volume, result.lungs, result.lesions)),
    }
    if result.heatmap is not None:
        writers[HEATMAP] = labelmap_writer(result.heatmap, result.volume)
    if dicom:
        writers |= _dicom_writers(result, tags, pdf, paper)
    return writers


def _labelmap_writers(result: CovidResult) -> dict[str, Writer]:
    maps = {LESION_MAP: result.lesions, LUNG_MAP: result.lungs}
    return {name: labelmap_writer(labels, result.volume) for name, labels in maps.items()}


def _table_writers(result: CovidResult, editing: dict | None = None) -> dict[str, Writer]:
    from CovidLungQuantLib.measurement.measurements import to_rows

    provenance = result.provenance()
    lesions = [
        (n, f.kind, f.ml, f.side, f.third, f.zone, f.extent_mm, f.slices, *f.ras)
        for n, f in enumerate(result.findings, 1)
    ]
    return {
        TABLE: csv_writer(*to_rows(result.measurements), provenance),
        LESION_TABLE: csv_writer(LESION_HEADER, lesions, provenance),
        MEASUREMENTS: json_writer(result.summary() | ({"editing": editing} if editing is not None else {})),
    }


def _report_writers(result: CovidResult, pdf: bool = False, paper: str = "a4") -> dict[str, Writer]:
    from CovidLungQuantLib.networks.registry import cards_of

    from .report import report_of

    return report_writers(report_of(result, cards_of(result.network)), pdf, paper)


def _segmentation_writers(result: CovidResult, tags: Mapping[str, dict[str, str]]) -> dict[str, Writer]:
    from LesionKitLib.io.seg_nrrd import write_seg_nrrd

    layers, records = segments(result, tags)
    return {SEGMENTATION: lambda path: write_seg_nrrd(path, layers, records, result.volume)}


def segments(result: CovidResult, tags: Mapping[str, dict[str, str]]) -> tuple[list[np.ndarray], list]:
    """Label layers and segment records. tags: class key -> tags of that segment."""
    from LesionKitLib.io.seg_nrrd import SegmentRecord

    # lungs and lesions overlap, so they lie in two layers
    records = [
        SegmentRecord.of(c, layer, tags.get(c.key)) for layer, group in enumerate((LUNGS, LESIONS)) for c in group
    ]
    return [result.lungs, result.lesions], records


def _dicom_writers(
    result: CovidResult, tags: Mapping[str, dict[str, str]], pdf: bool = False, paper: str = "a4"
) -> dict[str, Writer]:
    from CovidLungQuantLib.networks.registry import cards_of
    from LesionKitLib.report.dicom_objects import dicom_writers

    from .dicom_objects import findings_of
    from .report import report_of

    report = report_of(result, cards_of(result.network)) if pdf else None
    findings = findings_of(result, *segments(result, tags))
    return dicom_writers(result.volume, findings, result.provenance(), report, paper)


export_files = ResultWriters(
    _table_writers, _report_writers, _labelmap_writers, _segmentation_writers, _dicom_writers
).export
