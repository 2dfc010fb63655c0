"""Starts the Workbench: the gateway, its first session, and the address for the visitor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from LesionKitLib.run.errors import MissingResource, UnusableInput

from .gateway.access import Access
from .gateway.server import Gateway
from .gateway.sessions import Sessions

DEFAULT_PORT, DEFAULT_SESSIONS = 8765, 4
END_WAIT_S = 2.0  # for pages that are still connected


def serve(
    access: Access,
    port: int,
    files: Sequence[str] = (),
    sessions: int = DEFAULT_SESSIONS,
    tls=None,
    state: Path | None = None,
    apply: bool = False,
    open_browser: bool = True,
    root: Path | None = None,
) -> None:
    """Serve until Ctrl+C. files: opened in the first session; apply: and analyzed. state: folder for the sessions.
    root: whose files visitors may open by their path.

    Raises UnusableInput when the port is taken, MissingResource where nothing can be drawn.
    """
    refuse_without_drawing()
    arguments = [argument for file in files for argument in ("--open", str(Path(file).resolve()))]
    arguments += ["--apply"] if apply else []
    asyncio.run(_serve(access, port, arguments, sessions, tls, state or state_folder(), open_browser, root))


async def _serve(access, port, arguments, most, tls, state, open_browser, root) -> None:
    sessions = Sessions(state, most, arguments, always=["--root", str(root.resolve())] if root is not None else [])
    runner = web.AppRunner(Gateway(access, sessions).application(), access_log=None, shutdown_timeout=END_WAIT_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, access.host, port, ssl_context=tls)
        try:
            await site.start()
        except OSError as error:
            raise UnusableInput(
                f"Port {port} cannot be listened on: {error.strerror}. Choose another with --port."
            ) from error
        number = runner.addresses[0][1]
        address = _address(access, number)
        print("Starting the Workbench ...", flush=True)
        await sessions.ready()
        print(f"The Workbench is at {address} (Ctrl+C ends it and removes its files).", flush=True)
        if open_browser:
            with contextlib.suppress(webbrowser.Error):
                await asyncio.to_thread(webbrowser.open, address)
        await _until_stopped()
    finally:
        await runner.cleanup()


async def _until_stopped() -> None:
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stopped.set)
    await stopped.wait()


def _address(access: Access, port: int) -> str:
    host = "localhost" if access.host in ("127.0.0.1", "::1", "localhost") else access.host
    query = f"?token={access.token}" if access.token else ""
    return f"{'https' if access.secure else 'http'}://{host}:{port}/{query}"


def state_folder() -> Path:
    """Where sessions are kept while they run: the user's cache."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "lesionkit-workbench"


def refuse_without_drawing() -> None:
    """Raises MissingResource where VTK could draw nothing: it would end the process instead of saying so."""
    import ctypes

    if not sys.platform.startswith("linux"):
        return
    for library in ("libEGL.so.1", "libOSMesa.so.8"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(library)
            return
    raise MissingResource(
        "The Workbench draws with EGL, which is missing; on Debian: sudo apt-get install libegl1 libgl1"
    )
