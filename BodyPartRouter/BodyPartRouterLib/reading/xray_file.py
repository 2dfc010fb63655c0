"""A file that may hold an X-ray, opened once: its header elements, then its pixels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from LesionKitLib.io.dicom.file import DicomFile, TooMuchToInflate, begins_like_dicom, read_dicom_stream
from LesionKitLib.run.errors import UnusableInput

from .decoding import DAMAGED, decode_dicom, decode_picture
from .header_values import values_in
from .xray import Xray

UNFOLDS = "The compressed DICOM file unfolds to more than can be read safely."


class XrayFile:
    """An open DICOM, PNG or JPEG file, whose header is read when the file is opened; use it in a ``with`` statement.

    is_dicom: whether it begins like DICOM. Raises UnusableInput when there is no such file, it is empty or may not be
    read; a header that is damaged is told by ``xray`` alone.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._dicom: DicomFile | None = None
        self._problem: UnusableInput | None = None
        with _told():
            if not self.path.exists():
                raise UnusableInput("The input does not exist.")
            if not self.path.is_file():
                raise UnusableInput("The input is no file.")
            if not self.path.stat().st_size:
                raise UnusableInput("The input file is empty.")
            with ExitStack() as stack:
                self._stream = stack.enter_context(open(self.path, "rb"))
                self.is_dicom = begins_like_dicom(self._stream)
                if self.is_dicom:
                    self._read_header()
                self._stack = stack.pop_all()

    def __enter__(self) -> XrayFile:
        return self

    def __exit__(self, *_error) -> None:
        self._stack.close()

    def _read_header(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about values that break the standard; what matters is checked
                self._dicom = read_dicom_stream(self._stream, self.path)
        except TooMuchToInflate:
            self._problem = UnusableInput(UNFOLDS)
        except MemoryError:
            raise
        except Exception as error:  # pydicom raises many kinds on damaged files
            self._problem = UnusableInput(DAMAGED)
            self._problem.__cause__ = error

    def values(self, keywords: Iterable[str]) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        """These header elements as text, and the keywords of those that cannot be read; nothing for PNG and JPEG."""
        if not self.is_dicom:
            return {}, ()
        return values_in(self._dicom.data, keywords) if self._dicom else ({}, tuple(sorted(set(keywords))))

    def xray(self) -> Xray:
        """The first frame. Raises UnusableInput with one sentence, and MissingResource without a decoder."""
        if self._problem is not None:
            raise self._problem
        with _told():
            if self._dicom is not None:
                return decode_dicom(self._stream, self._dicom)
            self._stream.seek(0)
            return decode_picture(self._stream)


@contextmanager
def _told() -> Iterator[None]:
    """What the system refuses as UnusableInput."""
    try:
        yield
    except PermissionError as error:
        raise UnusableInput("The input cannot be opened: reading it is not permitted.") from error
    except MemoryError as error:
        raise UnusableInput("The image is too large for this machine's memory.") from error


def read_xray(path: str | os.PathLike) -> Xray:
    """The first frame of a DICOM, PNG or JPEG file. Raises UnusableInput with one sentence."""
    with XrayFile(path) as file:
        return file.xray()


def read_values(path: str | os.PathLike, keywords: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """These header elements of a DICOM file, less what cannot be read; {} for any other file."""
    with suppress(UnusableInput), XrayFile(path) as file:
        return file.values(keywords)[0]
    return {}
