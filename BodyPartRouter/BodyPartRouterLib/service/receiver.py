"""Taking in an object, through whichever door it came: checked, written whole, and only then acknowledged.

Refusals (PS3.4 table B.2-1): A700 out of resources for a full disk or an object that is too large, A900 for a data set
that is another object than its envelope says. Nothing that names a patient is logged.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from BodyPartRouterLib.routing.configuration.rules import Sender
from BodyPartRouterLib.routing.dicom_object import file_head, identity_in

from .inbox import Inbox

if TYPE_CHECKING:
    from .metrics import Metrics

SUCCESS, OUT_OF_RESOURCES, OTHER_OBJECT, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000
log = logging.getLogger(__name__)


class Receiver:
    """on_stored(): called after each new object, on the thread of the door."""

    def __init__(self, inbox: Inbox, metrics: Metrics, limit_bytes: int, on_stored: Callable[[], None]):
        self._inbox, self._metrics, self._on_stored = inbox, metrics, on_stored
        self.limit_bytes = limit_bytes

    def refuse_size(self, size: int) -> int | None:
        """The status for an object of so many bytes that cannot be taken, None for one that can. Raises OSError."""
        if size > self.limit_bytes:
            return self._refuse("too large")
        return None if self._inbox.has_room(size) else self._refuse("disk full")

    def take(
        self,
        sop_class: str,
        uid: str,
        syntax: str,
        data: bytes | memoryview,
        sender: Sender,
        head: bytes | None = None,
    ) -> int:
        """Keep an object and return its status; with SUCCESS it is on the disk and in the journal.

        sop_class, uid: what the envelope says; data: the data set alone; head: what comes before it in the file, made
        from the envelope when there is none.
        """
        try:
            status = self.refuse_size(len(data))
            if status is not None:
                return status
            head = head or file_head(sop_class, uid, syntax)
            own = identity_in(bytes(data[: 1 << 20]), syntax)
            if any(found and found != said for found, said in zip(own, (sop_class, uid), strict=True)):
                return self._refuse("another object than was said", OTHER_OBJECT)
            image, is_new = self._inbox.store(uid, sender, head, data)
        except (OSError, sqlite3.Error) as error:
            return self._refuse(f"not written ({type(error).__name__})")
        except Exception as error:  # whatever a peer's nonsense may raise; its text may quote the header
            return self._refuse(f"not understood ({type(error).__name__})", NOT_UNDERSTOOD)
        self._metrics.received(is_new)
        log.info("%s: %s, %d bytes", image.id[:12], "received" if is_new else "received before", len(data))
        if is_new:
            self._on_stored()
        return SUCCESS

    def _refuse(self, why: str, status: int = OUT_OF_RESOURCES) -> int:
        log.warning("An object was refused: %s", why)
        self._metrics.rejected(why.split(" (")[0])
        return status
