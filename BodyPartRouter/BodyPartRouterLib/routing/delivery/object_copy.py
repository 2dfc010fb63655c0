"""A copy of a DICOM object in another encoding, or with another header, for a destination that asks for it."""

from __future__ import annotations

from pathlib import Path

from BodyPartRouterLib.routing.child_process import ChildDied, ChildProcess
from BodyPartRouterLib.routing.dicom_object import EXPLICIT_BIG

from .header_change import CannotChange, change_header

PIXEL_DATA = b"\xe0\x7f\x10\x00O"  # tag (7FE0,0010) and the first letter of OB or OW


class CannotCopy(Exception):
    """The copy cannot be made; says why, without anything of the header."""


def write_copy(
    child: ChildProcess, source: Path, target: Path, syntax: str = "", change: str = "", secret: str = ""
) -> None:
    """In the child process, as decoders are at work. syntax: the copy's transfer syntax, "" for the same.

    change: of its header, with this secret (see header_change), "" for none.

    Raises CannotCopy.
    """
    try:
        request = {"source": str(source), "target": str(target), "syntax": syntax, "change": change, "secret": secret}
        answer, _data = child.ask("copy", **request)
    except ChildDied as death:
        raise CannotCopy("decoding it took too long" if death.slow else "decoding it stopped the program") from None
    if answer["error"]:
        raise CannotCopy(answer["error"])


def answer_copy(request: dict) -> tuple[dict, bytes]:
    """In the child."""
    try:
        _write(**request)
    except (CannotCopy, CannotChange) as error:
        return {"error": str(error)}, b""
    except ModuleNotFoundError as error:
        return {"error": f"the Python package '{error.name}' is missing"}, b""
    except Exception as error:  # pydicom and its decoders raise many kinds; their text may quote the header
        return {"error": f"it cannot be encoded ({type(error).__name__})"}, b""
    return {"error": ""}, b""


def _write(source: str, target: str, syntax: str, change: str, secret: str) -> None:
    from pydicom import dcmread

    from LesionKitLib.io.dicom.file import refuse_large_inflated

    with open(source, "rb") as stream:
        refuse_large_inflated(stream)
        stream.seek(0)
        data = dcmread(stream)
    if "PixelData" not in data and PIXEL_DATA in Path(source).read_bytes():
        raise CannotCopy("its pixel data have no end")  # without a last delimiter pydicom reads none
    if change:
        change_header(data, change, secret.encode())
    if syntax:
        _change_syntax(data, syntax)
    data.save_as(target, enforce_file_format=True)


def _change_syntax(data, syntax: str) -> None:
    """To Explicit or Implicit VR Little Endian, decompressed if need be; the object stays the same instance."""
    from pydicom.uid import UID

    before = data.file_meta.TransferSyntaxUID
    if before == EXPLICIT_BIG:
        raise CannotCopy("its byte order is Big Endian")
    if before.is_encapsulated:
        data.decompress(generate_instance_uid=False)
    data.file_meta.TransferSyntaxUID = UID(syntax)
