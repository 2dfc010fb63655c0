"""Progress with an estimate, and cancelling, for work that takes more than a moment."""

from __future__ import annotations

import time
from collections.abc import Callable

from .errors import Cancelled


class Progress:
    """Passes stage, fraction and remaining time to a callback, and stops the work when asked to.

    callback(stage: str, fraction: float in 0..1 of the whole job, remaining_s: float | None). Called on the
    working thread. cancel(): may be called from any thread; the next report() raises Cancelled.
    """

    def __init__(self, callback: Callable[[str, float, float | None], None] | None = None):
        self._callback = callback
        self._cancelled = False
        self._start = time.monotonic()

    def cancel(self) -> None:
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def report(self, stage: str, fraction: float) -> None:
        """Raises Cancelled if cancel() was called before."""
        if self._cancelled:
            raise Cancelled("Cancelled.")
        if self._callback is None:
            return
        elapsed = time.monotonic() - self._start
        remaining = elapsed * (1 - fraction) / fraction if fraction > 0.02 else None
        self._callback(stage, fraction, remaining)

    def part(self, low: float, high: float) -> Progress:
        """A Progress for one part of the job: its 0..1 is low..high of this one; it is cancelled with this one."""
        return _Part(self, low, high)


class _Part(Progress):
    def __init__(self, whole: Progress, low: float, high: float):
        super().__init__()
        self._whole, self._low, self._high = whole, low, high

    def cancel(self) -> None:
        self._whole.cancel()

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled

    def report(self, stage: str, fraction: float) -> None:
        self._whole.report(stage, self._low + (self._high - self._low) * fraction)
