"""The header against the pixels: does what DICOM says agree with what the picture shows?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .prediction import Prediction
    from .xray import HeaderFacts


@dataclass(frozen=True)
class Agreement:
    """header_class: the class that the header speaks of ("chest" without an age is "adult_chest or pediatric_chest",
    given as None here), None when it says nothing usable. agrees: None when nothing can be compared (also when held).
    remarks: one sentence for each mismatch."""

    header_class: str | None
    agrees: bool | None
    remarks: tuple[str, ...] = ()


def compare(header: HeaderFacts, prediction: Prediction) -> Agreement:
    """BodyPartExamined, StudyDescription, PatientAge and ViewPosition against the prediction; never changes either."""
    return Agreement(None, None)


def write_corrected_copy(path: str | os.PathLike, destination: str | os.PathLike, label: str) -> None:
    """A copy of a DICOM file with the body part ``label`` coded in it; the original stays as it is.

    Raises UnusableInput when the file is no DICOM or the destination exists or cannot be written.
    """
    raise ValueError("not a class")
