"""A DICOM file up to its pixel data: whether it is one, its elements, and whether its pixel data are whole.

The reader of headers for all modules. Pixel data are not read, only measured: damage is told by lengths alone.
A deflated data set, which a short file can unfold to gigabytes, is measured before it is unfolded.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CUT_SHORT = "cut short (truncated); copy the series again"
NO_PIXELS = "without pixel data"
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"  # SOP class of a DICOMDIR
DEFLATED = "1.2.840.10008.1.2.1.99"
MAX_INFLATED = 512 * 2**20  # bytes of a deflated data set

_MAGIC_AT, _MAGIC = 128, b"DICM"
_BLOCK = 1 << 20  # bytes
# How files without the DICM mark begin: group length, character set, image type or SOP class; or a bare meta group.
_OLD_STARTS = tuple(bytes((8, 0, element, 0)) for element in (0, 5, 8, 16, 18, 22)) + (bytes((2, 0, 0, 0)),)
# Pixel Data, Float Pixel Data, Double Float Pixel Data (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25) and their bits
_PIXELS = {(0x7FE0, 0x0010): None, (0x7FE0, 0x0008): 32, (0x7FE0, 0x0009): 64}


class TooMuchToInflate(ValueError):
    """A deflated data set unfolds to more than MAX_INFLATED bytes."""


@dataclass(frozen=True)
class DicomFile:
    """The elements before the pixel data (a pydicom data set), and what is wrong with the pixel data ("": nothing).

    pixel_start: the byte of the file at which the element of the pixel data begins; of no use in a deflated file.
    """

    path: Path
    data: object
    pixel_defect: str
    pixel_start: int

    def meta(self, keyword: str) -> str:
        """An element of the file meta information as text, "" when it is not there."""
        return str(getattr(self.data, "file_meta", {}).get(keyword, "") or "")

    @property
    def is_media_directory(self) -> bool:
        """Whether it is a DICOMDIR, which lists images and holds none."""
        return MEDIA_DIRECTORY in (self.meta("MediaStorageSOPClassUID"), str(self.data.get("SOPClassUID", "")))

    @property
    def is_encrypted(self) -> bool:
        """Whether elements were encrypted (PS3.15 annex E)."""
        return "EncryptedAttributesSequence" in self.data


def is_dicom(path: Path) -> bool:
    """Whether the file begins like DICOM: the DICM mark, or (old files without it) an element of group 0002 or 0008."""
    try:
        with open(path, "rb") as stream:
            return begins_like_dicom(stream)
    except OSError:
        return False


def begins_like_dicom(stream: BinaryIO) -> bool:
    """``is_dicom`` of an open file, which is left at its beginning. Raises OSError."""
    stream.seek(0)
    head = stream.read(_MAGIC_AT + len(_MAGIC))
    stream.seek(0)
    return head[_MAGIC_AT:] == _MAGIC or head.startswith(_OLD_STARTS)


def read_dicom_file(path: Path, tags: Sequence[str | int] | None = None) -> DicomFile:
    """Header and state of the pixel data, the file opened once. Parameters and errors: see ``read_dicom_stream``."""
    with open(path, "rb") as stream:
        return read_dicom_stream(stream, path, tags)


def read_dicom_stream(stream: BinaryIO, path: Path, tags: Sequence[str | int] | None = None) -> DicomFile:
    """Header and state of the pixel data of an open file, whose position is of no account.

    tags: the elements wanted (keywords or numbers), None for all. Raises OSError, TooMuchToInflate, and whatever
    pydicom raises where the header is damaged.
    """
    import pydicom

    refuse_large_inflated(stream)
    stream.seek(0)
    data = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=tags)
    start, size = stream.tell(), os.fstat(stream.fileno()).st_size
    return DicomFile(path, data, _pixel_defect(stream, start, size, data), start)


def read_meta(stream: BinaryIO) -> tuple[object, int]:
    """File meta information (PS3.10 7.1, a pydicom data set, empty where there is none) and where the data set begins.

    Raises OSError, and whatever pydicom raises where it is damaged.
    """
    from pydicom.filereader import read_dataset

    stream.seek(_MAGIC_AT)
    if stream.read(len(_MAGIC)) != _MAGIC:
        stream.seek(0)
    start = stream.tell()
    meta = read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    return meta, stream.tell() if len(meta) else start


def refuse_large_inflated(stream: BinaryIO) -> None:
    """Raises TooMuchToInflate where a deflated data set unfolds to more than MAX_INFLATED bytes; never keeps them."""
    try:
        meta, start = read_meta(stream)
        deflated = str(meta.get("TransferSyntaxUID", "")) == DEFLATED
    except OSError:
        raise
    except Exception:  # no meta information that can be read: not deflated
        return
    if not deflated:
        return
    stream.seek(start)
    unpack, total = zlib.decompressobj(wbits=-zlib.MAX_WBITS), 0
    while not unpack.eof and (chunk := unpack.unconsumed_tail or stream.read(_BLOCK)):
        total += len(unpack.decompress(chunk, _BLOCK))
        if total > MAX_INFLATED:
            raise TooMuchToInflate(f"more than {MAX_INFLATED} bytes")


def _pixel_defect(stream: BinaryIO, start: int, size: int, data) -> str:
    """What is wrong with the pixel data element that should begin at ``start``."""
    syntax = str(data.file_meta.get("TransferSyntaxUID", "")) if hasattr(data, "file_meta") else ""
    if syntax == DEFLATED:  # the element lies in a compressed stream
        return ""
    implicit, little = data.original_encoding
    order = "<" if little else ">"
    stream.seek(start)
    head = stream.read(8 if implicit else 12)
    tag = struct.unpack(order + "HH", head[:4]) if len(head) == (8 if implicit else 12) else None
    if tag not in _PIXELS:
        return NO_PIXELS
    (length,) = struct.unpack(order + "I", head[-4:])
    if length == 0xFFFFFFFF:
        return _fragment_defect(stream, size, order)
    if length == 0:
        return NO_PIXELS
    values = 1
    for keyword in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel"):
        values *= int(data.get(keyword, 1) or 1)
    if data.get("PhotometricInterpretation") == "YBR_FULL_422":  # two pixels share their colors (PS3.3 C.7.6.3.1.2)
        values = values * 2 // 3
    bits = values * (_PIXELS[tag] or int(data.get("BitsAllocated", 0) or 0))
    return CUT_SHORT if length < bits // 8 or start + len(head) + length > size else ""


def _fragment_defect(stream: BinaryIO, size: int, order: str) -> str:
    """Walks the fragments of compressed pixel data; each must be whole and a delimiter must end them."""
    payload, items = 0, 0
    while True:
        head = stream.read(8)
        if len(head) < 8:
            return CUT_SHORT
        group, element, length = struct.unpack(order + "HHI", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            return "" if payload else NO_PIXELS
        if (group, element) != (0xFFFE, 0xE000) or stream.tell() + length > size:
            return CUT_SHORT
        payload += length if items else 0  # the first item is the offset table
        items += 1
        stream.seek(length, 1)
