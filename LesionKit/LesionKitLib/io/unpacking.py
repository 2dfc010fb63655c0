"""Compressed files as their content, whatever their name says: gzip, also with bytes behind it, bzip2 and xz."""

from __future__ import annotations

import bz2
import lzma
import mmap
import zlib
from pathlib import Path
from typing import BinaryIO

GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
PACKED = (GZIP, BZIP2, XZ)
_BLOCK = 1 << 20  # bytes


class Truncated(Exception):
    """A compressed stream ends too early, or its checksum is wrong."""


def content_of(path: Path) -> bytearray | mmap.mmap | bytes:
    """The file's bytes as mapped; of a packed file what it holds, in memory. Raises OSError and Truncated."""
    with open(path, "rb") as stream:
        packed = stream.read(len(XZ)).startswith(PACKED)
        stream.seek(0)
        return unpacked(stream) if packed else mapped(path)


def mapped(path: Path) -> mmap.mmap | bytes:
    """The file's bytes as they lie on the disk, read where they are looked at. Raises OSError."""
    with open(path, "rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""


def first_bytes(path: Path, count: int) -> bytes:
    """Up to ``count`` bytes that the file begins with, unpacked; fewer where it is damaged there. Raises OSError."""
    with open(path, "rb") as stream:
        head = stream.read(len(XZ))
        stream.seek(0)
        if not head.startswith(PACKED):
            return stream.read(count)
        try:
            unpack = _decompressor(head)
            return unpack.decompress(stream.read(_BLOCK), count)
        except (zlib.error, lzma.LZMAError, OSError, EOFError):
            return b""


def unpacked(stream: BinaryIO) -> bytearray:
    """All that a gzip, bzip2 or xz stream holds, checksums verified.

    Streams behind each other are one (RFC 1952, 2.2); other bytes behind the last are no part of it. Raises Truncated.
    """
    content, buffer = bytearray(), stream.read(_BLOCK)
    try:
        while buffer.startswith(PACKED):
            unpack = _decompressor(buffer)
            while not unpack.eof:
                if not buffer:
                    raise Truncated
                content += unpack.decompress(buffer)
                buffer = b"" if unpack.eof else stream.read(_BLOCK)
            buffer = unpack.unused_data
            if len(buffer) < len(XZ):
                buffer += stream.read(_BLOCK)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise Truncated from error
    return content


def _decompressor(head: bytes):
    if head.startswith(XZ):
        return lzma.LZMADecompressor(lzma.FORMAT_XZ)
    return bz2.BZ2Decompressor() if head.startswith(BZIP2) else zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
