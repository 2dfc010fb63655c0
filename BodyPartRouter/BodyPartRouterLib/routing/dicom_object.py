"""What a DICOM file is, for those who pass it on: class, UID, transfer syntax, and where its data set begins."""

from __future__ import annotations

import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from LesionKitLib.io.dicom.file import DEFLATED, read_dicom_stream, read_meta

MAGIC_AT = 128
INSTANCE_TAG = 0x00080018  # of SOPInstanceUID
IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG = (f"1.2.840.10008.1.2{tail}" for tail in ("", ".1", ".2"))
UNCOMPRESSED = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})


class NoDicomObject(ValueError):
    """The file cannot be passed on as a DICOM object."""


@dataclass(frozen=True)
class DicomObject:
    """offset: of the data set's first byte. is_file: it has file meta information (PS3.10) that says the same."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    offset: int
    size: int
    is_file: bool

    @property
    def is_compressed(self) -> bool:
        """Whether its pixels are encapsulated, so that other encodings need a decoder."""
        return self.transfer_syntax not in UNCOMPRESSED


def read_object(path: str | os.PathLike) -> DicomObject:
    """The data set's own class and UID count, those of the file meta information where it has none that can be read.

    Files without preamble or meta information are taken as Implicit or Explicit VR Little Endian. Raises NoDicomObject.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            meta, offset = read_meta(stream)
            syntax = str(meta.get("TransferSyntaxUID", "")) or _syntax_without_meta(stream, offset)
            own = _own_identity(stream, path)
    except OSError as error:
        raise NoDicomObject(f"the file cannot be read ({error.strerror})") from None
    except Exception:  # pydicom raises many kinds
        raise NoDicomObject("the file is no DICOM object") from None
    said = [str(meta.get(name, "")) for name in ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID")]
    found = [one or other for one, other in zip(own, said, strict=True)]
    if not all(found):
        raise NoDicomObject("the file is no DICOM object, or names no SOP class or instance")
    return DicomObject(path, *found, syntax, offset, size, said == found and "TransferSyntaxUID" in meta)


def split_file(data: bytes) -> tuple[str, str, str, int]:
    """(SOP class, SOP instance, transfer syntax, offset of the data set) that a file's meta information says.

    Raises NoDicomObject for what is no whole file of PS3.10.
    """
    try:
        meta, offset = read_meta(io.BytesIO(data))
        names = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
        found = [_uid(meta.get(name)) for name in names]
    except Exception:  # pydicom raises many kinds
        found = []
    if len(found) != 3 or not all(found) or data[MAGIC_AT : MAGIC_AT + 4] != b"DICM":
        raise NoDicomObject("the file is no DICOM object")
    return (*found, offset)


def identity_in(data: bytes, transfer_syntax: str) -> tuple[str, str]:
    """SOP class and instance UID in the bytes of a data set (or its beginning), "" for what cannot be read."""
    from pydicom.filereader import read_dataset

    try:
        if transfer_syntax == DEFLATED:  # only so far: a short text may unfold without end
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, 1 << 20)
        is_implicit, is_little = transfer_syntax == IMPLICIT_LITTLE, transfer_syntax != EXPLICIT_BIG
        stream = io.BytesIO(data)
        found = read_dataset(stream, is_implicit, is_little, stop_when=lambda tag, vr, length: tag > INSTANCE_TAG)
        return tuple(_uid(found.get(name)) for name in ("SOPClassUID", "SOPInstanceUID"))
    except Exception:  # pydicom raises many kinds
        return "", ""


def file_head(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Preamble and file meta information (PS3.10) before a data set; the same for the same object."""
    from pydicom.filewriter import write_file_meta_info
    from pynetdicom.dsutils import create_file_meta

    head = io.BytesIO()
    head.write(b"\0" * MAGIC_AT + b"DICM")
    meta = create_file_meta(sop_class_uid=sop_class, sop_instance_uid=sop_instance, transfer_syntax=transfer_syntax)
    write_file_meta_info(head, meta)
    return head.getvalue()


def write_as_file(found: DicomObject, target: Path) -> None:
    """The data set's own bytes under file meta information that is true, padded to even length (PS3.5 8.1.1)."""
    import shutil

    with open(found.path, "rb") as stream, open(target, "wb") as out:
        out.write(file_head(found.sop_class, found.sop_instance, found.transfer_syntax))
        stream.seek(found.offset)
        shutil.copyfileobj(stream, out, 1 << 20)
        if (found.size - found.offset) % 2:
            out.write(b"\0")


def _own_identity(stream: BinaryIO, path: Path) -> tuple[str, str]:
    """SOP class and instance UID in the data set of a file, "" for what cannot be read."""
    try:
        data = read_dicom_stream(stream, path, ["SOPClassUID", "SOPInstanceUID"]).data
        return tuple(_uid(data.get(name)) for name in ("SOPClassUID", "SOPInstanceUID"))
    except Exception:  # pydicom raises many kinds
        return "", ""


def _syntax_without_meta(stream: BinaryIO, offset: int) -> str:
    """Explicit if letters stand where a value representation would (PS3.5 7.1.2)."""
    stream.seek(offset + 4)
    letters = stream.read(2)
    return EXPLICIT_LITTLE if letters.isalpha() and letters.isupper() else IMPLICIT_LITTLE


def _uid(value) -> str:
    return str(value or "").strip("\0 ")
