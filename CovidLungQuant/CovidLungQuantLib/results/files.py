"""The files of a result: segmentation, measurements, tables, report. All of them or none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from CovidLungQuantLib.labels import LESIONS, LUNGS
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
    "algorithm_tags", "export_files", "output_writers", "write_outputs",
]  # fmt: skip


def write_outputs(result: CovidResult, folder: str | os.PathLike, pdf: bool = False, paper: str = "a4") -> list[str]:
    """Write all files of a run, the heat map where there is one, and with ``pdf`` the report as PDF, too.

    Returns their names. Raises UnusableInput when that is not possible; then nothing is left.
    """
    return write_files(folder, output_writers(result, pdf, paper))


def output_writers(result: CovidResult, pdf: bool = False, paper: str = "a4") -> dict[str, Writer]:
    """What write_outputs writes: name -> what writes it to a path."""
    tags = algorithm_tags(result.network, result.version)
    writers = {
        SEGMENTATION: _segmentation_writer(result, {item.key: tags for item in (*LUNGS, *LESIONS)}),
        **_table_writers(result),
        **_report_writers(result, pdf, paper),
        OVERLAY: lambda path: _write_overlay(result, path),
    }
    if result.heatmap is not None:
        writers[HEATMAP] = _label_map_writer(result, result.heatmap)
    return writers


def export_files(
    result: CovidResult,
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
                LESION_MAP: _label_map_writer(result, result.lesions),
                LUNG_MAP: _label_map_writer(result, result.lungs),
            }
        elif kind == "segmentation":
            writers[SEGMENTATION] = _segmentation_writer(result, tags or {})
        else:
            raise KeyError(kind)
    return write_files(folder, writers)


def algorithm_tags(network: str, version: str) -> dict[str, str]:
    """Segment tags that say a segment was made by a model (DICOM PS3.3 C.8.20.2, Segment Algorithm Type and Name)."""
    return {
        "DICOM.SegmentAlgorithmType": "AUTOMATIC",
        "DICOM.SegmentAlgorithmName": f"LesionKit {network} {version}",
    }


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


def _segmentation_writer(result: CovidResult, tags: dict[str, dict[str, str]]) -> Writer:
    from LesionKitLib.io.seg_nrrd import SegmentRecord, write_seg_nrrd

    # lungs and lesions overlap, so they lie in two layers
    records = [
        SegmentRecord.of(c, layer, tags.get(c.key)) for layer, group in enumerate((LUNGS, LESIONS)) for c in group
    ]
    return lambda path: write_seg_nrrd(path, [result.lungs, result.lesions], records, result.volume)


def _label_map_writer(result: CovidResult, labels) -> Writer:
    from LesionKitLib.io.images import write_labelmap

    return lambda path: write_labelmap(path, labels, result.volume)


def _write_overlay(result: CovidResult, path) -> None:
    from LesionKitLib.report.pictures import png_bytes

    from .figures import overlay

    bytes_writer(png_bytes(overlay(result.volume, result.lungs, result.lesions)))(path)
