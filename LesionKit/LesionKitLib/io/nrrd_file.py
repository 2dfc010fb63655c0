"""NRRD files as header and voxels, attached or detached, in every encoding of the format.

The header is parsed by pynrrd. The voxels are taken here: pynrrd knows neither hex nor lists of data files, reads raw
voxels with bytes behind them as an error, and does not tell a missing data file from a damaged one; teem, within ITK,
is built without bzip2. Format: http://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np

from LesionKitLib.run.errors import UnusableInput

from .unpacking import Truncated, content_of, mapped, unpacked

INCOMPLETE = "The image file is damaged or cut short (truncated); copy it again."
_ENCODINGS = {"raw": "raw", "gz": "packed", "gzip": "packed", "bz2": "packed", "bzip2": "packed", "hex": "hex"}
_ENCODINGS |= dict.fromkeys(("txt", "text", "ascii"), "text")
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}


@dataclass(frozen=True)
class NrrdFile:
    """header: as pynrrd parses it. array: the voxels, the file's fastest axis last, perhaps a map of the disk.

    files: the header's file and the data files.
    """

    header: dict
    array: np.ndarray
    files: tuple[Path, ...]


def read_nrrd_file(path: Path) -> NrrdFile:
    """Raises UnusableInput that names the cause, OSError."""
    try:
        content = content_of(path)
    except Truncated as error:
        raise UnusableInput(INCOMPLETE) from error
    header, data_names, start = _header(content)
    dtype, sizes = _type(header), tuple(int(n) for n in header["sizes"])
    files = [_existing(path, name) for name in data_names]
    # in detached files the header's encoding says how the bytes are packed
    parts = [memoryview(mapped(file)) for file in files] or [memoryview(content)[start:]]
    encoding = _ENCODINGS.get(str(header.get("encoding", "")).lower())
    if encoding is None:
        raise UnusableInput(f"The NRRD file's encoding {ascii(header.get('encoding'))} is not known.")
    try:
        array = _decoded(parts, encoding, dtype, sizes, header)
    except (Truncated, ValueError, TypeError) as error:  # too few bytes, no number where one should be
        raise UnusableInput(INCOMPLETE) from error
    return NrrdFile(header, array, (path, *files))


def _header(content) -> tuple[dict, list[str], int]:
    """pynrrd's header, the names of detached data files, and where attached voxels begin."""
    import nrrd

    lines, start = [], 0
    stream = io.BytesIO(content) if isinstance(content, (bytes, bytearray)) else content
    for raw in iter(stream.readline, b""):
        start += len(raw)
        line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
        if not line.strip():
            break
        lines.append(line)
    end = next((n + 1 for n, line in enumerate(lines) if _is_list(line)), len(lines))
    try:
        header = nrrd.read_header(lines[:end])
        if any(field not in header for field in ("type", "dimension", "sizes", "encoding")):
            raise ValueError("a required field is missing")
        if len(header["sizes"]) != header["dimension"] or min(header["sizes"]) < 1:
            raise ValueError("sizes and dimension differ")
    except Exception as error:  # pynrrd raises many kinds on headers that are none
        raise UnusableInput("The header of the NRRD file is invalid or incomplete, so it cannot be read.") from error
    field = header.get("data file", header.get("datafile"))
    if field is None:
        return header, [], start
    return header, lines[end:] if _is_list(lines[end - 1]) else _names(str(field)), start


def _is_list(line: str) -> bool:
    return line.lower().replace(" ", "").startswith("datafile:list")


def _names(field: str) -> list[str]:
    """The file, or the files of a pattern: name%03d.raw FIRST LAST STEP [axis]."""
    words = field.split()
    if "%" not in field or len(words) < 4:
        return [field]
    pattern = words[0]
    try:
        first, last, step = (int(word) for word in words[1:4])
        return [pattern % number for number in range(first, last + (1 if step > 0 else -1), step)]
    except (ValueError, TypeError):
        return [field]


def _existing(path: Path, name: str) -> Path:
    file = path.parent / name.strip()
    if not file.is_file():
        raise UnusableInput(
            f"The data file {PureWindowsPath(name.strip()).name} that the NRRD header names is missing; copy it, too."
        )
    return file


def _type(header: dict) -> np.dtype:
    kind = str(header["type"]).strip().lower()
    code = next((code for code, names in _TYPES.items() if kind in names), None)
    if code is None:
        raise UnusableInput(f"The NRRD file's voxels are of the type {ascii(kind)}, which is not read.")
    order = {"little": "<", "big": ">"}.get(str(header.get("endian", "")).lower())
    if order is None and np.dtype(code).itemsize > 1 and _ENCODINGS.get(str(header["encoding"]).lower()) != "text":
        raise UnusableInput("The NRRD file does not say the order of its bytes (endian); export it again.")
    return np.dtype((order or "<") + code)


def _decoded(
    parts: list[memoryview], encoding: str, dtype: np.dtype, sizes: tuple[int, ...], header: dict
) -> np.ndarray:
    """The voxels of all data files behind each other. Raises Truncated, ValueError and TypeError."""
    lines = int(header.get("line skip", header.get("lineskip", 0)))
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    shape = sizes[::-1]
    needed = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    parts = [_without_lines(part, lines) for part in parts]
    if encoding == "text":
        numbers = np.array(b" ".join(bytes(part) for part in parts).replace(b",", b" ").split(), np.float64)
        return numbers[: int(np.prod(shape))].astype(dtype.newbyteorder("=")).reshape(shape)
    if encoding == "hex":
        parts = [memoryview(bytes.fromhex(bytes(part).decode("ascii", "replace"))) for part in parts]
    elif encoding == "packed":
        parts = [memoryview(unpacked(io.BytesIO(part))) for part in parts]
    parts = [part[len(part) - needed // len(parts) :] if skip == -1 else part[skip:] for part in parts]
    joined = parts[0] if len(parts) == 1 else b"".join(parts)
    return np.ndarray(shape, dtype, joined)


def _without_lines(part: memoryview, count: int) -> memoryview:
    for _ in range(count):
        end = bytes(part[: 1 << 16]).find(b"\n")
        if end < 0:
            raise Truncated
        part = part[end + 1 :]
    return part
