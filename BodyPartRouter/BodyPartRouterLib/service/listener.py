"""The DICOM side: C-ECHO and C-STORE. An object is acknowledged when it is on the disk and in the journal.

Refusals (PS3.4 table B.2-1): A700 out of resources for a full disk or an object that is too large. Nothing that names a
patient is logged.
"""

from __future__ import annotations

import functools
import io
import logging
import sqlite3
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from BodyPartRouterLib.routing.settings import ServiceSettings
from LesionKitLib.run.errors import UnusableInput

from .inbox import MEGABYTE, Inbox

if TYPE_CHECKING:
    from .metrics import Metrics

SUCCESS, OUT_OF_RESOURCES, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
LOOPBACK = ("127.0.0.1", "::1", "localhost")
NETWORK_TIMEOUT_S = 60.0
_STREAMS = ("JPIP", "SMPTE")  # transfer syntaxes that are no files
log = logging.getLogger(__name__)


class Listener:
    """on_stored(): called after each new object, on the association's thread."""

    def __init__(self, settings: ServiceSettings, inbox: Inbox, metrics: Metrics, on_stored: Callable[[], None]):
        refuse_open_doors(settings)
        self._settings, self._inbox, self._metrics, self._on_stored = settings, inbox, metrics, on_stored
        self._limit = int(settings.max_object_mb * MEGABYTE)
        self._received: dict[int, int] = {}  # association's thread -> bytes of the object that is arriving
        self._lock = threading.Lock()
        self._server = None

    def start(self, port: int) -> int:
        """Listen; returns the port (a free one for 0). Raises UnusableInput when the port cannot be had."""
        from pynetdicom import AE, evt

        entity = AE(self._settings.ae_title)
        entity.maximum_associations = self._settings.max_associations
        entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = NETWORK_TIMEOUT_S
        entity.require_calling_aet = list(self._settings.allow)
        handlers = [
            (evt.EVT_C_ECHO, lambda event: SUCCESS),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_PDU_RECV, self._count),
            (evt.EVT_REJECTED, lambda event: self._metrics.rejected("association")),
            (evt.EVT_CONN_CLOSE, self._forget),
        ]
        try:
            place = (self._settings.address, port)
            self._server = entity.start_server(place, block=False, evt_handlers=handlers, contexts=accepted())
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "no such address or port"
            raise UnusableInput(f"Cannot listen on {self._settings.address}, port {port}: {reason}.") from None
        return self._server.socket.getsockname()[1]

    def stop(self) -> None:
        """Take no more associations and end those that are there; an object without answer is sent again."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def _count(self, event) -> None:
        """Drop what exceeds the limit while it arrives, so that it takes no memory; _store refuses the object then."""
        for item in getattr(event.pdu, "presentation_data_value_items", ()):
            data = item.presentation_data_value
            if data[0] & 1:  # command set
                self._received[id(event.assoc)] = 0
                continue
            size = self._received.get(id(event.assoc), 0) + len(data) - 1
            self._received[id(event.assoc)] = size
            if size > self._limit:
                item.presentation_data_value = data[:1]

    def _forget(self, event) -> None:
        self._received.pop(id(event.assoc), None)

    def _store(self, event) -> int:
        size = self._received.get(id(event.assoc), 0)
        try:
            if size > self._limit:
                return self._refuse("too large")
            if not self._inbox.has_room(size):
                return self._refuse("disk full")
            request = event.request
            head = file_head(request.AffectedSOPClassUID, request.AffectedSOPInstanceUID, event.context.transfer_syntax)
            with self._lock:  # the same object over two associations is one
                image, is_new = self._inbox.store(
                    str(request.AffectedSOPInstanceUID), head, request.DataSet.getbuffer()
                )
        except (OSError, sqlite3.Error) as error:
            return self._refuse(f"not written ({type(error).__name__})")
        except Exception as error:  # whatever a peer's nonsense may raise; its text may quote the header
            log.warning("An object was not understood: %s", type(error).__name__)
            self._metrics.rejected("not understood")
            return NOT_UNDERSTOOD
        self._metrics.received(is_new)
        log.info("%s: %s, %d bytes", image.id[:12], "received" if is_new else "received before", size)
        if is_new:
            self._on_stored()
        return SUCCESS

    def _refuse(self, why: str) -> int:
        log.warning("An object was refused: %s", why)
        self._metrics.rejected(why.split(" (")[0])
        return OUT_OF_RESOURCES


@functools.lru_cache
def accepted() -> list:
    """Presentation contexts: C-ECHO, and every kind of stored object in every encoding of still images."""
    from pydicom import uid
    from pynetdicom import AllStoragePresentationContexts, build_context
    from pynetdicom.sop_class import Verification

    streams = {*uid.MPEGTransferSyntaxes, *uid.PrivateTransferSyntaxes}
    syntaxes = [one for one in uid.AllTransferSyntaxes if one not in streams and not one.name.startswith(_STREAMS)]
    kinds = [context.abstract_syntax for context in AllStoragePresentationContexts]
    return [build_context(Verification), *(build_context(kind, syntaxes) for kind in kinds)]


def file_head(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Preamble and file meta information (PS3.10) before a data set; the same for the same object."""
    from pydicom.filewriter import write_file_meta_info
    from pynetdicom.dsutils import create_file_meta

    head = io.BytesIO()
    head.write(b"\0" * 128 + b"DICM")
    meta = create_file_meta(sop_class_uid=sop_class, sop_instance_uid=sop_instance, transfer_syntax=transfer_syntax)
    write_file_meta_info(head, meta)
    return head.getvalue()


def refuse_open_doors(settings: ServiceSettings) -> None:
    """Raises UnusableInput for a service that anybody in the network could send to."""
    if settings.address not in LOOPBACK and not settings.allow:
        raise UnusableInput(
            f"To listen on {settings.address}, which is not this computer alone, list the calling AE titles that may "
            "send under 'allow' in the section 'service' of the rules file."
        )
