"""Which class a foreign segment is of: by its code, else by its name; unsure answers are questions, never guesses."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from LesionKitLib.imaging.segment_class import Code, SegmentClass

from .annotation import Annotation

CODE, NAME, ANSWER, UNSURE, OTHER = "code", "name", "answer", "unsure", "other"
ALIKE = 0.75  # ratio of difflib from which a name may be meant
_WORD = re.compile(r"[a-z]+|\d+")


@dataclass(frozen=True)
class Match:
    """name: of the foreign segment. by: CODE, NAME or ANSWER with the class; UNSURE with candidates; else OTHER."""

    name: str
    by: str
    found: SegmentClass | None = None
    candidates: tuple[SegmentClass, ...] = ()

    @property
    def question(self) -> str:
        """What to ask where it is unsure."""
        choices = ", ".join(candidate.key for candidate in self.candidates)
        return f"Which class is the segment '{self.name}': {choices}, or none?"


def match(
    segment: Annotation,
    classes: Sequence[SegmentClass],
    synonyms: Mapping[str, Sequence[str]] | None = None,
    answers: Mapping[str, str] | None = None,
) -> Match:
    """synonyms: class key -> other names. answers: foreign name -> class key, "" for none of them.

    A code and a name that say different classes are unsure. Raises KeyError for an answer that names no class.
    """
    by_key = {item.key: item for item in classes}
    if answers and segment.name in answers:
        answer = answers[segment.name]
        return Match(segment.name, ANSWER if answer else OTHER, by_key[answer] if answer else None)
    coded = [item for item in classes if _same_code(segment, item)]
    called = [item for item in classes if _is_called(segment.name, item, (synonyms or {}).get(item.key, ()))]
    both = [item for item in coded if item in called]
    if len(coded) == 1 and (both or not called):
        return Match(segment.name, CODE, coded[0])
    if len(both) == 1:
        return Match(segment.name, NAME, both[0])
    if not coded and len(called) == 1:
        return Match(segment.name, NAME, called[0])
    unsure = list(dict.fromkeys([*coded, *called])) or [item for item in classes if _alike(segment.name, item)]
    return Match(segment.name, UNSURE if unsure else OTHER, None, tuple(unsure))


def _same_code(segment: Annotation, item: SegmentClass) -> bool:
    if segment.type is None or not _equal(segment.type, item.type):
        return False
    return segment.modifier is None or item.modifier is None or _equal(segment.modifier, item.modifier)


def _equal(one: Code, other: Code) -> bool:
    """pydicom's equality, to which a code of SNOMED RT (SRT) is its younger one in SNOMED CT (SCT)."""
    from pydicom.sr.coding import Code as DicomCode

    return DicomCode(one[1], one[0], one[2]) == DicomCode(other[1], other[0], other[2])


def _is_called(name: str, item: SegmentClass, synonyms: Sequence[str]) -> bool:
    """Whether all words of the class's name, key or a synonym are in the name, as in lung_upper_lobe_left."""
    words = set(_words(name))
    return any(own and own <= words for own in (set(_words(text)) for text in (item.key, item.name, *synonyms)))


def _alike(name: str, item: SegmentClass) -> bool:
    plain = " ".join(_words(name))
    texts = [" ".join(_words(text)) for text in (item.key, item.name)]
    return any(difflib.SequenceMatcher(None, plain, text).ratio() >= ALIKE for text in texts)


def _words(text: str) -> list[str]:
    """Lower-case words, of CamelCase too."""
    return _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
