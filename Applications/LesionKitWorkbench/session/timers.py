"""Timers of the server's event loop, for LesionKitLib.run.background and LesionKitLib.mrml.live_measurements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LEAST_S = 0.02  # the loop has pictures to send as well


class AsyncTimer:
    """A repeating timer (LesionKitLib.run.background.Timer). interval_ms: between the calls."""

    def __init__(self, interval_ms: int, callback: Callable[[], None]):
        self._interval = max(interval_ms / 1000, LEAST_S)
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """From start() to stop()."""
        return self._handle is not None

    def start(self) -> None:
        """Begin anew, as QTimer does."""
        self.stop()
        self._handle = asyncio.get_event_loop().call_later(self._interval, self._fire)

    def stop(self) -> None:
        """Call nothing any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = asyncio.get_event_loop().call_later(self._interval, self._fire)
        self._callback()
