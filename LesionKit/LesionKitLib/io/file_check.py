"""Damage in image files that ITK passes over in silence, and values it changes.

ITK reads a truncated NIfTI file, and a damaged compressed NIfTI, NRRD or MetaImage file, as if it were whole, and turns
NaN and infinity in NIfTI into 0. So the bytes are counted, compressed voxels unpacked once (which checks their
checksum), and the values put back. Memory does not grow with the file.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_BLOCK = 1 << 22  # bytes; a multiple of every voxel size
_FLOATS = {16: "f4", 64: "f8"}  # NIfTI datatype codes


@dataclass(frozen=True)
class _Nifti:
    offset: int  # of the first voxel
    voxels: int
    bits: int
    dtype: np.dtype | None  # for floating-point voxels


def check_file(path: Path) -> tuple[bool, bool]:
    """(whole, plain): whether all voxels are there, and whether ITK will give them as they are.

    Formats and encodings that ITK checks by itself count as whole.
    """
    try:
        name = path.name.lower()
        if name.endswith((".nii", ".nii.gz")):
            return _check_nifti(path)
        if name.endswith(".nrrd"):
            return _check_nrrd(path), True
        return (_check_meta(path) if name.endswith((".mha", ".mhd")) else True), True
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False, True


def restore_nonfinite(path: Path, array: np.ndarray) -> None:
    """Puts NaN and infinity of a floating-point NIfTI file back into ``array``, its voxels as ITK read them."""
    flat, start = array.reshape(-1), 0
    for values in _float_blocks(path):
        bad = ~np.isfinite(values)
        flat[start : start + len(values)][bad] = values[bad]
        start += len(values)


def _check_nifti(path: Path) -> tuple[bool, bool]:
    with _open(path) as stream:
        head = stream.read(540)
        layout = _nifti_layout(head)
        if layout is None:
            return True, True  # no single-file NIfTI; the reader will judge
        if path.name.lower().endswith(".gz"):
            length = len(head) + sum(map(len, iter(lambda: stream.read(_BLOCK), b"")))
        else:
            length = path.stat().st_size
    if length < layout.offset + layout.voxels * layout.bits // 8:
        return False, True
    return True, layout.dtype is None or all(np.isfinite(values).all() for values in _float_blocks(path))


def _float_blocks(path: Path) -> Iterator[np.ndarray]:
    with _open(path) as stream:
        layout = _nifti_layout(stream.read(540))
        stream.seek(layout.offset)
        left = layout.voxels
        while left:
            count = min(left, _BLOCK // layout.dtype.itemsize)
            yield np.frombuffer(stream.read(count * layout.dtype.itemsize), layout.dtype)
            left -= count


def _open(path: Path):
    return gzip.open(path) if path.name.lower().endswith(".gz") else open(path, "rb")


def _nifti_layout(head: bytes) -> _Nifti | None:
    """From the first 540 bytes of a NIfTI-1 or NIfTI-2 file."""
    for order in "<>":

        def get(kind: str, start: int, order=order):
            return struct.unpack_from(order + kind, head, start)

        if len(head) >= 348 and get("i", 0) == (348,) and head[344:347] == b"n+1":
            dim, (code, bits), (offset,) = get("8h", 40), get("2h", 70), get("f", 108)
        elif len(head) >= 540 and get("i", 0) == (540,):
            dim, (code, bits), (offset,) = get("8q", 16), get("2h", 12), get("q", 168)
        else:
            continue
        voxels = 1
        for length in dim[1 : 1 + max(0, min(7, dim[0]))]:
            voxels *= max(length, 1)
        dtype = np.dtype(order + _FLOATS[code]) if code in _FLOATS else None
        return _Nifti(int(offset), voxels, bits, dtype)
    return None


def _check_nrrd(path: Path) -> bool:
    with open(path, "rb") as stream:
        header = b""
        for line in stream:
            if not line.strip():
                break
            header += line
        attached = not re.search(rb"^data ?file:", header, re.MULTILINE | re.IGNORECASE)
        packed = re.search(rb"^encoding:\s*(gz|gzip)\s*$", header, re.MULTILINE | re.IGNORECASE)
        return not (attached and packed) or _unpacks(stream)


def _check_meta(path: Path) -> bool:
    with open(path, "rb") as stream:
        head = stream.read(1 << 16)
        data = re.search(rb"^ElementDataFile\s*=[ \t]*(\S[^\r\n]*?)[ \t]*\r?(\n|$)", head, re.MULTILINE)
        if not data or not re.search(
            rb"^CompressedData\s*=\s*True", head[: data.start()], re.MULTILINE | re.IGNORECASE
        ):
            return True
        if data[1].upper() == b"LOCAL":
            stream.seek(data.end())
            return _unpacks(stream)
    voxels = path.parent / data[1].decode(errors="replace")
    if not voxels.is_file():
        return True  # a list or pattern of files; the reader will judge
    with open(voxels, "rb") as stream:
        return _unpacks(stream)


def _unpacks(stream) -> bool:
    """Whether a zlib or gzip stream is whole and its checksum right."""
    unpack = zlib.decompressobj(wbits=47)
    while not unpack.eof and (chunk := unpack.unconsumed_tail or stream.read(1 << 18)):
        unpack.decompress(chunk, _BLOCK)
    return unpack.eof
