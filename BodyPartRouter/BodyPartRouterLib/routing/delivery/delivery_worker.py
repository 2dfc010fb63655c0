"""Making the deliveries that are due, and waiting longer each time that one fails.

Whose fault is a failure? A destination that cannot be reached takes nothing: all its images wait, and none counts a
failed attempt. A destination that hangs or breaks off at one image may stumble over this image or be ill itself. So the
next image is tried at once: when it passes, the first one is to blame (it counts a failed attempt and waits by itself);
when it fails too, the destination is, and all wait. An image is never given up while nothing else passes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from BodyPartRouterLib.routing.configuration.rules import Hours, minute_of_day
from BodyPartRouterLib.routing.journal.journal import DeliveryTask, Journal

from .retry_policy import DONE, REFUSED, UNCLEAR, DeliveryResult, DestinationUnavailable, RetryPolicy

BATCH = 32
log = logging.getLogger(__name__)

# results in the tasks' order, fewer when the rest is to be asked for again; may raise DestinationUnavailable
DeliverySender = Callable[[Sequence[DeliveryTask]], Iterable[DeliveryResult]]


class DeliveryWorker:
    """Serves one destination, or all folders (target None). on_result(task, result, finished): after each.

    hours, minute: the times of day at which it is delivered to (None: always), and the minute of the day.
    outages: how many times in a row the destination took nothing; outage: why, "" while it works.
    """

    def __init__(
        self,
        journal: Journal,
        sender: DeliverySender,
        kind: str,
        target: str | None = None,
        retry_policy: RetryPolicy | None = None,
        on_result: Callable[[DeliveryTask, DeliveryResult, bool], None] = lambda task, result, finished: None,
        monotonic=time.monotonic,
        hours: Hours | None = None,
        minute: Callable[[], int] = minute_of_day,
    ):
        self.kind, self.target = kind, target
        self._journal, self._sender = journal, sender
        self._retry_policy = retry_policy or RetryPolicy()
        self._on_result, self._monotonic = on_result, monotonic
        self._hours, self._minute = hours, minute
        self._suspect: tuple[DeliveryTask, DeliveryResult] | None = None
        self._unclear: dict[str, int] = {}  # image -> how often the destination failed at it in a row
        self._blamed: dict[str, int] = {}  # image -> how often others passed after that
        self.outages = 0
        self.outage = ""
        self.paused_until = 0.0  # of the monotonic clock

    def deliver_due(self, stop: threading.Event | None = None) -> int:
        """Make deliveries that are due, one batch at most; how many were attempted. Ends early when ``stop`` is set.

        Outside the destination's hours there are none.
        """
        if self._monotonic() < self.paused_until or not self.is_open:
            return 0
        tasks = self._journal.due(self.kind, self.target, BATCH)
        if not tasks:
            return 0
        count = 0
        try:
            with closing(_generator(self._sender(tasks))) as results:
                for task, result in zip(tasks, results, strict=False):
                    count += 1
                    self._take(task, result)
                    if stop is not None and stop.is_set():
                        break
        except DestinationUnavailable as error:
            self._pause(str(error))
        except Exception as error:  # of a library: the destination is left alone for a while, nothing is lost
            log.warning("Delivering to %s failed: %s", self.target or self.kind, type(error).__name__)
            self._pause(type(error).__name__)
        return count

    @property
    def is_open(self) -> bool:
        """Whether this is a time of day at which the destination is delivered to."""
        return self._hours is None or self._hours.hold(self._minute())

    def resume(self) -> None:
        """Try again at once: a person says so."""
        self.paused_until = 0.0

    def _take(self, task: DeliveryTask, result: DeliveryResult) -> None:
        if result.state == UNCLEAR:
            self._take_unclear(task, result)
            return
        suspect, self._suspect = self._suspect, None
        self._unclear.pop(task.image.id, None)
        self._blamed.pop(task.image.id, None)
        self._note_success()
        if suspect is not None and suspect[0].image.id != task.image.id:
            self._blame(*suspect)
        self._record(task, result)

    def _take_unclear(self, task: DeliveryTask, result: DeliveryResult) -> None:
        """Raises DestinationUnavailable when the destination failed at another image just before."""
        count = self._unclear.get(task.image.id, 0)
        self._unclear[task.image.id] = count + 1
        others = self._suspect is not None and self._suspect[0].image.id != task.image.id
        if self._retry_policy.gives_up(result, task.attempts):
            self._journal.fail(task, result.note)
        else:
            wait = self._retry_policy.wait_s(count)
            self._journal.retry(task, result.note, wait, counts=not self._retry_policy.endless)
        self._suspect = (task, result)
        self._on_result(task, result, False)
        if others:
            raise DestinationUnavailable(result.note)
        self._note_outage(result.note)

    def _blame(self, task: DeliveryTask, result: DeliveryResult) -> None:
        """The destination took another image after it had failed at this one."""
        count = self._blamed.get(task.image.id, 0)
        self._blamed[task.image.id] = count + 1
        if self._retry_policy.endless and self._retry_policy.gives_up(DeliveryResult(REFUSED), count):
            self._journal.fail(task, result.note)
            log.warning("%s: given up (%s)", task.image.id[:12], result.note)

    def _pause(self, why: str) -> None:
        wait = self._retry_policy.wait_s(self.outages)
        self.outages += 1
        self.paused_until = self._monotonic() + wait
        self._note_outage(why)
        log.warning("%s takes nothing (%s); trying again in %.0f s", self.target or self.kind, why, wait)

    def _note_outage(self, why: str) -> None:
        self.outage = why
        self._journal.note_outage(self.target or self.kind, why)

    def _note_success(self) -> None:
        if self.outage:
            self._journal.note_recovery(self.target or self.kind)
        self.outages, self.outage = 0, ""

    def _record(self, task: DeliveryTask, result: DeliveryResult) -> None:
        finished = False
        if result.state == DONE:
            finished = self._journal.done(task, result.note)
            if finished and task.image.removes_source:
                remove_source(task.image.path)
        elif self._retry_policy.gives_up(result, task.attempts):
            self._journal.fail(task, result.note)
            log.warning("%s: given up (%s)", task.image.id[:12], result.note)
        else:
            self._journal.retry(task, result.note, self._retry_policy.wait_s(task.attempts))
        self._on_result(task, result, finished)


def remove_source(path) -> str:
    """Remove a file whose deliveries are made; "", or why it stays. It is not delivered again: the journal knows it."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _generator(results: Iterable[DeliveryResult]):
    yield from results
