"""Figures as people read them. Rounding happens here alone."""

from __future__ import annotations

import re

NONE = "–"
# controls, halves of surrogate pairs (from file names that are no UTF-8), noncharacters: neither HTML nor PDF has them
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
SPACE, THIN_SPACE, MINUS = "\u00a0", "\u202f", "\u2212"


def number(value: float | int | None, unit: str = "", digits: int = 1) -> str:
    """A number with its unit, from 100 on without decimals; a dash for none.

    A positive number that would be shown as 0 is "< 0.1" (by its digits). Thousands are parted by a thin space.
    """
    if value is None:
        return NONE
    smallest = 10.0**-digits
    if isinstance(value, int):
        text = f"{value:,}"
    elif digits and 0 < value < smallest / 2:
        text = f"<{SPACE}{smallest:g}"
    else:
        text = f"{value:,.{digits if abs(value) < 100 else 0}f}"
    text = text.replace(",", THIN_SPACE).replace("-", MINUS)
    return f"{text}{SPACE}{unit}" if unit else text


def printable(text: str) -> str:
    """The text with a replacement character for each that cannot be shown: names and headers may hold anything."""
    return _UNPRINTABLE.sub("\ufffd", text)


def milliliters(value: float) -> str:
    """A volume: two decimals below 1 ml, one below 100."""
    return number(value, "ml", 2 if value < 1 else 1)


def interval(mean: float | None, low: float | None, high: float | None) -> str:
    """A metric with its 95 % interval; there may be no metric (a class that is never found has no correlation), or no
    interval."""
    if mean is None:
        return NONE
    return f"{mean:.2f}" if low is None or high is None else f"{mean:.2f} ({low:.2f} to {high:.2f})"


def count(number_of: int, singular: str, plural: str = "") -> str:
    """1 lesion, 2 lesions."""
    return f"{number_of} {singular if number_of == 1 else plural or singular + 's'}"
