"""A page for people: the queue, what is held and why, outages; release, correct, resend, retry.

It lies on this computer alone unless the rules say another address; then a token is demanded, and with the service's
certificate it is an HTTPS page. It shows pictures and UIDs, no names. Other pages in the same browser cannot act here:
changes want a header that they cannot send, and calls for another host name are refused.
"""

from __future__ import annotations

import hmac
import io
import json
import logging
import os
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

from BodyPartRouterLib.labels import CLASSES
from BodyPartRouterLib.routing.configuration.rules import Rules
from BodyPartRouterLib.routing.configuration.settings import ServiceSettings
from BodyPartRouterLib.routing.reader_process import ReaderProcess
from LesionKitLib.run.errors import UnusableInput

from .http_endpoint import HttpEndpoint, serve_on_thread
from .inbox import Inbox
from .listener import LOOPBACK
from .queue_actions import QueueActions

THUMBNAIL = 128  # pixels of the longer side
MOST_THUMBNAILS = 500
LARGEST_BODY = 10_000
TIMEOUT_S = 20.0
MINUTE_S = 60.0
FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
COOKIE = "lesionkit-router"
log = logging.getLogger(__name__)


class Shown(Protocol):
    """What the page shows and acts on: the service."""

    inbox: Inbox
    rules: Rules

    def retry(self, name: str) -> None: ...

    def reload(self) -> None: ...


