"""The files of a result: segmentation, measurements, tables, report. All of them or none."""

from __future__ import annotations

import os
from collections.abc import Mapping

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
    "export_files", "output_writers", "write_outputs",
]  # fmt: skip


def write_outputs(result: CovidResult, folder: str | os.PathLike, pdf: bool = False, paper: str = "a4") -> list[str]:
    """Write all files of a run, the heat map where there is one, and with ``pdf`` the report as PDF, too.

    Returns their names. Raises UnusableInput when that is not possible; then nothing is left.
    """
    return write_files(folder, output_writers(result, pdf, paper))


def output_writers(result: CovidResult, pdf: bool = False, paper: str = "a4") -> dict[str, Writer]:
    """What write_outputs writes: name -> what writes it to a path."""
    from LesionKitLib.io.seg_nrrd import algorithm_tags

    from .figures import overlay

    tags = algorithm_tags(result.network, result.version)
    writers = {
        **_segmentation_writers(result, {item.key: tags for item in (*LUNGS, *LESIONS)}),
        **_table_writers(result),
        **_report_writers(result, pdf, paper),
        OVERLAY: picture_writer(lambda: overlay(result.volume, result.lungs, result.lesions)),
    }
    if result.heatmap is not None:
        writers[HEATMAP] = labelmap_writer(result.heatmap, result.volume)
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
    from LesionKitLib.io.seg_nrrd import SegmentRecord, write_seg_nrrd

    # lungs and lesions overlap, so they lie in two layers
    records = [
        SegmentRecord.of(c, layer, tags.get(c.key)) for layer, group in enumerate((LUNGS, LESIONS)) for c in group
    ]
    layers = [result.lungs, result.lesions]
    return {SEGMENTATION: lambda path: write_seg_nrrd(path, layers, records, result.volume)}


export_files = ResultWriters(_table_writers, _report_writers, _labelmap_writers, _segmentation_writers).export
