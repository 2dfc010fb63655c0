"""The technical facts that the router takes from a DICOM header: never a name, an identifier or a date of a person."""

from __future__ import annotations

import re

from .xray import HeaderFacts

LONGEST = 64  # characters kept of a text
YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}


def header_facts(data) -> HeaderFacts:
    """data: a pydicom data set; its elements may be missing, empty or malformed."""
    meta = getattr(data, "file_meta", {})
    burned = text(data.get("BurnedInAnnotation"))
    return HeaderFacts(
        body_part=text(data.get("BodyPartExamined")),
        study_description=text(data.get("StudyDescription")),
        series_description=text(data.get("SeriesDescription")),
        view=text(data.get("ViewPosition")),
        age_years=age_years(data),
        modality=text(data.get("Modality")),
        photometric=text(data.get("PhotometricInterpretation")),
        sop_class_uid=text(data.get("SOPClassUID")),
        sop_instance_uid=text(data.get("SOPInstanceUID")),
        series_uid=text(data.get("SeriesInstanceUID")),
        study_uid=text(data.get("StudyInstanceUID")),
        transfer_syntax=text(meta.get("TransferSyntaxUID")),
        manufacturer=text(data.get("Manufacturer")),
        station=text(data.get("StationName")),
        burned_in_text={"YES": True, "NO": False}.get(burned),
    )


def text(value) -> str:
    """One short line: control characters and surplus blanks removed; of several values the first."""
    if value is None:
        return ""
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        value = next(iter(value), "")
    return re.sub(r"[\x00-\x1f\x7f\s]+", " ", str(value)).strip()[:LONGEST]


def age_years(data) -> float | None:
    """PatientAge (PS3.5: 018M, 062Y, ...), else the time from PatientBirthDate to the study; None when not known."""
    found = re.fullmatch(r"(\d{1,3})([DWMY])", text(data.get("PatientAge")).upper())
    if found:
        return int(found[1]) * YEARS[found[2]]
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