class Page(HttpEndpoint):
    """Raises UnusableInput when it would be open to the network without a token, or the port cannot be had."""

    what = "The page"

    def __init__(self, service: Shown, settings: ServiceSettings):
        super().__init__()
        self._service, self._settings = service, settings
        self._token = _token(settings)
        self._reader, self._lock = ReaderProcess(), threading.Lock()
        self._thumbnails: dict[str, bytes] = {}
        self._actions: dict[str, Callable[[dict], object]] = {
            "/api/release": lambda given: self._queue.release(given["id"], given.get("to")),
            "/api/correct": lambda given: self._queue.correct(given["id"], given["label"]),
            "/api/resend": lambda given: self._queue.resend(given["id"]),
            "/api/retry": lambda given: self._service.retry(given["name"]),
            "/api/reload": lambda given: self._service.reload(),
        }

    def _listen(self, port: int) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer((self._settings.page_address, port), _handler_class(self))
        server.daemon_threads = True
        tls = {name: path for name, path in (self._settings.tls or {}).items() if name != "clients"}
        return serve_on_thread(server, "LesionKit page", tls, self._settings.base)

    def stop(self) -> None:
        super().stop()
        with self._lock:
            self._reader.close()

    @property
    def _queue(self) -> QueueActions:
        return QueueActions(self._service.inbox.journal, self._service.rules)

    def is_let_in(self, given: str) -> bool:
        """Whether this is the token, or none is asked for."""
        return self._token is None or hmac.compare_digest(self._token.encode(), given.encode())

    def is_our_name(self, host: str) -> bool:
        """Whether a caller asked for a name of ours: on loopback a foreign name is another page's trick."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return self._settings.page_address not in LOOPBACK or name.strip("[]") in LOOPBACK

    def state(self) -> dict:
        """All that the page shows."""
        journal = self._service.inbox.journal
        images = [{**image, "reason_shown": image["notes"] or image["reason"]} for image in journal.needs_person()]
        return {
            "counts": journal.counts(),
            "destinations": journal.destinations(),
            "attention": images,
            "classes": list(CLASSES),
            "places": list(self._service.rules.destinations),
            **journal.throughput(MINUTE_S),
        }

    def act(self, path: str, given: dict) -> object:
        """Raises KeyError for an action that there is none, or that lacks an entry; UnusableInput."""
        return self._actions[path](given)

    def thumbnail(self, image_id: str) -> bytes:
        """A small PNG of an image that needs a person. Raises UnusableInput."""
        path = self._queue.file_of(image_id)
        with self._lock:
            if image_id not in self._thumbnails:
                reading = self._reader(path, frozenset())
                if reading.xray is None:
                    raise UnusableInput(reading.error)
                while len(self._thumbnails) >= MOST_THUMBNAILS:
                    self._thumbnails.pop(next(iter(self._thumbnails)))
                self._thumbnails[image_id] = _png(reading.xray.pixels)
            return self._thumbnails[image_id]


def _token(settings: ServiceSettings) -> str | None:
    variable = settings.page_token_variable
    token = os.environ.get(variable, "") if variable else None
    if settings.page_port is None:
        return token
    if settings.page_address not in LOOPBACK and not token:
        raise UnusableInput(
            f"A page at {settings.page_address}, which is not this computer alone, needs a token: name an environment "
            "variable that holds it with 'page_token_variable' in the section 'service' of the rules file."
        )
    if variable and not token:
        raise UnusableInput(f"The environment variable {variable} holds no token.")
    return token


def _png(pixels) -> bytes:
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.uint8(np.clip(pixels, 0, 1) * 255))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def page_file(name: str) -> bytes:
    """A wheel carries Resources inside the library, a source tree and Slicer beside it."""
    library = Path(__file__).resolve().parents[1]
    for folder in (library, library.parent):
        path = folder / "Resources" / "Page" / name
        if path.exists():
            return path.read_bytes()
    raise FileNotFoundError(name)


def _handler_class(page: Page):
    class Handler(_Handler):
        timeout = TIMEOUT_S

    Handler.page = page
    return Handler


class _Handler(BaseHTTPRequestHandler):
    """One request at a time; what is wrong with it is one sentence."""

    page: Page
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._guarded(self._get)

    def do_POST(self):
        self._guarded(self._post)

    def log_message(self, *_arguments):
        """Silent: addresses may name images."""

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            if not self.page.is_our_name(self.headers.get("Host", "")):
                self._say(HTTPStatus.FORBIDDEN, "This is not the name of this page.")
            else:
                work()
        except UnusableInput as error:
            self._say(HTTPStatus.CONFLICT, str(error))
        except (KeyError, ValueError, TypeError, AttributeError):
            self._say(HTTPStatus.BAD_REQUEST, "This cannot be done.")
        except OSError:
            self.close_connection = True
        except Exception as error:
            log.error("The page: %s", type(error).__name__)
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, "The service met an error of its own.")

    def _get(self) -> None:
        if self.path in FILES:
            name, kind = FILES[self.path]
            self._answer(HTTPStatus.OK, page_file(name), kind)
        elif not self._is_let_in():
            self._say(HTTPStatus.UNAUTHORIZED, "Sign in first.")
        elif self.path == "/api/state":
            self._json(HTTPStatus.OK, self.page.state())
        elif self.path.startswith("/api/thumbnail/"):
            self._answer(HTTPStatus.OK, self.page.thumbnail(self.path.rpartition("/")[2]), "image/png")
        else:
            self._say(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def _post(self) -> None:
        length = int(self.headers.get("Content-Length", ""))
        if not 0 <= length <= LARGEST_BODY:
            self.close_connection = True
            raise ValueError(length)
        given = json.loads(self.rfile.read(length))
        if self.headers.get("X-LesionKit") != "page":
            self._say(HTTPStatus.FORBIDDEN, "This was not sent by the page.")
        elif self.path == "/api/login":
            self._login(str(given["token"]))
        elif not self._is_let_in():
            self._say(HTTPStatus.UNAUTHORIZED, "Sign in first.")
        else:
            self._json(HTTPStatus.OK, {"done": self.page.act(self.path, given)})

    def _login(self, token: str) -> None:
        if not self.page.is_let_in(token):
            self._say(HTTPStatus.UNAUTHORIZED, "This is not the token.")
            return
        cookie = f"{COOKIE}={token.encode().hex()}; HttpOnly; SameSite=Strict; Path=/"
        self._json(HTTPStatus.OK, {"done": True}, {"Set-Cookie": cookie})

    def _is_let_in(self) -> bool:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer":
            return self.page.is_let_in(given)
        cookies = dict(part.strip().partition("=")[::2] for part in self.headers.get("Cookie", "").split(";"))
        try:
            return self.page.is_let_in(bytes.fromhex(cookies.get(COOKIE, "")).decode())
        except ValueError:
            return False

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        self._json(status, {"error": sentence})

    def _json(self, status: HTTPStatus, document: dict, headers: dict | None = None) -> None:
        self._answer(status, json.dumps(document).encode(), "application/json", headers)

    def _answer(self, status: HTTPStatus, body: bytes, kind: str, headers: dict | None = None) -> None:
        self.send_response(status)
        more = {"Content-Type": kind, "Content-Length": str(len(body)), **HEADERS, **(headers or {})}
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
