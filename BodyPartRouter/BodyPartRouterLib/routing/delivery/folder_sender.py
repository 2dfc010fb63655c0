"""Deliveries to folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from BodyPartRouterLib.routing.dicom_object import read_object
from BodyPartRouterLib.routing.folder_files import put_file
from BodyPartRouterLib.routing.journal.journal import DeliveryTask
from BodyPartRouterLib.routing.naming import file_name
from LesionKitLib.io.digest import file_digest

from .file_to_send import FileToSend
from .object_copy import CannotCopy
from .retry_policy import DONE, IMPOSSIBLE, LATER, REFUSED, DeliveryResult


class FolderSender:
    """Each file into the folder that its delivery names; the note is where it lies then."""

    def __init__(self, secret_path: Path):
        self._secret_path = secret_path

    def __call__(self, tasks: Sequence[DeliveryTask]) -> Iterable[DeliveryResult]:
        with FileToSend(self._secret_path) as outgoing:
            for task in tasks:
                yield _send(task, outgoing)


def _send(task: DeliveryTask, outgoing: FileToSend) -> DeliveryResult:
    image = task.image
    try:
        path, uid, digest = outgoing.file_of(task), image.uid, image.digest
        if task.delivery.change:
            uid, digest = read_object(path).sop_instance, file_digest(path)
        target = put_file(path, Path(task.delivery.target), file_name(path, uid, digest), digest)
        return DeliveryResult(DONE, str(target))
    except CannotCopy as error:
        return DeliveryResult(IMPOSSIBLE, f"its header cannot be changed: {error}")
    except FileNotFoundError:
        gone = not image.path.exists()
        return DeliveryResult(REFUSED if gone else LATER, "the file is gone" if gone else "the folder is gone")
    except OSError as error:
        return DeliveryResult(LATER, error.strerror or str(error))
