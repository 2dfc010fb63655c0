"""The running service: listener, sorter, one worker for each destination, metrics; started and stopped in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from BodyPartRouterLib.reading.header_values import keep_header_text_out_of_the_log
from BodyPartRouterLib.routing.configuration.rules import Rules
from BodyPartRouterLib.routing.delivery.retry_policy import DONE, DeliveryResult
from BodyPartRouterLib.routing.journal.journal import DeliveryTask
from BodyPartRouterLib.routing.plan import FOLDER
from BodyPartRouterLib.routing.reader_process import ReaderProcess
from LesionKitLib.run.errors import UnusableInput

from .deliveries import Deliveries
from .inbox import MEGABYTE, Inbox
from .listener import Listener, refuse_open_doors
from .metrics import Metrics
from .page import Page
from .receiver import Receiver
from .sorter import Sorter
from .stow_listener import StowListener

if TYPE_CHECKING:
    from BodyPartRouterLib.classification.classifier import Classifier

IDLE_S = 0.5  # how long a thread without work sleeps, unless it is woken
FORGET_EVERY_S = 3600.0
STOP_S = 30.0  # what is being delivered at the end may take so long
log = logging.getLogger(__name__)


class Service:
    """Started by start(), stopped by stop(); until then images are received, classified and delivered on threads."""

    def __init__(self, rules: Rules, classifier: Classifier, read_rules: Callable[[], Rules] | None = None):
        refuse_open_doors(rules.service)
        settings = self._settings = rules.service
        self.rules, self._read_rules = rules, read_rules
        self.inbox = Inbox(settings.data, settings.min_free_mb)
        try:
            self._build(rules, classifier)
        except BaseException:
            self.inbox.close()
            raise

    def _build(self, rules: Rules, classifier: Classifier) -> None:
        """The parts, none of them started."""
        settings = self._settings
        self.metrics = Metrics(self.inbox.journal.counts, self.inbox.journal.destinations)
        self._stop = threading.Event()
        self._arrived = threading.Event()
        self._reader = ReaderProcess()
        self._sorter = Sorter(self.inbox, rules, classifier, self.metrics, self._reader)
        limit = int(settings.max_object_mb * MEGABYTE)
        receiver = Receiver(self.inbox, self.metrics, limit, self._arrived.set)
        self._listener = Listener(settings, receiver, self.metrics)
        self._stow = StowListener(settings, receiver)
        self._page = Page(self, settings)
        self._deliveries = Deliveries(self.inbox.journal, rules, self._on_result)
        self._threads: list[threading.Thread] = []
        self.port = self.metrics_port = self.page_port = self.stow_port = None

    def start(self, port: int) -> None:
        """Put in order what a crash has left, then work. Raises UnusableInput when a port cannot be had."""
        keep_header_text_out_of_the_log()
        found = self.inbox.recover()
        if found:
            log.info("%d images had been received before a crash", found)
        try:
            self.metrics_port = self.metrics.start(self._settings.metrics_port)
            self.page_port = self._page.start(self._settings.page_port)
            self.stow_port = self._stow.start(self._settings.stow_port)
            self.port = self._listener.start(port)
        except BaseException:
            self._stow.stop()
            self._page.stop()
            self.metrics.stop()
            self.inbox.close()
            raise
        self._reader.start()
        self._arrived.set()
        self._run("sorter", self._sort)
        self._deliveries.start()
        log.info("Listening on %s, port %d, as %s", self._settings.address, self.port, self._settings.ae_title)

    def stop(self) -> None:
        """Take no more, end what is being delivered, and close; the rest waits in the inbox for the next start."""
        self._listener.stop()
        self._stow.stop()
        self._stop.set()
        self._arrived.set()
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        if not self._deliveries.stop(deadline):
            log.warning("A destination does not answer; its images are sent again after the next start")
        self._page.stop()
        self._reader.close()
        self.metrics.stop()
        self.inbox.close()
        log.info("Stopped")

    def reload(self) -> None:
        """Read the rules again and go by them from the next image on; also destinations may be others.

        Wrong rules are refused with UnusableInput, and the old ones stay. The service's settings wait for its start.
        """
        if self._read_rules is None:
            raise UnusableInput("The service was started without a rules file.")
        rules = self._read_rules()
        if rules.service != self._settings:
            log.warning("Settings of the service are taken at its next start")
        self.rules = rules = replace(rules, service=self._settings)
        self._sorter.use(rules)
        self._deliveries.use(rules)
        log.info("The rules were read again")

    def retry(self, name: str) -> None:
        """Try a destination again at once that waits after failures."""
        self._deliveries.retry(name)

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
                self._deliveries.wake()
            if self._attempt(self._sorter.groups.release_quiet):
                self._deliveries.wake()
            if time.monotonic() - forgotten > FORGET_EVERY_S:
                forgotten = time.monotonic()
                self._attempt(lambda: self.inbox.journal.forget(86400 * self._settings.keep_days))

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
