"""How large a compressed frame says it is, looked up before it is decoded.

A file of a few kilobytes can unfold to gigabytes: a codestream larger than its header says, or runs of one byte.
Nothing is decoded here.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from LesionKitLib.io.dicom_file import DicomFile
from LesionKitLib.run.errors import UnusableInput

RLE = "1.2.840.10008.1.2.5"
SLACK = 64 * 1024  # bytes an RLE frame may exceed its pixels by
_LIES = "The image in the file has another size than its header says; the file is damaged or unsafe."


def refuse_large_frame(stream: BinaryIO, file: DicomFile) -> None:
    """Raises UnusableInput where the first compressed frame is of another size than the header's rows and columns."""
    data = file.data
    syntax = getattr(data, "file_meta", {}).get("TransferSyntaxUID")
    if syntax is None or not syntax.is_encapsulated:
        return
    frame = _first_frame(stream, file)
    if str(syntax) == RLE:
        whole = int(data.Rows) * int(data.Columns) * int(data.SamplesPerPixel) * int(data.BitsAllocated) // 8
        if len(frame) > whole + whole // 8 + SLACK:
            raise UnusableInput(_LIES)
        return
    size = codestream_size(frame)
    if size is not None and size != (int(data.Rows), int(data.Columns)):
        raise UnusableInput(_LIES)


def _first_frame(stream: BinaryIO, file: DicomFile) -> bytes:
    from pydicom.encaps import generate_frames

    frames = int(file.data.get("NumberOfFrames", 1) or 1)
    try:
        stream.seek(file.pixel_start + 12)  # tag, VR and undefined length of the pixel data
        return next(generate_frames(stream, number_of_frames=frames))
    except Exception as error:
        raise UnusableInput("The image file is damaged or cut short (truncated); copy it again.") from error


def codestream_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a JPEG, JPEG-LS or JPEG 2000 codestream; None when it does not say."""
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
