"""The writer of result files: all of them appear in a folder, or none. JSON and tables look alike for every module."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.atomic import atomic_file, atomic_folder

from .document import Report
from .html import report_html
from .pictures import png_bytes
from .provenance import Provenance, review_of

REPORT, REPORT_PDF = "report.html", "report.pdf"
Writer = Callable[[Path], None]


def write_files(folder: str | os.PathLike, writers: Mapping[str, Writer]) -> list[str]:
    """Write files (name -> what writes it to a path) into a folder; returns their names ("folder/name" below it).

    Files of the same names are replaced, others stay. Raises UnusableInput when that is not possible; then nothing of
    the new files is left.
    """
    with atomic_folder(folder) as part:
        for name, write in writers.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            write(part / name)
    return list(writers)


@dataclass(frozen=True)
class ResultWriters:
    """How a module writes its results. Each function gives writers by the names of their files.

    tables(result, editing): tables and measurements; report(result); labelmaps(result); segmentation(result, tags);
    dicom(result, tags).
    """

    tables: Callable[[object, dict | None], dict[str, Writer]]
    report: Callable[[object], dict[str, Writer]]
    labelmaps: Callable[[object], dict[str, Writer]]
    segmentation: Callable[[object, Mapping[str, dict[str, str]]], dict[str, Writer]]
    dicom: Callable[[object, Mapping[str, dict[str, str]]], dict[str, Writer]]

    def export(
        self,
        result,
        folder: str | os.PathLike,
        kinds: Sequence[str],
        tags: Mapping[str, dict[str, str]] | None = None,
        editing: dict | None = None,
    ) -> list[str]:
        """Write the files of these kinds (table, report, labelmap, segmentation, dicom), corrected or not; their names.

        tags: class key -> tags of that segment in the .seg.nrrd. editing: goes into the JSON under "editing". Files of
        the same names are replaced, others stay. Raises UnusableInput when the folder cannot be written to, KeyError
        for another kind.
        """
        result = replace(result, review=review_of(editing))
        makers = {
            "table": lambda: self.tables(result, editing),
            "report": lambda: self.report(result),
            "labelmap": lambda: self.labelmaps(result),
            "segmentation": lambda: self.segmentation(result, tags or {}),
            "dicom": lambda: self.dicom(result, tags or {}),
        }
        writers: dict[str, Writer] = {}
        for kind in kinds:
            writers |= makers[kind]()
        return write_files(folder, writers)


def json_writer(document: dict | list) -> Writer:
    """A JSON document, UTF-8; NaN is refused with ValueError."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return lambda path: _write_text(path, text + "\n")


def rows_writer(header: Sequence[str], rows: Sequence[Sequence]) -> Writer:
    """A table as CSV, UTF-8; None becomes empty."""

    def write(path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
            csv.writer(file).writerows([header, *rows])

    return write


def csv_writer(header: Sequence[str], rows: Sequence[Sequence], provenance: Provenance) -> Writer:
    """A table whose first column is the image's id, by which tables are joined, and whose last say what it is of."""
    about = provenance.columns()
    image = about.pop("id")
    return rows_writer(["id", *header, *about], [[image, *row, *about.values()] for row in rows])


def picture_writer(draw: Callable[[], np.ndarray]) -> Writer:
    """A PNG file of what draw() gives: uint8 RGB [row, column, 3]."""

    def write(path: Path) -> None:
        path.write_bytes(png_bytes(draw()))

    return write


def labelmap_writer(labels: np.ndarray, volume: Volume) -> Writer:
    """A label map [k, j, i] on the grid of a volume, in the format of the path's ending."""
    from LesionKitLib.io.images import write_labelmap

    return lambda path: write_labelmap(path, labels, volume)


def report_writers(report: Report, pdf: bool = False, paper: str = "a4") -> dict[str, Writer]:
    """The report as HTML and, if wanted, as PDF."""
    writers: dict[str, Writer] = {REPORT: lambda path: _write_text(path, report_html(report))}
    if pdf:
        from .pdf import write_pdf

        writers[REPORT_PDF] = lambda path: write_pdf(report, path, paper)
    return writers


def write_report(report: Report, path: str | os.PathLike, paper: str = "a4") -> None:
    """Write the report to one file, HTML or, by its ending, .pdf. Appears complete or not at all.

    Raises UnusableInput when ``path`` cannot be written, MissingResource for a PDF without ReportLab.
    """
    name = REPORT_PDF if Path(path).suffix.lower() == ".pdf" else REPORT
    with atomic_file(path) as part:
        report_writers(report, name == REPORT_PDF, paper)[name](part)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="replace", newline="\n")
