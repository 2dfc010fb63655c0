"""The HTTP server that visitors reach: checks every request, takes uploads, and passes the rest to the session."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import shutil
import ssl
from pathlib import Path

import aiohttp
from aiohttp import WSMsgType, web

from LesionKitLib.run.errors import UnusableInput
from LesionKitWorkbench.uploads.choosing import path_to_open
from LesionKitWorkbench.uploads.limits import Limits, free_place
from LesionKitWorkbench.uploads.unpacking import CHUNK, unpack

from .access import Access
from .sessions import SessionProcess, Sessions, TooManySessions

SESSION_COOKIE, TOKEN_COOKIE, TOKEN_FIELD = "lesionkit-session", "lesionkit-token", "token"
MESSAGE_BYTES = 64 << 20  # of one message of the page's socket; files do not go that way
TIDY_S = 60.0
HOP_HEADERS = {"connection", "transfer-encoding", "upgrade", "keep-alive", "content-length", "content-encoding"}
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
log = logging.getLogger(__name__)


class Gateway:
    """access: who may come in. sessions: theirs. limits: of an upload."""

    def __init__(self, access: Access, sessions: Sessions, limits: Limits | None = None):
        self._access, self._sessions, self._limits = access, sessions, limits or Limits()
        self._client: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        """To be served by aiohttp."""
        application = web.Application(middlewares=[self._guard], client_max_size=self._limits.bytes)
        application.router.add_post("/upload", self._upload)
        application.router.add_get("/ws", self._socket)
        application.router.add_route("*", "/{path:.*}", self._page)
        application.cleanup_ctx.append(self._life)
        return application

    async def _life(self, _application):
        self._client = aiohttp.ClientSession(auto_decompress=False)
        self._sessions.warm_up()
        tidying = asyncio.create_task(self._tidy())
        yield
        tidying.cancel()
        await self._sessions.close()
        await self._client.close()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            await self._sessions.tidy()

    @web.middleware
    async def _guard(self, request: web.Request, handler):
        refused = self._refusal(request)
        if refused is not None:
            return refused
        try:
            response = await handler(request)
        except TooManySessions as error:
            response = web.Response(status=503, text=str(error))
        except UnusableInput as error:
            response = web.Response(status=422, text=str(error))
        if not response.prepared:
            response.headers.update(SECURITY_HEADERS)
        return response

    def _refusal(self, request: web.Request) -> web.Response | None:
        host, access = request.headers.get("Host", ""), self._access
        if not access.allows_host(host):
            return web.Response(status=403, text="This server is not reached under that name.")
        given = request.query.get(TOKEN_FIELD)
        if given and access.token and access.allows_token(given):
            # so that the token leaves the address and the history
            answer = web.Response(status=303, headers={"Location": "/"})
            _set_cookie(answer, TOKEN_COOKIE, given, access.secure)
            return answer
        if not access.allows_token(request.cookies.get(TOKEN_COOKIE, "")):
            return web.Response(status=401, text="Open the address that the server printed; it holds the token.")
        changes = request.method not in ("GET", "HEAD") or request.path == "/ws"
        if changes and not access.allows_origin(request.headers.get("Origin"), host):
            return web.Response(status=403, text="Only this server's own page may do that.")
        return None

    # what is passed on ------------------------------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="This address only answers GET.")
        cookie = request.cookies.get(SESSION_COOKIE)
        is_start = request.path in ("/", "/index.html")
        session = await self._sessions.of(cookie) if is_start else self._sessions.get(cookie)
        if session is None:
            return web.Response(status=404, text="There is no session; open the page anew.")
        path = "/index.html" if is_start else request.raw_path
        try:
            response = await self._fetched(request.method, session, path)
        except aiohttp.ClientError:  # its process has just ended
            await session.end()
            session = await self._sessions.of(session.id)
            response = await self._fetched(request.method, session, path)
        if is_start:
            _set_cookie(response, SESSION_COOKIE, session.id, self._access.secure)
        return response

    async def _fetched(self, method: str, session: SessionProcess, path: str) -> web.Response:
        url = f"http://127.0.0.1:{session.port}{path}"
        async with self._client.request(method, url, allow_redirects=False) as answer:
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_HEADERS}
            return web.Response(status=answer.status, headers=headers, body=await answer.read())

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        session = self._sessions.get(request.cookies.get(SESSION_COOKIE))
        if session is None:
            return web.Response(status=404, text="There is no session; open the page anew.")
        visitor = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES, protocols=_protocols(request))
        await visitor.prepare(request)
        session.sockets += 1
        try:
            url = f"http://127.0.0.1:{session.port}/ws"
            async with self._client.ws_connect(url, max_msg_size=MESSAGE_BYTES, protocols=_protocols(request)) as inner:
                await _first_of(_pass_on(visitor, inner), _pass_on(inner, visitor))
        except aiohttp.ClientError:
            log.warning("A session's process could not be reached.")
        finally:
            session.sockets -= 1
            with contextlib.suppress(Exception):
                await visitor.close()
        return visitor

    # uploads ----------------------------------------------------------------------------------------------------------

    async def _upload(self, request: web.Request) -> web.Response:
        session = self._sessions.get(request.cookies.get(SESSION_COOKIE))
        if session is None:
            return web.Response(status=404, text="There is no session; open the page anew.")
        folder = session.folder / "uploads" / secrets.token_hex(8)
        folder.mkdir(parents=True, exist_ok=True)
        session.uploads += 1
        try:
            files = await self._receive(request, folder)
            if len(files) == 1 and files[0].suffix.lower() == ".zip":
                files = await asyncio.to_thread(unpack, files[0], folder, self._limits)
            path = path_to_open(files, folder)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        return web.Response(text=json.dumps({"path": path.relative_to(session.folder).as_posix()}))

    async def _receive(self, request: web.Request, folder: Path) -> list[Path]:
        if not request.content_type.startswith("multipart/"):
            raise UnusableInput("Nothing was sent.")
        files, total = [], 0
        async for part in await request.multipart():
            if part.filename is None:
                continue
            self._limits.check_files(len(files) + 1)
            place = free_place(folder, part.filename)
            with place.open("wb") as target:
                while chunk := await part.read_chunk(CHUNK):
                    total += len(chunk)
                    self._limits.check_bytes(total)
                    target.write(chunk)
            files.append(place)
        return files


async def _first_of(*works) -> None:
    """Until one of them ends; the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    _done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


async def _pass_on(source, target) -> None:
    async for message in source:
        if message.type == WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type == WSMsgType.TEXT:
            await target.send_str(message.data)
        else:
            break


def _protocols(request: web.Request) -> list[str]:
    header = request.headers.get("Sec-WebSocket-Protocol", "")
    return [name.strip() for name in header.split(",") if name.strip()]


def _set_cookie(response, name: str, value: str, secure: bool) -> None:
    response.set_cookie(name, value, httponly=True, samesite="Strict", secure=secure, path="/")


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's context; raises UnusableInput for files that are no certificate and key."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UnusableInput("The TLS certificate and key cannot be read, or do not belong together.") from error
    return context
