"""A pool of worker processes that no study can stop: limits of time and memory, blame, and retries by rule.

A worker has two studies at a time, one that is read and one that is analyzed. Where it dies or takes too long with more
than one begun, nobody knows whose fault it was: each is tried again, alone. A study that fails alone is to blame.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait

from LesionKitLib.run.errors import MissingResource, UnusableInput
from LesionKitLib.run.progress import Progress

from .studies import Study
from .tasks import Settings
from .worker import BEGUN, CRASH, DONE, FAILED, MISSING, READY, TIME, UNUSABLE, work

STEP_S = 0.2  # between two looks at the clock
STARTS = 3  # times that a worker may die before it is ready


@dataclass(frozen=True)
class Limits:
    """Of one study. seconds: from its reading to its files; memory_bytes; retries: after a failure that may pass."""

    seconds: float = 900.0
    memory_bytes: int = 8 << 30
    retries: int = 1


@dataclass
class Outcome:
    """What became of a study: its columns, or cause and reason; seconds by stage; attempts that it took."""

    study: Study
    columns: dict | None
    cause: str = ""
    reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    attempts: int = 1


@dataclass
class _Attempt:
    study: Study
    number: int = 1
    alone: bool = False
    begun: float | None = None


class _Worker:
    def __init__(self, arguments: tuple):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
        self.process.start()
        theirs.close()
        self.ready = False
        self.flight: dict[str, _Attempt] = {}

    def takes(self, attempt: _Attempt) -> bool:
        if not self.ready or any(other.alone for other in self.flight.values()):
            return False
        return len(self.flight) < (1 if attempt.alone else 2)

    def give(self, attempt: _Attempt) -> None:
        self.flight[attempt.study.id] = attempt
        self.connection.send(attempt.study)

    def close(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()


class Pool:
    """run() gives every study to the workers and tells each Outcome once."""

    def __init__(self, task: str, settings: Settings, folder: str, workers: int = 1, limits: Limits | None = None):
        self._limits = limits or Limits()
        self._arguments = (task, settings, folder, self._limits.memory_bytes)
        self._count, self._starts = workers, 0
        self._workers: list[_Worker] = []
        self._waiting: deque[_Attempt] = deque()

    def run(self, studies: Sequence[Study], told: Callable[[Outcome], None], progress: Progress) -> None:
        """Raises Cancelled, MissingResource where a worker lacks a model, UnusableInput where none can start."""
        self._told, done, count = told, 0, len(studies)
        self._waiting = deque(_Attempt(study) for study in studies)
        try:
            self._workers = [_Worker(self._arguments) for _ in range(min(self._count, count))]
            while self._waiting or any(worker.flight for worker in self._workers):
                left = len(self._waiting) + sum(len(worker.flight) for worker in self._workers)
                done = count - left
                progress.report(f"{done} of {count} studies", done / count)
                self._hand_out()
                self._listen()
                self._look_after()
        finally:
            for worker in self._workers:
                worker.close()

    def _hand_out(self) -> None:
        for worker in self._workers:
            while self._waiting and worker.takes(self._waiting[0]):
                try:
                    worker.give(self._waiting.popleft())
                except OSError:  # it has just died; _look_after sees to it
                    break

    def _listen(self) -> None:
        of = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(of), timeout=STEP_S):
            worker = of[connection]
            try:
                while connection.poll():
                    self._hear(worker, connection.recv())
            except (EOFError, OSError):
                worker.process.join(timeout=1.0)

    def _hear(self, worker: _Worker, message: tuple) -> None:
        kind, *more = message
        if kind == READY:
            worker.ready, self._starts = True, 0
        elif kind == MISSING:
            raise MissingResource(more[0])
        elif kind == BEGUN:
            worker.flight[more[0]].begun = time.monotonic()
        elif kind == DONE:
            attempt = worker.flight.pop(more[0])
            self._told(Outcome(attempt.study, more[1], seconds=more[2], attempts=attempt.number))
        elif kind == FAILED:
            self._blame(worker.flight.pop(more[0]), more[1], more[2])

    def _look_after(self) -> None:
        """Exchange workers that died, and end those that take too long."""
        now = time.monotonic()
        for n, worker in enumerate(self._workers):
            late = any(a.begun and now - a.begun > self._limits.seconds for a in worker.flight.values())
            if worker.process.is_alive() and not late:
                continue
            if not worker.ready:
                self._starts += 1
                if self._starts >= STARTS:
                    raise UnusableInput("The workers cannot be started; this computer may have too little memory.")
            worker.close()
            self._sort_out(worker, TIME if late else CRASH)
            self._workers[n] = _Worker(self._arguments)

    def _sort_out(self, worker: _Worker, cause: str) -> None:
        begun = [attempt for attempt in worker.flight.values() if attempt.begun is not None]
        for attempt in worker.flight.values():
            if attempt.begun is None:
                self._waiting.append(attempt)
            elif len(begun) == 1:
                self._blame(attempt, cause, self._sentence(cause))
            else:
                self._waiting.append(_Attempt(attempt.study, attempt.number, alone=True))

    def _sentence(self, cause: str) -> str:
        if cause == TIME:
            return f"The study took more than {self._limits.seconds:g} seconds."
        return "The worker process ended while it had the study."

    def _blame(self, attempt: _Attempt, cause: str, reason: str) -> None:
        if cause == UNUSABLE or attempt.number > self._limits.retries:
            self._told(Outcome(attempt.study, None, cause, reason, attempts=attempt.number))
        else:
            self._waiting.append(_Attempt(attempt.study, attempt.number + 1, alone=True))
