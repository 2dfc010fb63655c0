"""Long work off the GUI thread: a worker thread, and a timer on the main thread that feeds it and tells its progress.

Why the timer sleeps. In 3D Slicer the main thread keeps Python's interpreter lock while Qt waits for events, so a
worker thread starves. Each tick of the timer therefore gives the lock away for ``yield_s``. Measured with an event loop
that waits without letting go of the lock (two cores, both busy with other work), as a share of the same work alone in
the process, small networks in PyTorch / matrix products in numpy: with a 10 ms timer that does not sleep 16 % / 9 %
(and in Slicer, without a timer, next to nothing), that yields 2 ms 43 % / 28 %, 5 ms 51 % / 50 %, 8 ms 74 % / 69 %. A
1 ms timer that yields 8 ms gives the worker all that it can use (107 % / 107 %, within the noise of that machine), and
the loop still turns every 9 ms, at most 14 ms late: a slice view keeps its pace. A worker in pure Python can hold the
lock 5 ms longer (sys.getswitchinterval), once per tick. Testing/benchmarks/background_work.py
measures it again. These are figures of one run; on a machine under full load later runs gave the worker less.

Why not a child process. It would leave the GUI wholly alone, also during the few calls that keep the lock to themselves
(such as SciPy's labeling of connected components). But for every run it imports PyTorch again (measured: 1.2 s of
processor time and 220 MB before anything is loaded; a graphics card's context comes on top), it needs the image and the
result sent over, and it must be started through Slicer's launcher to find its libraries. The thread costs none of this
and cancels as fast: the work looks at its Progress after each batch.

Standard library only; the timer comes from outside, so that panels (QTimer), the browser and tests use one runner.
"""

from __future__ import annotations

import atexit
import logging
import math
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from .errors import Cancelled, MissingResource, UnusableInput
from .progress import Progress

TICK_MS = 1
YIELD_S = 0.008  # of each tick: how long the worker has the lock; the GUI's events wait that long at most
CLOCK_STEP_S = 0.25  # elapsed and remaining time move on at least this often between two reports of the work
EXIT_WAIT_S = 5.0
log = logging.getLogger(__name__)


