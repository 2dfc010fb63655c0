"""The header against the pixels: does what DICOM says agree with what the picture shows?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from BodyPartRouterLib.labels import CHESTS, TITLES
from BodyPartRouterLib.reading.corrected_copy import write_corrected_copy

from .header_words import CHEST, VIEWS, classes_in, plain

if TYPE_CHECKING:
    from BodyPartRouterLib.reading.xray import HeaderFacts

    from .prediction import Prediction

__all__ = ["CHEST", "Agreement", "compare", "write_corrected_copy"]

CHILD_BELOW, ADULT_FROM = 12.0, 18.0  # years; between them either chest passes
FIELDS = {
    "body_part": "BodyPartExamined",
    "study_description": "StudyDescription",
    "series_description": "SeriesDescription",
}


@dataclass(frozen=True)
class Agreement:
    """header_class: the class that the header speaks of, "chest" where no age decides, None when it names no body part
    or several. agrees: None when nothing can be compared, also for a held image. remarks: one sentence a mismatch."""

    header_class: str | None
    agrees: bool | None
    remarks: tuple[str, ...] = ()


def compare(header: HeaderFacts, prediction: Prediction) -> Agreement:
    """BodyPartExamined, descriptions, PatientAge and ViewPosition against the prediction; neither is changed.

    The age never changes what the pixels said: it is a check that is shown.
    """
    said = {name: classes_in(getattr(header, name)) for name in FIELDS}
    parts = _first_said(said)
    header_class = _one_class(parts, header.age_years)
    remarks = _contradictions(header, said)
    if prediction.held:
        return Agreement(header_class, None, tuple(remarks))
    allowed = {c for part in parts for c in (CHESTS if part == CHEST else (part,))}
    fits = prediction.label in allowed if allowed else None
    if fits is False:
        name = next(name for name in FIELDS if said[name])
        value = getattr(header, name)
        remarks.append(f'{FIELDS[name]} is "{value}", but the picture shows: {TITLES[prediction.label]}.')
    age = _age_remark(header.age_years, prediction.label)
    view = _view_remark(header.view, prediction.label)
    remarks += [remark for remark in (age, view) if remark]
    if age or view:
        fits = False
    return Agreement(header_class, fits, tuple(remarks))


def _first_said(said: dict[str, set[str]]) -> set[str]:
    """What the first field that names a body part says: BodyPartExamined, then the descriptions."""
    return next((parts for parts in said.values() if parts), set())


def _one_class(parts: set[str], age: float | None) -> str | None:
    if len(parts) != 1:
        return None
    (part,) = parts
    if part != CHEST or age is None or CHILD_BELOW <= age < ADULT_FROM:
        return part
    return "pediatric_chest" if age < CHILD_BELOW else "adult_chest"


def _contradictions(header: HeaderFacts, said: dict[str, set[str]]) -> list[str]:
    """Where BodyPartExamined and the study's description name different body parts."""
    first, second = said["body_part"], said["study_description"]
    if first and second and not first & second:
        return [
            f'BodyPartExamined is "{header.body_part}", but StudyDescription is "{header.study_description}": '
            "the header contradicts itself."
        ]
    return []


def _age_remark(age: float | None, label: str) -> str:
    if age is None or label not in CHESTS:
        return ""
    years = f"{age:.0f} years" if age >= 2 else f"{age * 12:.0f} months"
    if label == "adult_chest" and age < CHILD_BELOW:
        return f"The header says an age of {years}, but the picture looks like an adult's chest."
    if label == "pediatric_chest" and age >= ADULT_FROM:
        return f"The header says an age of {years}, but the picture looks like a child's chest."
    return ""


def _view_remark(view: str, label: str) -> str:
    for part, views in VIEWS.items():
        if label != part and plain(view) in views:
            return f'ViewPosition is "{view}", which does not belong to: {TITLES[label]}.'
    return ""
