"""The service's folder: what has arrived lies in it, written whole, until every delivery is made."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path

from BodyPartRouterLib.reading.xray_file import read_values
from BodyPartRouterLib.routing.configuration.rules import Sender
from BodyPartRouterLib.routing.folder_files import remove_parts, write_new
from BodyPartRouterLib.routing.journal.journal import DELIVERED, HELD, Image, Journal
from LesionKitLib.io.digest import file_digest
from LesionKitLib.run.errors import UnusableInput

from .service_folders import INBOX, JOURNAL

MEGABYTE = 1_000_000


class Inbox:
    """folder/inbox holds the images, folder/journal.sqlite the journal. One process at a time.

    Raises UnusableInput when the folder cannot be used, or another service uses it.
    """

    def __init__(self, folder: Path, min_free_mb: float = 0.0):
        self.folder, self._min_free_mb = folder, min_free_mb
        self.images = folder / INBOX
        self._writing = [threading.Lock() for _ in range(16)]  # by the first digit of an image's id
        try:
            self.images.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnusableInput(f"The folder '{folder}' cannot be used: {error.strerror}.") from None
        self._lock = _lock(folder / "lock.sqlite")
        self.journal = Journal(folder / JOURNAL)

    def close(self) -> None:
        self.journal.close()
        self._lock.close()

    def recover(self) -> int:
        """After a start: put in order what a crash has left; how many images had not been written down.

        An image whose writing was not finished was never acknowledged: its sender sends it again.
        """
        remove_parts(self.images)
        self.journal.make_all_due()
        self.journal.forget_outages()
        self.journal.finish_complete()
        self.journal.retry_failed()
        for image in self.journal.delivered():
            with suppress(OSError):
                image.path.unlink(missing_ok=True)
        return sum(self._take_up(path) for path in sorted(self.images.glob("*.dcm")))

    def _take_up(self, path: Path) -> bool:
        if self.journal.state(path.stem) is not None:
            return False
        if file_digest(path) != path.stem:
            return False  # not one of ours
        uid = "".join(read_values(path, ["SOPInstanceUID"]).get("SOPInstanceUID", ())[:1])
        return self.journal.add(Image(path.stem, uid, path.stem, path, path.stat().st_mtime))

    def has_room(self, size: int) -> bool:
        """Whether the disk keeps its reserve with so many bytes more."""
        return shutil.disk_usage(self.images).free - size >= self._min_free_mb * MEGABYTE

    def store(self, uid: str, sender: Sender, *blocks: bytes | memoryview) -> tuple[Image, bool]:
        """Keep an image, on the disk and in the journal when this returns. (image, whether it is new).

        The same bytes sent again are the same image, wherever it is on its way. Raises OSError or sqlite3.Error.
        """
        digest = hashlib.sha256()
        for block in blocks:
            digest.update(block)
        name = digest.hexdigest()
        image = Image(name, uid, name, self.images / f"{name}.dcm", time.time(), sender=sender)
        with self._writing[int(name[0], 16)]:  # the same object over two associations is one
            return image, self._store_new(image, *blocks)

    def _store_new(self, image: Image, *blocks: bytes | memoryview) -> bool:
        if self.journal.state(image.id) is not None:
            return False
        write_new(image.path, *blocks)
        if self.journal.add(image):
            return True
        if self.journal.state(image.id) in (DELIVERED, HELD):  # another process has taken it up and delivered it
            image.path.unlink(missing_ok=True)
        return False


def _lock(path: Path) -> sqlite3.Connection:
    """Held until the process ends, however it ends."""
    base = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
    try:
        base.execute("PRAGMA locking_mode = EXCLUSIVE")
        base.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        base.close()
        raise UnusableInput(f"Another service is using the folder '{path.parent}'.") from None
    return base
