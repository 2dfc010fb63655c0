"""The header elements that rules ask for, read from a file without its pixels."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

LONGEST = 1024  # characters of a value that are looked at
NOT_TEXT = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN"}
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}

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


def read_values(path: str | os.PathLike, keywords: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """These elements of a DICOM file, less what cannot be read; {} for any other file."""
    return try_to_read_values(path, keywords)[0]


def try_to_read_values(
    path: str | os.PathLike, keywords: Iterable[str]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """These elements of a DICOM file, and the keywords of those that are there, perhaps, but cannot be read.

    A rule that asks for one of the latter must not be taken as not matching.
    """
    wanted = sorted(set(keywords))
    if not wanted:
        return {}, ()
    from pydicom import dcmread

    from BodyPartRouterLib.reading.frame_size import refuse_large_inflated

    try:
        refuse_large_inflated(Path(path))
        data = dcmread(path, stop_before_pixels=True, specific_tags=wanted, force=_lacks_mark(path))
    except Exception:  # damaged headers make pydicom raise many kinds
        return {}, tuple(wanted)
    found, unreadable = {}, []
    for keyword in wanted:
        try:
            texts = _texts(data, keyword)
        except Exception:  # a value that its own representation forbids; pydicom raises many kinds
            unreadable.append(keyword)
            continue
        if texts:
            found[keyword] = texts
    return found, tuple(unreadable)


def _lacks_mark(path: str | os.PathLike) -> bool:
    """Whether a file begins as DICOM files did before they were marked as such: with an element of group 2 or 8."""
    with open(path, "rb") as stream:
        return stream.read(2) in (b"\x02\x00", b"\x08\x00")


def _texts(data, keyword: str) -> tuple[str, ...]:
    value = data.get(keyword)
    if value is None or value == "":
        return ()
    many = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
    return tuple(str(one).strip()[:LONGEST] for one in many)


def number(text: str) -> float | None:
    """A value as a number; ages (PS3.5: 3 digits and D, W, M or Y) in years. None when it is none."""
    age = _AGE.fullmatch(text)
    if age:
        return int(age[1]) * _DAYS[age[2]] / _DAYS["Y"]
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
