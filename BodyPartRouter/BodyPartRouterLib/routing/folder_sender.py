"""Deliveries to folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from .folder_files import put_file
from .journal import DeliveryTask
from .naming import file_name
from .retry_policy import DONE, LATER, REFUSED, DeliveryResult


def send_to_folders(tasks: Sequence[DeliveryTask]) -> Iterable[DeliveryResult]:
    """Each file into the folder that its delivery names; the note is where it lies then."""
    for task in tasks:
        yield _send(task)


def _send(task: DeliveryTask) -> DeliveryResult:
    image = task.image
    try:
        name = file_name(image.path, image.uid, image.digest)
        target = put_file(image.path, Path(task.delivery.target), name, image.digest)
        return DeliveryResult(DONE, str(target))
    except FileNotFoundError:
        gone = not image.path.exists()
        return DeliveryResult(REFUSED if gone else LATER, "the file is gone" if gone else "the folder is gone")
    except OSError as error:
        return DeliveryResult(LATER, error.strerror or str(error))