class Timer(Protocol):
    """A repeating timer of the main thread."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


TimerFactory = Callable[[int, Callable[[], None]], Timer]  # (interval in ms, callback) -> a stopped timer


class BackgroundRunner:
    """Runs one task at a time. All methods and all callbacks belong to the main thread.

    timer_factory(interval_ms, callback): makes the repeating timer; it runs only while there is something to do.
    """

    def __init__(self, timer_factory: TimerFactory, yield_s: float = YIELD_S, clock=time.monotonic):
        self._timer = timer_factory(TICK_MS, self._tick)
        self._yield_s = yield_s
        self._clock = clock
        self._job: _Job | None = None
        self._leaving: list[_Job] = []  # stopped, but their threads have not ended yet
        self._ticking = False

    @property
    def running(self) -> bool:
        """From start() until the result, the error or the end of the cancelled work is delivered, or stop()."""
        return self._job is not None

    def start(
        self,
        work: Callable[[Progress], Any],
        on_result: Callable[[Any], None],
        on_error: Callable[[str, BaseException], None],
        on_progress: Callable[[str, float, float | None, float], None] | None = None,
        on_cancelled: Callable[[], None] | None = None,
    ) -> None:
        """Run ``work(progress)`` on a thread of its own; it must not touch the scene or any widget.

        Exactly one of on_result(result), on_error(sentence for the user, exception) and on_cancelled() is called in the
        end. An error's traceback goes to the log; an error of on_result itself is delivered to on_error too.
        on_progress(stage, fraction 0..1, remaining s or None, elapsed s). Raises RuntimeError while work is running.
        """
        if self.running:
            raise RuntimeError("An analysis is running already.")
        self._job = _Job(work, on_result, on_error, on_progress, on_cancelled, self._clock)
        self._job.thread.start()
        _running.add(self)
        self._timer.start()

    def cancel(self) -> None:
        """Ask the work to stop; on_cancelled comes when it has, after its current batch at the latest."""
        if self._job is not None:
            self._job.progress.cancel()

    def stop(self, wait_s: float = 0.0) -> None:
        """Cancel and deliver nothing any more, not even on_cancelled: for a closing scene, panel or application.

        Waits up to wait_s for the thread. If it needs longer it goes on to its next report of progress by itself (the
        timer keeps feeding it), its result is thrown away, and new work may start meanwhile.
        """
        if self._job is not None:
            self._job.progress.cancel()
            self._leaving.append(self._job)
            self._job = None
        deadline = time.monotonic() + wait_s
        for job in self._leaving:
            job.thread.join(max(deadline - time.monotonic(), 0))
        self._sleep_when_idle()

    def _tick(self) -> None:
        if self._ticking:  # a callback has opened a dialog, whose own event loop fires the timer again
            self._yield_lock()
            return
        self._ticking = True
        try:
            self._yield_lock()
            self._deliver()
        finally:
            self._ticking = False
            self._sleep_when_idle()

    def _yield_lock(self) -> None:
        """Sleep, so that the threads can run; shorter when the work ends."""
        job = self._job or next(iter(self._leaving), None)
        if job is not None:
            job.ended.wait(self._yield_s)

    def _deliver(self) -> None:
        job = self._job
        if job is None:
            return
        if not job.ended.is_set():
            _guarded(job.show_progress)
            return
        job.thread.join()
        self._job = None  # before the callbacks: they may start the next task
        job.finish()

    def _sleep_when_idle(self) -> None:
        self._leaving = [job for job in self._leaving if job.thread.is_alive()]
        if self._job is None and not self._leaving:
            self._timer.stop()
            _running.discard(self)


class _Job:
    """One task, its thread and its latest progress."""

    def __init__(self, work, on_result, on_error, on_progress, on_cancelled, clock):
        self.progress = Progress(self._note)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(work,), name="LesionKit work", daemon=True)
        self._on_result, self._on_error = on_result, on_error
        self._on_progress, self._on_cancelled = on_progress, on_cancelled
        self._clock = clock
        self._began = clock()
        self._latest: tuple[str, float, float | None, float] | None = None  # stage, fraction, remaining s, when
        self._shown: tuple[object, float] = (None, -math.inf)
        self._result: Any = None
        self._error: BaseException | None = None

    def _run(self, work) -> None:
        """On the worker's thread."""
        try:
            self._result = work(self.progress)
        except BaseException as error:  # also SystemExit: whatever ends the work is told on the main thread
            self._error = error
        finally:
            self.ended.set()

    def _note(self, stage: str, fraction: float, remaining: float | None) -> None:
        """On the worker's thread: only the latest report is kept."""
        self._latest = (stage, fraction, remaining, self._clock())

    def show_progress(self) -> None:
        latest, now = self._latest, self._clock()
        if self._on_progress is None or latest is None:
            return
        if latest is self._shown[0] and now - self._shown[1] < CLOCK_STEP_S:
            return
        self._shown = (latest, now)
        stage, fraction, remaining, when = latest
        if remaining is not None:
            remaining = max(remaining - (now - when), 0.0)
        self._on_progress(stage, fraction, remaining, now - self._began)

    def finish(self) -> None:
        """Call the one callback that tells how the work ended."""
        if self._error is None and not self.progress.cancelled:
            _guarded(self.show_progress)
            _guarded(lambda: self._on_result(self._result), self._tell_error)
        elif self._error is None or isinstance(self._error, Cancelled):
            _guarded(self._on_cancelled or (lambda: None), self._tell_error)
        else:
            log.error("The work failed.", exc_info=self._error)
            self._tell_error(self._error)

    def _tell_error(self, error: BaseException) -> None:
        _guarded(lambda: self._on_error(user_sentence(error), error))


def user_sentence(error: BaseException) -> str:
    """What to tell the user about an error, in one sentence; details belong in the log."""
    if isinstance(error, (UnusableInput, MissingResource)):
        return str(error)
    if type(error) is ValueError and str(error).endswith("."):  # the logics' own; those of libraries are no sentences
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory for this image; close other data or choose a smaller image."
    if isinstance(error, ModuleNotFoundError):
        return f"The Python package '{error.name}' is missing; press Apply again to install it."
    return f"Something went wrong ({type(error).__name__}); the details are in the application's log."


def _guarded(call: Callable[[], None], on_error: Callable[[BaseException], None] | None = None) -> None:
    """Timers swallow exceptions, so a failing callback is logged here, and told to the user where possible."""
    try:
        call()
    except Exception as error:
        log.exception("Showing the state of the work failed.")
        if on_error is not None:
            on_error(error)


_running: weakref.WeakSet[BackgroundRunner] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """At the interpreter's end no thread may be inside PyTorch any more: that would crash the exit."""
    for runner in list(_running):
        runner.stop(EXIT_WAIT_S)
