"""The DICOMweb side: STOW-RS (PS3.18 10.5) beside C-STORE. What the answer names as stored is on the disk.

A request's objects are taken one by one while they arrive. An address has its limit of connections, and a request its
time, so that silent and trickling ones do not shut others out.
"""

from __future__ import annotations

import hmac
import json
import os
import threading
import time
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from BodyPartRouterLib.routing.configuration.rules import Sender
from BodyPartRouterLib.routing.configuration.settings import ServiceSettings
from BodyPartRouterLib.routing.dicom_object import NoDicomObject, split_file
from LesionKitLib.run.errors import UnusableInput

from .http_endpoint import HttpEndpoint, serve_on_thread
from .listener import LOOPBACK
from .multipart import BLOCK, boundary_of, read_parts
from .receiver import NOT_UNDERSTOOD, OUT_OF_RESOURCES, SUCCESS, Receiver

TIMEOUT_S = 30.0  # without a byte
REQUEST_S = 900.0  # for a whole request
JSON = "application/dicom+json"
_CLASS, _INSTANCE, _REASON = "00081150", "00081155", "00081197"


class StowListener(HttpEndpoint):
    """Raises UnusableInput when anybody in the network could send, or the port cannot be had."""

    what = "DICOMweb"

    def __init__(self, settings: ServiceSettings, receiver: Receiver):
        super().__init__()
        self.settings, self.receiver = settings, receiver
        variable = settings.stow_token_variable
        self._token = os.environ.get(variable, "") if variable else None
        if settings.stow_port is not None:
            self._refuse_open_doors()

    def _listen(self, port: int) -> ThreadingHTTPServer:
        return serve_on_thread(_server(self, port), "LesionKit STOW", self.settings.tls, self.settings.base)

    def lets_in(self, authorization: str) -> bool:
        """Whether this header holds the token, or none is asked for."""
        scheme, _, given = authorization.partition(" ")
        return self._token is None or (scheme == "Bearer" and hmac.compare_digest(self._token.encode(), given.encode()))

    def take(self, data: bytes | None, address: str) -> tuple[str, str, int]:
        """(SOP class, SOP instance, status as of a C-STORE) of one part; None is one that was too large."""
        if data is None:
            return "", "", OUT_OF_RESOURCES
        try:
            sop_class, uid, syntax, offset = split_file(data)
        except NoDicomObject:
            return "", "", NOT_UNDERSTOOD
        sender = Sender(address=address)
        return sop_class, uid, self.receiver.take(sop_class, uid, syntax, data[offset:], sender, head=data[:offset])

    def _refuse_open_doors(self) -> None:
        settings = self.settings
        if settings.stow_token_variable and not self._token:
            raise UnusableInput(f"The environment variable {settings.stow_token_variable} holds no token.")
        knows_clients = bool(settings.tls and "clients" in settings.tls)
        if settings.address not in LOOPBACK and not self._token and not knows_clients:
            raise UnusableInput(
                f"DICOMweb at {settings.address}, which is not this computer alone, needs 'stow_token_variable', or "
                "'tls' with 'clients', in the section 'service' of the rules file."
            )


def _server(listener: StowListener, port: int) -> ThreadingHTTPServer:
    class Handler(_Handler):
        pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128
        links: Counter[str] = Counter()
        lock = threading.Lock()

        def process_request(self, request, client_address):
            with self.lock:
                self.links[client_address[0]] += 1
                is_full = self.links[client_address[0]] > listener.settings.max_associations_from_one
            if is_full:
                self.shutdown_request(request, client_address)
            else:
                super().process_request(request, client_address)

        def process_request_thread(self, request, client_address):
            try:
                self.finish_request(request, client_address)
            except Exception:  # a connection that broke off, or a handshake that failed
                pass
            finally:
                self.shutdown_request(request, client_address)

        def shutdown_request(self, request, client_address=None):
            super().shutdown_request(request)
            if client_address is not None:
                with self.lock:
                    self.links[client_address[0]] -= 1
                    self.links += Counter()  # drops zeros

    Handler.listener = listener
    return Server((listener.settings.address, port), Handler)


class _Handler(BaseHTTPRequestHandler):
    """POST to .../studies or .../studies/UID."""

    listener: StowListener
    timeout = TIMEOUT_S
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.close_connection = True  # what is left of a refused body must not be taken for a request
        boundary = boundary_of(self.headers.get("Content-Type", ""))
        if not self.listener.lets_in(self.headers.get("Authorization", "")):
            self._say(HTTPStatus.UNAUTHORIZED)
        elif not self._is_place():
            self._say(HTTPStatus.NOT_FOUND)
        elif boundary is None:
            self._say(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        else:
            self._take(boundary)

    def log_message(self, *_arguments):
        """Silent: addresses may name studies."""

    def _is_place(self) -> bool:
        parts = self.path.partition("?")[0].strip("/").split("/")
        return parts[-1] == "studies" or parts[-2:-1] == ["studies"]

    def _take(self, boundary: bytes) -> None:
        try:
            parts = read_parts(_body_reader(self), boundary, self.listener.receiver.limit_bytes)
            found = [self.listener.take(part, self.client_address[0]) for part in parts]
        except (ValueError, TimeoutError):
            self._say(HTTPStatus.BAD_REQUEST)
            return
        stored = [one for one in found if one[2] == SUCCESS]
        status = HTTPStatus.OK if len(stored) == len(found) else HTTPStatus.ACCEPTED if stored else HTTPStatus.CONFLICT
        self._say(status if found else HTTPStatus.BAD_REQUEST, _document(found))

    def _say(self, status: HTTPStatus, document: dict | None = None) -> None:
        body = json.dumps(document or {}).encode()
        self.send_response(status)
        for name, value in (("Content-Type", JSON), ("Content-Length", str(len(body))), ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _document(found: list[tuple[str, str, int]]) -> dict:
    """The answer's lists of what was stored and what was not (PS3.18 10.5.3.2)."""

    def item(sop_class: str, uid: str, status: int) -> dict:
        made = {_CLASS: {"vr": "UI", "Value": [sop_class]}, _INSTANCE: {"vr": "UI", "Value": [uid]}}
        return made if status == SUCCESS else {**made, _REASON: {"vr": "US", "Value": [status]}}

    lists = {
        "00081199": [item(*one) for one in found if one[2] == SUCCESS],
        "00081198": [item(*one) for one in found if one[2] != SUCCESS],
    }
    return {tag: {"vr": "SQ", "Value": items} for tag, items in lists.items() if items}


def _body_reader(handler: _Handler):
    """read(count) of the request's body, plain or chunked. Raises ValueError for a body without a length."""
    deadline = time.monotonic() + REQUEST_S
    blocks = _chunks(handler.rfile) if handler.headers.get("Transfer-Encoding", "").lower() == "chunked" else None
    left = int(handler.headers.get("Content-Length", "-1"))
    if blocks is None and left < 0:
        raise ValueError("no length")

    def read(count: int) -> bytes:
        nonlocal left
        if time.monotonic() > deadline:
            raise TimeoutError
        if blocks is not None:
            return next(blocks, b"")
        data = handler.rfile.read1(min(count, left)) if left else b""
        left -= len(data)
        return data

    return read


def _chunks(stream):
    """The blocks of a chunked body (RFC 9112 7.1)."""
    while size := int(stream.readline(100).split(b";")[0], 16):
        while size > 0:
            data = stream.read1(min(size, BLOCK))
            if not data:
                raise ValueError("the body breaks off")
            size -= len(data)
            yield data
        stream.readline(100)
