"""Values of DICOM elements as plain Python: numbers, text, dates; and of enhanced objects the values of each frame.

Elements may be missing, empty or malformed; then there is no value, never an error.
"""

from __future__ import annotations

import math
import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence

LONGEST = 64  # characters kept of a text
DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}  # of the units of an age


def number(value) -> float | None:
    """The (first) value as a finite number."""
    if not isinstance(value, str | bytes) and hasattr(value, "__iter__"):
        value = next(iter(value), None)
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def integer(value) -> int | None:
    """The (first) value as a whole number."""
    result = number(value)
    return None if result is None else int(result)


def numbers(values, count: int) -> tuple[float, ...] | None:
    """Just ``count`` finite numbers."""
    try:
        result = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return result if len(result) == count and all(map(math.isfinite, result)) else None


def words(value) -> tuple[str, ...]:
    """The values as texts without surplus blanks and control characters."""
    if value is None:
        return ()
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)  # a person's name is none
    parts = tuple(value) if several else (value,)
    return tuple(re.sub(r"[\x00-\x1f\x7f\s]+", " ", str(part)).strip()[:LONGEST] for part in parts)


def text(value) -> str:
    """The values as one short line."""
    return " ".join(words(value)).strip()[:LONGEST]


def iso_date(value) -> str:
    """A DICOM date (20200305, of old files 2020.03.05) as 2020-03-05; "" when it is none."""
    found = re.fullmatch(r"(\d{4})\.?(0[1-9]|1[0-2])\.?(0[1-9]|[12]\d|3[01])", text(value))
    return "-".join(found.groups()) if found else ""


def age_in_years(value) -> float | None:
    """An age (PS3.5 6.2, AS: 018M, 062Y, ...; also with fewer digits) in years; None when it is none."""
    found = re.fullmatch(r"(\d{1,3})([DWMY])", text(value))
    return int(found[1]) * DAYS[found[2]] / DAYS["Y"] if found else None


def first_text(value) -> str:
    """The first of the values as one short line, "" when there is none."""
    return next(iter(words(value)), "")


def readable_elements(data) -> Iterator:
    """The elements of a data set whose values can be parsed."""
    for tag in list(data.keys()):  # not the data set itself: iterating it parses, and raises
        try:
            yield data[tag]
        except Exception:  # pydicom raises many kinds on malformed values
            continue


def frame_values(data) -> list[Mapping[str, object]]:
    """For each frame of a data set its elements by keyword.

    In enhanced objects a frame's own functional groups go before the shared ones, and these before the object's own
    elements (PS3.3 C.7.6.16). Private elements and the sequences of functional groups themselves are left out.
    """
    own = {element.keyword: element.value for element in readable_elements(data) if element.keyword}
    count = integer(own.get("NumberOfFrames")) or 1
    groups = own.pop("PerFrameFunctionalGroupsSequence", None) or ()
    shared = own.pop("SharedFunctionalGroupsSequence", None) or ()
    common = _flat(shared[0]) if len(shared) else {}
    if not len(groups):
        return [ChainMap(common, own)] * count
    if len(groups) != count:  # which frame is which is not known: nothing can be said about any
        return [own] * count
    return [ChainMap(_flat(group), common, own) for group in groups]


def _flat(group) -> dict[str, object]:
    """The elements of all macros of a functional group, by keyword: no keyword that matters here is in two of them."""
    flat: dict[str, object] = {}
    for macro in readable_elements(group):
        if macro.VR != "SQ" or macro.tag.is_private or not len(macro.value or ()):
            continue
        if macro.keyword == "RealWorldValueMappingSequence":
            flat[macro.keyword] = macro.value
            continue
        for element in readable_elements(macro.value[0]):
            if element.keyword and element.VR != "SQ":
                flat[element.keyword] = element.value
            elif element.keyword == "DiffusionGradientDirectionSequence" and len(element.value or ()):
                flat["DiffusionGradientOrientation"] = element.value[0].get("DiffusionGradientOrientation")
    return flat
