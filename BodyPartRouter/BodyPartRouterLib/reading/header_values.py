"""The header elements that rules ask for, as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from LesionKitLib.io.dicom.values import age_in_years

LONGEST = 1024  # characters of a value that are looked at
NOT_TEXT = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN"}

Values = Mapping[str, tuple[str, ...]]  # keyword -> values as text, absent when the header has none


def check_keyword(keyword: str) -> str | None:
    """Why this DICOM keyword cannot be asked for, or None."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    tag = tag_for_keyword(keyword)
    if tag is None:
        return f"'{keyword}' is not the keyword of a DICOM attribute"
    if NOT_TEXT & set(dictionary_VR(tag).split(" or ")):
        return f"'{keyword}' holds no text or number that could be compared"
    return None


def is_person_name(keyword: str) -> bool:
    """Whether the attribute names a person (value representation PN)."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    tag = tag_for_keyword(keyword)
    return tag is not None and dictionary_VR(tag) == "PN"


def values_in(data, keywords: Iterable[str]) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """These elements of a pydicom data set, and the keywords of those that are there, perhaps, but cannot be read.

    A rule that asks for one of the latter must not be taken as not matching.
    """
    found, unreadable = {}, []
    for keyword in sorted(set(keywords)):
        try:
            texts = _texts(data, keyword)
        except Exception:  # a value that its own representation forbids; pydicom raises many kinds
            unreadable.append(keyword)
            continue
        if texts:
            found[keyword] = texts
    return found, tuple(unreadable)


def _texts(data, keyword: str) -> tuple[str, ...]:
    value = data.get(keyword)
    if value is None or value == "":
        return ()
    many = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
    return tuple(str(one).strip()[:LONGEST] for one in many)


def number(text: str) -> float | None:
    """A value as a number; ages (PS3.5: 3 digits and D, W, M or Y) in years. None when it is none."""
    age = age_in_years(text)
    if age is not None:
        return age
    try:
        return float(text)
    except ValueError:
        return None


def keep_header_text_out_of_the_log() -> None:
    """For the whole process: the warnings and messages of libraries quote the values that they complain about."""
    import logging
    import warnings

    warnings.filterwarnings("ignore", module="pydicom")
    for name in ("pydicom", "pynetdicom", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
