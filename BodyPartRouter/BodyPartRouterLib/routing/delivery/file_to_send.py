"""The file that leaves for a delivery: the image's own, or a copy with another header."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from BodyPartRouterLib.routing.child_process import ChildProcess
from BodyPartRouterLib.routing.dicom_object import NoDicomObject, read_object, write_as_file
from BodyPartRouterLib.routing.journal.journal import DeliveryTask

from .object_copy import CannotCopy, write_copy


class FileToSend:
    """For the time of one batch: a folder for copies, and the child process that makes them."""

    def __init__(self, secret_path: Path):
        self._secret_path = secret_path

    def __enter__(self) -> FileToSend:
        self._temporary = tempfile.TemporaryDirectory(prefix="lesionkit-")
        self.folder, self.child = Path(self._temporary.name), ChildProcess()
        return self

    def __exit__(self, *_error) -> None:
        self.child.close()
        self._temporary.cleanup()

    def file_of(self, task: DeliveryTask) -> Path:
        """Raises CannotCopy. A copy is overwritten by that of the next task with the same step and image only."""
        if not task.delivery.change:
            return task.image.path
        source, target = self.folder / "source.dcm", self.folder / f"changed-{task.image.id}-{task.step}.dcm"
        try:
            write_as_file(read_object(task.image.path), source)
        except NoDicomObject as error:
            raise CannotCopy(str(error)) from None
        write_copy(self.child, source, target, change=task.delivery.change, secret=read_secret(self._secret_path))
        return target


def read_secret(path: Path) -> str:
    """The secret of this installation, made at its first use; only its owner may read it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_hex(32))
    return path.read_text()
