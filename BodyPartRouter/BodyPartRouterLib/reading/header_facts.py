"""The technical facts that the router takes from a DICOM header: never a name, an identifier or a date of a person."""

from __future__ import annotations

import re

from LesionKitLib.io.dicom.values import age_in_years
from LesionKitLib.io.dicom.values import first_text as text

from .xray import HeaderFacts


def header_facts(data) -> HeaderFacts:
    """data: a pydicom data set; its elements may be missing, empty or malformed."""
    return HeaderFacts(
        body_part=text(data.get("BodyPartExamined")),
        study_description=text(data.get("StudyDescription")),
        series_description=text(data.get("SeriesDescription")),
        view=text(data.get("ViewPosition")),
        age_years=age_years(data),
        modality=text(data.get("Modality")),
    )


def age_years(data) -> float | None:
    """PatientAge (PS3.5: 018M, 062Y, ...), else the time from PatientBirthDate to the study; None when not known."""
    age = age_in_years(text(data.get("PatientAge")).upper())
    if age is not None:
        return age
    born = _year_of(data.get("PatientBirthDate"))
    taken = next((t for name in ("AcquisitionDate", "StudyDate") if (t := _year_of(data.get(name)))), None)
    if born is None or taken is None or not 0 <= taken - born <= 120:
        return None
    return taken - born


def _year_of(value) -> float | None:
    """A DICOM date as a year with its fraction; also of a lone year."""
    found = re.match(r"(\d{4})\.?(\d\d)?\.?(\d\d)?", text(value))
    if not found or int(found[1]) < 1850:
        return None
    month, day = int(found[2] or 7), int(found[3] or 1)
    return int(found[1]) + (min(max(month, 1), 12) - 1) / 12 + (min(max(day, 1), 31) - 1) / 365.25
