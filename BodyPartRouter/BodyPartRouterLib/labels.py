"""The classes that the router knows, and how they are shown and coded."""

from __future__ import annotations

from dataclasses import dataclass

CLASSES = ("abdomen", "adult_chest", "pediatric_chest", "spine", "others")
UNKNOWN = "unknown"
CHESTS = ("adult_chest", "pediatric_chest")
UNKNOWN_SENTENCE = "unknown: needs a person"
TITLES = {
    "abdomen": "Abdomen",
    "adult_chest": "Chest, adult",
    "pediatric_chest": "Chest, child",
    "spine": "Spine",
    "others": "Other body part",
    UNKNOWN: "Unknown: needs a person",
}


@dataclass(frozen=True)
class Code:
    """A coded concept: value, designator of the scheme (SCT = SNOMED CT), meaning in English."""

    value: str
    scheme: str
    meaning: str


# BodyPartExamined's defined terms and their SNOMED CT codes: DICOM PS3.16 annex L and context group 4031
BODY_PARTS: dict[str, tuple[str, Code]] = {
    "abdomen": ("ABDOMEN", Code("818981001", "SCT", "Abdomen")),
    "adult_chest": ("CHEST", Code("816094009", "SCT", "Chest")),
    "pediatric_chest": ("CHEST", Code("816094009", "SCT", "Chest")),
    "spine": ("SPINE", Code("421060004", "SCT", "Spine")),
}


def title(label: str) -> str:
    """The label as users read it; raises KeyError for anything that is no label."""
    return TITLES[label]
