"""The files of a follow-up: what changed, and each examination's own files in a folder of its own. All or none."""

from __future__ import annotations

import os

from CovidLungQuantLib.results.files import output_writers
from LesionKitLib.report.files import Writer, json_writer, report_writers, rows_writer, write_files

from .comparison import FIGURES, FollowUp, date_of
from .report import followup_report

DOCUMENT, EXAMINATIONS, CHANGES = "followup.json", "examinations.csv", "changes.csv"
CHANGE_COLUMNS = ("kind", "status", "earlier_ml", "later_ml", "change_percent", "earlier_lesions", "later_lesions")


def write_followup(
    followup: FollowUp, folder: str | os.PathLike, pdf: bool = False, paper: str = "a4", dicom: bool = False
) -> list[str]:
    """Write followup.json, examinations.csv, changes.csv, the report, and examination-1/, examination-2/, ...

    Returns the names of the files beside those folders. Raises UnusableInput when that is not possible.
    """
    own: dict[str, Writer] = {
        DOCUMENT: json_writer(followup.document()),
        EXAMINATIONS: rows_writer(*_examination_rows(followup)),
        CHANGES: rows_writer(*_change_rows(followup)),
        **report_writers(followup_report(followup), pdf, paper),
    }
    writers = dict(own)
    for n, result in enumerate(followup.examinations, 1):
        outputs = output_writers(result, pdf, paper, dicom)
        writers |= {f"examination-{n}/{name}": write for name, write in outputs.items()}
    write_files(folder, writers)
    return list(own)


def _examination_rows(followup: FollowUp) -> tuple[list[str], list[list]]:
    """One row for each examination; id is the image's, by which the other tables are joined."""
    rows, about = [], {}
    for n, result in enumerate(followup.examinations):
        about = result.provenance().columns()
        image = about.pop("id")
        days = followup.intervals[n - 1].days if n else None
        total = result.measurements["total"]
        rows.append([image, n + 1, date_of(result), days, *(total[name] for name in FIGURES), *about.values()])
    return ["id", "examination", "study_date", "days", *FIGURES, *about], rows


def _change_rows(followup: FollowUp) -> tuple[list[str], list[list]]:
    """One row for each lesion of each interval; earlier_id and later_id are the images'."""
    ids = [result.provenance().id for result in followup.examinations]
    rows = []
    for n, interval in enumerate(followup.intervals):
        for number, change in enumerate(interval.changes, 1):
            values = [getattr(change, column) for column in CHANGE_COLUMNS]
            rows.append([ids[n], ids[n + 1], number, *values, *change.ras])
    return ["earlier_id", "later_id", "lesion", *CHANGE_COLUMNS, "ras_x", "ras_y", "ras_z"], rows
