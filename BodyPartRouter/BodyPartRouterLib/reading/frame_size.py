"""How large a compressed frame says it is, looked up before it is decoded.

A file of a few kilobytes can unfold to gigabytes: a codestream larger than its header says, or runs of one byte.
Nothing is decoded here.
"""

from __future__ import annotations

import struct

from LesionKitLib.run.errors import UnusableInput

RLE = "1.2.840.10008.1.2.5"
SLACK = 64 * 1024  # bytes an RLE frame may exceed its pixels by
_XL_CODESTREAM = b"\xff\x0a"
_XL_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"  # signature box of ISO 18181-2
_XL_BITS = (9, 13, 18, 30)  # of a size, by its selector: SizeHeader of ISO 18181-1
# width over height for the ratios 1 to 7
_XL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_LIES = "The image in the file has another size than its header says; the file is damaged or unsafe."


def refuse_other_size(frame: bytes, syntax: str, data) -> None:
    """Raises UnusableInput where a compressed frame is of another size than the header's rows and columns."""
    if syntax == RLE:
        whole = int(data.Rows) * int(data.Columns) * int(data.SamplesPerPixel) * int(data.BitsAllocated) // 8
        if len(frame) > whole + whole // 8 + SLACK:
            raise UnusableInput(_LIES)
        return
    size = codestream_size(frame)
    if size is not None and size != (int(data.Rows), int(data.Columns)):
        raise UnusableInput(_LIES)


def codestream_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a JPEG, JPEG-LS, JPEG 2000 or JPEG XL codestream; None when it does not say."""
    if frame.startswith((_XL_CODESTREAM, _XL_CONTAINER)):
        return _jpeg_xl_size(frame)
    if frame.startswith(b"\xff\x4f\xff\x51"):  # SOC, SIZ: ISO 15444-1 annex A.5.1
        right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
        return bottom - top, right - left
    if not frame.startswith(b"\xff\xd8"):
        return None
    place = 2
    while place + 9 <= len(frame):  # segments up to the frame header: ISO 10918-1 annex B, ISO 14495-1 annex C
        marker = frame[place + 1]
        if frame[place] != 0xFF:
            return None
        if marker == 0xFF:
            place += 1
        elif marker == 0xF7 or 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            rows, columns = struct.unpack_from(">HH", frame, place + 5)
            return rows, columns
        else:
            place += 2 + struct.unpack_from(">H", frame, place + 2)[0]
    return None


def _jpeg_xl_size(frame: bytes) -> tuple[int, int] | None:
    """Of a bare codestream, or of the first one in a container."""
    start = 0
    if frame.startswith(_XL_CONTAINER):  # the box jxlc, or jxlp with the number of a part before the codestream
        box = max(frame.find(b"jxlc"), frame.find(b"jxlp"))
        start = frame.find(_XL_CODESTREAM, box, box + 12) if box > 0 else -1
        if start < 0:
            return None
    bits, used = int.from_bytes(frame[start + 2 : start + 14].ljust(12, b"\0"), "little"), 0

    def take(count: int) -> int:
        nonlocal used
        used += count
        return (bits >> (used - count)) & ((1 << count) - 1)

    def length(small: int) -> int:
        return 8 * (take(5) + 1) if small else take(_XL_BITS[take(2)]) + 1

    small = take(1)
    rows, ratio = length(small), take(3)
    if not ratio:
        return rows, length(small)
    wide, high = _XL_RATIOS[ratio - 1]
    return rows, rows * wide // high
