"""Sessions: a process and a folder each, found again by the visitor's cookie."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ID_BYTES = 16
IS_ID = re.compile(r"[0-9a-f]{32}")
START_WAIT_S = 60.0
KEEP_S = 7 * 24 * 3600.0  # what a killed server left is kept so long
log = logging.getLogger(__name__)


class TooManySessions(Exception):
    """All places are taken; the message is a sentence for the visitor."""


@dataclass
class SessionProcess:
    """One visitor's process. port: on loopback. uploads: how many came. sockets: how many pages are connected."""

    id: str
    folder: Path
    process: asyncio.subprocess.Process
    port: int
    uploads: int = 0
    sockets: int = 0
    used: float = field(default_factory=time.monotonic)

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def answers(self) -> bool:
        """Whether the process still serves; asked of its port, as the end of a process is not known at once."""
        try:
            _reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            await self.end()
            return False
        writer.close()
        return self.alive

    async def end(self) -> None:
        """Let the process end (its standard input closes); then make it."""
        if self.alive:
            self.process.stdin.close()
            try:
                await asyncio.wait_for(self.process.wait(), 5)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


class Sessions:
    """most: how many at once. folder: for theirs. first, always: arguments of the first session's process,
    such as files, and of each.

    idle_s: a session without a page for so long gives its process up; its work is kept and comes back with the visitor.
    """

    def __init__(
        self, folder: Path, most: int, first: Sequence[str] = (), idle_s: float = 1800.0, always: Sequence[str] = ()
    ):
        self._folder, self._most, self._idle_s = folder, most, idle_s
        self._first, self._always = list(first), list(always)
        self._by_id: dict[str, SessionProcess] = {}
        self._spare: asyncio.Task | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _forget_old(folder)

    def warm_up(self) -> None:
        """Have a process ready for the next visitor, so that the first picture comes soon."""
        if self._spare is None and len(self._living()) < self._most:
            arguments, self._first = self._first, []
            self._spare = asyncio.create_task(self._start(secrets.token_hex(ID_BYTES), arguments))

    async def ready(self) -> None:
        """Until the warm process serves."""
        if self._spare is not None:
            await asyncio.shield(self._spare)

    async def of(self, cookie: str | None) -> SessionProcess:
        """The visitor's session: the running one, the kept one, or a new one. Raises TooManySessions."""
        known = bool(cookie and IS_ID.fullmatch(cookie) and (self._folder / cookie).is_dir())
        if not known:
            return await self._new()
        async with self._locks.setdefault(cookie, asyncio.Lock()):
            session = self._by_id.get(cookie)
            if session is None or not await session.answers():
                self._make_room()
                session = await self._start(cookie, [])
            session.used = time.monotonic()
            return session

    def get(self, cookie: str | None) -> SessionProcess | None:
        """The visitor's running session, or None."""
        session = self._by_id.get(cookie or "")
        return session if session is not None and session.alive else None

    async def tidy(self) -> None:
        """End the processes that nobody looks at."""
        for session in self._living():
            if not session.sockets and time.monotonic() - session.used > self._idle_s:
                await session.end()
                self._by_id.pop(session.id, None)

    async def close(self) -> None:
        """End all sessions and remove their folders."""
        if self._spare is not None:
            self._spare.cancel()
            await asyncio.gather(self._spare, return_exceptions=True)
        await asyncio.gather(*(session.end() for session in list(self._by_id.values())))
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _new(self) -> SessionProcess:
        if self._spare is None:
            self._make_room()
            self.warm_up()
        waiting, self._spare = self._spare, None
        session = await asyncio.shield(waiting)
        if not await session.answers():  # it has died while nobody was there
            session = await self._start(secrets.token_hex(ID_BYTES), [])
        self.warm_up()
        return session

    def _living(self) -> list[SessionProcess]:
        return [session for session in self._by_id.values() if session.alive]

    def _make_room(self) -> None:
        if len(self._living()) >= self._most:
            raise TooManySessions(
                f"{self._most} sessions are open here, the most that this server allows (--sessions); "
                "close one of them, or try again later."
            )

    async def _start(self, session_id: str, arguments: Sequence[str]) -> SessionProcess:
        folder = self._folder / session_id
        folder.mkdir(exist_ok=True, mode=0o700)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "LesionKitWorkbench.session",
            "--folder",
            str(folder),
            *self._always,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(folder),
        )
        try:
            port = await asyncio.wait_for(_port(process), START_WAIT_S)
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        asyncio.create_task(_drain(process))
        session = SessionProcess(session_id, folder, process, port)
        self._by_id[session_id] = session
        return session


def _environment(temporary: Path) -> dict[str, str]:
    """Of this process, with the folders that it found its own packages in; temporary files go with the session."""
    return {
        **os.environ,
        "TMPDIR": str(temporary),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONUNBUFFERED": "1",
    }


async def _port(process) -> int:
    """The line of JSON that a session prints when it serves; other lines are libraries' talk."""
    while line := await process.stdout.readline():
        try:
            return int(json.loads(line)["port"])
        except (ValueError, KeyError, TypeError):
            continue
    raise RuntimeError("A session's process ended before it served.")


async def _drain(process) -> None:
    while await process.stdout.readline():
        pass


def _forget_old(folder: Path) -> None:
    for kept in folder.iterdir():
        if IS_ID.fullmatch(kept.name) and time.time() - kept.stat().st_mtime > KEEP_S:
            shutil.rmtree(kept, ignore_errors=True)
