"""The running service: listener, sorter, one worker for each destination, metrics; started and stopped in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from BodyPartRouterLib.routing.delivery_worker import DeliveryWorker
from BodyPartRouterLib.routing.header_values import keep_header_text_out_of_the_log
from BodyPartRouterLib.routing.journal import DeliveryTask
from BodyPartRouterLib.routing.plan import FOLDER
from BodyPartRouterLib.routing.reader_process import ReaderProcess
from BodyPartRouterLib.routing.retry_policy import DONE, DeliveryResult, RetryPolicy
from BodyPartRouterLib.routing.route_files import sender_of
from BodyPartRouterLib.routing.rules import Rules

from .inbox import MEGABYTE, Inbox
from .listener import Listener, refuse_open_doors
from .metrics import Metrics
from .receiver import Receiver
from .sorter import Sorter

if TYPE_CHECKING:
    from BodyPartRouterLib.classification.classifier import Classifier

IDLE_S = 0.5  # how long a thread without work sleeps, unless it is woken
FORGET_EVERY_S = 3600.0
STOP_S = 30.0  # what is being delivered at the end may take so long
log = logging.getLogger(__name__)


class Service:
    """Started by start(), stopped by stop(); until then images are received, classified and delivered on threads."""

    def __init__(self, rules: Rules, classifier: Classifier):
        refuse_open_doors(rules.service)
        settings = self._settings = rules.service
        self.inbox = Inbox(settings.data, settings.min_free_mb)
        self.metrics = Metrics(self.inbox.journal.counts)
        self._stop = threading.Event()
        self._arrived, self._sorted = threading.Event(), threading.Event()
        self._reader = ReaderProcess()
        self._sorter = Sorter(self.inbox, rules, classifier, self.metrics, self._reader)
        limit = int(settings.max_object_mb * MEGABYTE)
        receiver = Receiver(self.inbox, self.metrics, limit, self._arrived.set)
        self._listener = Listener(settings, receiver, self.metrics)
        retry_policy = RetryPolicy(settings.first_wait_s, settings.longest_wait_s, settings.attempts)
        routes = [(FOLDER, None), *((place.kind, name) for name, place in rules.destinations.items())]
        self._couriers = [
            DeliveryWorker(self.inbox.journal, sender_of(rules, kind, name), kind, name, retry_policy, self._on_result)
            for kind, name in routes
        ]
        self._threads: list[threading.Thread] = []
        self.port = self.metrics_port = None

    def start(self, port: int) -> None:
        """Put in order what a crash has left, then work. Raises UnusableInput when a port cannot be had."""
        keep_header_text_out_of_the_log()
        found = self.inbox.recover()
        if found:
            log.info("%d images had been received before a crash", found)
        try:
            self.metrics_port = self.metrics.start(self._settings.metrics_port)
            self.port = self._listener.start(port)
        except BaseException:
            self.metrics.stop()
            self.inbox.close()
            raise
        self._reader.start()
        self._arrived.set()
        self._run("sorter", self._sort)
        for worker in self._couriers:
            self._run(f"worker {worker.target or worker.kind}", lambda worker=worker: self._deliver(worker))
        log.info("Listening on %s, port %d, as %s", self._settings.address, self.port, self._settings.ae_title)

    def stop(self) -> None:
        """Take no more, end what is being delivered, and close; the rest waits in the inbox for the next start."""
        self._listener.stop()
        self._stop.set()
        self._arrived.set()
        self._sorted.set()
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        if any(thread.is_alive() for thread in self._threads):
            log.warning("A destination does not answer; its images are sent again after the next start")
        self._reader.close()
        self.metrics.stop()
        self.inbox.close()
        log.info("Stopped")

    def _run(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"LesionKit {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _sort(self) -> None:
        forgotten = time.monotonic()
        while not self._stop.is_set():
            self._arrived.wait(IDLE_S)
            if self._arrived.is_set() and self._settings.batch_wait_s:
                self._stop.wait(self._settings.batch_wait_s)  # so that a batch comes together
            self._arrived.clear()
            while not self._stop.is_set() and self._attempt(self._sorter.sort_some):
                self._sorted.set()
            if self._attempt(self._sorter.groups.release_quiet):
                self._sorted.set()
            if time.monotonic() - forgotten > FORGET_EVERY_S:
                forgotten = time.monotonic()
                self._attempt(lambda: self.inbox.journal.forget(86400 * self._settings.keep_days))

    def _deliver(self, worker: DeliveryWorker) -> None:
        while not self._stop.is_set():
            if not self._attempt(lambda: worker.deliver_due(self._stop)):
                self._sorted.wait(IDLE_S)
                self._sorted.clear()

    def _attempt(self, work: Callable[[], int]) -> int:
        """A thread must go on whatever happens, a full disk under the journal for example."""
        try:
            return work()
        except Exception as error:
            if not self._stop.is_set():
                log.error("%s: %s", threading.current_thread().name, type(error).__name__)
                self._stop.wait(IDLE_S)
            return 0

    def _on_result(self, task: DeliveryTask, result: DeliveryResult, finished: bool) -> None:
        place = task.delivery.target if task.delivery.kind != FOLDER else FOLDER
        if result.state != DONE:
            self.metrics.failed(place)
            log.warning("%s: not delivered to %s (%s)", task.image.id[:12], place, result.note)
        elif finished:
            self.metrics.delivered(task.image.held, time.time() - task.image.received)
            log.info("%s: %s", task.image.id[:12], "held for a person" if task.image.held else "delivered")
