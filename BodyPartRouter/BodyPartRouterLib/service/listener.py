"""The DICOM side: C-ECHO and C-STORE. An object is acknowledged when it is on the disk and in the journal."""

from __future__ import annotations

import functools
import socketserver
import threading
from typing import TYPE_CHECKING

from BodyPartRouterLib.routing.configuration.rules import Sender
from BodyPartRouterLib.routing.configuration.settings import ServiceSettings
from BodyPartRouterLib.routing.delivery.tls import server_context
from LesionKitLib.run.errors import UnusableInput

from .association_admission import AssociationAdmission
from .receiver import SUCCESS, Receiver

if TYPE_CHECKING:
    from .metrics import Metrics

LOOPBACK = ("127.0.0.1", "::1", "localhost")
NETWORK_TIMEOUT_S = 60.0
_STREAMS = ("JPIP", "SMPTE")  # transfer syntaxes that are no files


class Listener:
    """Raises UnusableInput when anybody in the network could send, or a certificate cannot be used."""

    def __init__(self, settings: ServiceSettings, receiver: Receiver, metrics: Metrics):
        refuse_open_doors(settings)
        self._settings, self._receiver, self._metrics = settings, receiver, metrics
        self._received: dict[int, int] = {}  # association's thread -> bytes of the object that is arriving
        self._entity = self._server = None
        tls = server_context(settings.tls, settings.base) if settings.tls else None
        titles = (settings.ae_title.strip(), *settings.more_ae_titles)
        self._door = AssociationAdmission(titles, self._is_full, tls, metrics.rejected)

    def start(self, port: int) -> int:
        """Listen; returns the port (a free one for 0). Raises UnusableInput when the port cannot be had."""
        from pynetdicom import AE, evt

        entity = self._entity = AE(self._settings.ae_title)
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
            self._server = entity.make_server(
                place, contexts=accepted(), evt_handlers=handlers, server_class=_server_class(self._door)
            )
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "no such address or port"
            raise UnusableInput(f"Cannot listen on {self._settings.address}, port {port}: {reason}.") from None
        threading.Thread(target=self._server.serve_forever, name="LesionKit listener", daemon=True).start()
        return self._server.socket.getsockname()[1]

    def stop(self) -> None:
        """Take no more associations and end those that are there; an object without answer is sent again."""
        if self._server is not None:
            self._server.shutdown()
            self._door.close()
            self._entity.shutdown()
            self._server = None

    def _is_full(self, address: str) -> bool:
        """Whether this address has as many associations as one may have."""
        links = [link for link in self._entity.active_associations if link.is_acceptor]
        count = sum(link.requestor.address == address for link in links)
        return count >= self._settings.max_associations_from_one

    def _count(self, event) -> None:
        """Drop what exceeds the limit while it arrives, so that it takes no memory; _store refuses the object then."""
        for item in getattr(event.pdu, "presentation_data_value_items", ()):
            data = item.presentation_data_value
            if data[0] & 1:  # command set
                self._received[id(event.assoc)] = 0
                continue
            size = self._received.get(id(event.assoc), 0) + len(data) - 1
            self._received[id(event.assoc)] = size
            if size > self._receiver.limit_bytes:
                item.presentation_data_value = data[:1]

    def _forget(self, event) -> None:
        self._received.pop(id(event.assoc), None)

    def _store(self, event) -> int:
        status = self._receiver.refuse_size(self._received.get(id(event.assoc), 0))
        if status is not None:
            return status
        request, link = event.request, event.assoc
        sender = Sender(
            link.requestor.ae_title.strip(), link.requestor.primitive.called_ae_title.strip(), link.requestor.address
        )
        return self._receiver.take(
            str(request.AffectedSOPClassUID),
            str(request.AffectedSOPInstanceUID),
            str(event.context.transfer_syntax),
            request.DataSet.getbuffer(),
            sender,
        )


def _server_class(door: AssociationAdmission):
    """pynetdicom's server behind our door: it sees a connection when its association request is here."""
    from pynetdicom.transport import ThreadedAssociationServer

    class Server(ThreadedAssociationServer):
        daemon_threads, block_on_close = True, False
        request_queue_size = 128

        def get_request(self):
            return self.socket.accept()

        def process_request_thread(self, request, client_address):
            ready = door.enter(request, client_address[0])
            if ready is not None:
                super().process_request_thread(ready, client_address)

        def shutdown(self):
            socketserver.BaseServer.shutdown(self)
            self.server_close()

    return Server


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


def refuse_open_doors(settings: ServiceSettings) -> None:
    """Raises UnusableInput for a service that anybody in the network could send to."""
    if settings.address not in LOOPBACK and not settings.allow:
        raise UnusableInput(
            f"To listen on {settings.address}, which is not this computer alone, list the calling AE titles that may "
            "send under 'allow' in the section 'service' of the rules file."
        )
