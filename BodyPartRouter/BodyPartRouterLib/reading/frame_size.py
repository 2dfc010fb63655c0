"""How large a compressed frame says it is, looked up before it is decoded.

A file of a few kilobytes can unfold to gigabytes: a codestream larger than its header says, runs of one byte, or a
deflated data set. Nothing is decoded here.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from LesionKitLib.run.errors import UnusableInput

MAX_INFLATED = 512 * 2**20  # bytes of a deflated data set
RLE = "1.2.840.10008.1.2.5"
DEFLATED = "1.2.840.10008.1.2.1.99"
SLACK = 64 * 1024  # bytes an RLE frame may exceed its pixels by
_BLOCK = 1 << 20
_LIES = "The image in the file has another size than its header says; the file is damaged or unsafe."


def refuse_large_inflated(path: Path) -> None:
    """Raises UnusableInput where a deflated data set unfolds to more than MAX_INFLATED bytes."""
    start = _deflated_start(path)
    if start is None:
        return
    unpack, total = zlib.decompressobj(wbits=-zlib.MAX_WBITS), 0
    with path.open("rb") as file:
        file.seek(start)
        try:
            while not unpack.eof and (chunk := unpack.unconsumed_tail or file.read(_BLOCK)):
                total += len(unpack.decompress(chunk, _BLOCK))
                if total > MAX_INFLATED:
                    raise UnusableInput("The compressed DICOM file unfolds to more than can be read safely.")
        except zlib.error as error:
            raise UnusableInput("The image file is damaged or cut short (truncated); copy it again.") from error


def _deflated_start(path: Path) -> int | None:
    """Where the deflated data set begins; None for every other transfer syntax."""
    from pydicom.filereader import read_file_meta_info

    try:
        meta = read_file_meta_info(path)
    except Exception:  # no meta information: not deflated
        return None
    if str(meta.get("TransferSyntaxUID", "")) != DEFLATED or "FileMetaInformationGroupLength" not in meta:
        return None
    return 128 + 4 + 12 + int(meta.FileMetaInformationGroupLength)


def is_deflated(data) -> bool:
    """Whether the file of this data set has the transfer syntax Deflated Explicit VR Little Endian."""
    return str(getattr(data, "file_meta", {}).get("TransferSyntaxUID", "")) == DEFLATED


def refuse_large_frame(path: Path, data) -> None:
    """Raises UnusableInput where the first compressed frame is of another size than the header's rows and columns."""
    syntax = getattr(data, "file_meta", {}).get("TransferSyntaxUID")
    if syntax is None or not syntax.is_encapsulated:
        return
    frame = _first_frame(path, data)
    if str(syntax) == RLE:
        whole = int(data.Rows) * int(data.Columns) * int(data.SamplesPerPixel) * int(data.BitsAllocated) // 8
        if len(frame) > whole + whole // 8 + SLACK:
            raise UnusableInput(_LIES)
        return
    size = codestream_size(frame)
    if size is not None and size != (int(data.Rows), int(data.Columns)):
        raise UnusableInput(_LIES)


def _first_frame(path: Path, data) -> bytes:
    from pydicom.encaps import generate_frames
    from pydicom.filereader import dcmread

    frames = int(data.get("NumberOfFrames", 1) or 1)
    try:
        with path.open("rb") as file:
            dcmread(file, stop_before_pixels=True, force=True, specific_tags=["Rows"])
            file.seek(12, 1)  # tag, VR and undefined length of the pixel data
            return next(generate_frames(file, number_of_frames=frames))
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
