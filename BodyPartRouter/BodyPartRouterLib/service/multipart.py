"""The parts of a multipart body (RFC 2046 5.1), one after the other while it arrives, so that memory stays bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

BLOCK = 1 << 16
LONGEST_HEADERS = 16_384
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;,]{1,200}))', re.IGNORECASE)


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a Content-Type of multipart/related names, None for another type."""
    found = _BOUNDARY.search(content_type)
    if found is None or not content_type.lower().startswith("multipart/related"):
        return None
    return (found[1] or found[2]).encode("latin-1", "replace")


def read_parts(read: Callable[[int], bytes], boundary: bytes, limit: int) -> Iterator[bytes | None]:
    """The content of each part; None for one of more than ``limit`` bytes, which is read and dropped.

    read(count): at most so many bytes of the body, b"" at its end. Raises ValueError when the body breaks off.
    """
    mark = b"\r\n--" + boundary
    rest = _after_mark(read, bytearray(b"\r\n"), mark)
    while not rest.startswith(b"--"):
        content, rest = _one_part(read, rest, mark, limit)
        yield content


def _one_part(read, rest: bytearray, mark: bytes, limit: int) -> tuple[bytes | None, bytearray]:
    part, is_too_large = rest, False
    searched = 0
    while (at := part.find(mark, searched)) < 0 or len(part) < at + len(mark) + 2:
        searched = max(len(part) - len(mark), 0) if at < 0 else at
        if len(part) > limit + LONGEST_HEADERS + len(mark):
            is_too_large = True
            del part[: -len(mark)]
            searched = 0
        _more(read, part)
    content, rest = part[:at], part[at + len(mark) :]
    if is_too_large:
        return None, rest
    headers, empty_line, data = content.partition(b"\r\n\r\n")
    if not empty_line or len(headers) > LONGEST_HEADERS:
        raise ValueError("a part has no headers")
    return (bytes(data) if len(data) <= limit else None), rest


def _after_mark(read, buffer: bytearray, mark: bytes) -> bytearray:
    while (at := buffer.find(mark)) < 0 or len(buffer) < at + len(mark) + 2:
        if len(buffer) > LONGEST_HEADERS:
            raise ValueError("no part begins")
        _more(read, buffer)
    return buffer[at + len(mark) :]


def _more(read, buffer: bytearray) -> None:
    block = read(BLOCK)
    if not block:
        raise ValueError("the body breaks off")
    buffer += block
