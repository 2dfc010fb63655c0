"""What the service's HTTP servers share: they take a port, wrap it in TLS where asked for, and end with the service."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from pathlib import Path

from BodyPartRouterLib.routing.delivery.tls import server_context
from LesionKitLib.run.errors import UnusableInput


class HttpEndpoint(ABC):
    """what: the subject of the sentence that says that the port cannot be had. A subclass has _listen(port)."""

    what = ""

    def __init__(self):
        self._server = None

    @abstractmethod
    def _listen(self, port: int):
        """A server that serves on a thread of its own. Raises OSError when the port cannot be had."""

    def start(self, port: int | None) -> int | None:
        """Serve; returns the port. Raises UnusableInput when it cannot be had."""
        if port is None:
            return None
        try:
            self._server = self._listen(port)
        except OSError as error:
            raise UnusableInput(f"{self.what} cannot be served on port {port}: {error.strerror}.") from None
        return self._server.server_port

    def stop(self) -> None:
        """Let go of the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def serve_on_thread(server: ThreadingHTTPServer, name: str, tls: Mapping | None, base: Path) -> ThreadingHTTPServer:
    """The server, running. tls, base: see routing.tls.server_context; None: plain HTTP."""
    if tls:
        # the handshake is left to the thread of the connection: a silent client must not hold up the others
        server.socket = server_context(tls, base).wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(target=server.serve_forever, name=name, daemon=True).start()
    return server
