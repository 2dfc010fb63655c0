"""Text that is safe to print: names of files and values of headers may hold anything."""

from __future__ import annotations

import os


def printable(text: str | os.PathLike) -> str:
    """One line without control characters: these are shown escaped, bytes that are no text as U+FFFD."""
    return "".join(map(_shown, os.fspath(text)))


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    if 0xD800 <= ord(letter) <= 0xDFFF:
        return "\N{REPLACEMENT CHARACTER}"
    return letter.encode("unicode_escape").decode()
