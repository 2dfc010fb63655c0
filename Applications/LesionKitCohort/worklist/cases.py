"""The cases of a new worklist: of folders, files, a CSV table, or fsspec addresses."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from LesionKitCohort.studies import studies_of
from LesionKitLib.run.errors import UnusableInput

from .store import Case

POSITION, DOUBT = "position", "doubt"
COLUMNS = ("patient", "prediction", "doubt")  # that a table may have beside path and id


def cases_of(inputs: Sequence[str], order: str = POSITION) -> list[Case]:
    """One case for each study of the inputs (see studies_of).

    A CSV table may tell patient, prediction (relative to the table) and doubt. Without a patient, DICOM cases of one
    PatientID have one number, others are patients of their own. order: POSITION as given, or DOUBT, the most doubtful
    first. Raises UnusableInput.
    """
    numbers: dict[str, str] = {}
    cases = []
    for text in inputs:
        further = _table(Path(text)) if text.lower().endswith(".csv") else {}
        for study in studies_of([text]):
            row = further.get(study.path, {})
            patient = row.get("patient") or _pseudonym(study.path, numbers) or study.id
            image = study.path if "://" in study.path else str(Path(study.path).resolve())
            cases.append(Case(study.id, image, patient, row.get("prediction", ""), _number(row.get("doubt", ""))))
    cases = _with_own_ids(cases)
    if order == DOUBT:
        cases.sort(key=lambda case: -case.doubt if case.doubt is not None else float("inf"))
    return cases


def _table(path: Path) -> dict[str, dict[str, str]]:
    """Path as studies_of gives it -> the row's further columns; refusals are left to studies_of."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.DictReader(file) if (row.get("path") or "").strip()]
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    found = {}
    for row in rows:
        where = row["path"].strip()
        own = {name: (row.get(name) or "").strip() for name in COLUMNS}
        if own["prediction"]:
            own["prediction"] = str((path.parent / own["prediction"]).resolve())
        found[where if "://" in where else str(path.parent / where)] = own
    return found


def _number(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError as error:
        raise UnusableInput("A doubt in the table is not a number.") from error


def _pseudonym(path: str, numbers: dict[str, str]) -> str:
    """patient-1, patient-2, ... by the PatientID of a case's first DICOM file; the ID itself is kept nowhere."""
    from LesionKitLib.io.dicom.file import is_dicom

    if "://" in path:
        return ""
    place = Path(path)
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    first = next((file for file in files if file.is_file() and is_dicom(file)), None)
    if first is None:
        return ""
    import pydicom

    header = pydicom.dcmread(first, specific_tags=["PatientID"], stop_before_pixels=True, force=True)
    identity = str(header.get("PatientID") or "")
    return numbers.setdefault(identity, f"patient-{len(numbers) + 1}") if identity else ""


def _with_own_ids(cases: Sequence[Case]) -> list[Case]:
    taken: set[str] = set()
    result = []
    for case in cases:
        own, number = case.id, 1
        while own in taken:
            number += 1
            own = f"{case.id}-{number}"
        taken.add(own)
        result.append(replace(case, id=own))
    return result
