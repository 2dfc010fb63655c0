"""The delivery workers of the service, one for each destination and one for all folders, each on its own thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from BodyPartRouterLib.routing.configuration.rules import Rules
from BodyPartRouterLib.routing.delivery.delivery_worker import DeliveryWorker
from BodyPartRouterLib.routing.delivery.retry_policy import RetryPolicy
from BodyPartRouterLib.routing.journal.journal import Journal
from BodyPartRouterLib.routing.plan import FOLDER
from BodyPartRouterLib.routing.route_files import sender_of

IDLE_S = 0.5  # how long a worker without work sleeps, unless it is woken
log = logging.getLogger(__name__)


class _Post:
    """A worker, its thread, and the settings of its destination. Its thread goes on whatever happens.

    before: the thread of the one that it follows, which may still be delivering.
    """

    def __init__(self, worker: DeliveryWorker, settings, before: threading.Thread | None):
        self.worker, self.settings, self._before = worker, settings, before
        self.woken, self._stop = threading.Event(), threading.Event()
        name = f"LesionKit delivery to {worker.target or worker.kind}"
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def end(self) -> None:
        self._stop.set()
        self.woken.set()

    def _run(self) -> None:
        if self._before is not None:
            self._before.join()
        while not self._stop.is_set():
            if not self._deliver():
                self.woken.wait(IDLE_S)
                self.woken.clear()

    def _deliver(self) -> int:
        try:
            return self.worker.deliver_due(self._stop)
        except Exception as error:  # a full disk under the journal, for example
            if not self._stop.is_set():
                log.error("%s: %s", threading.current_thread().name, type(error).__name__)
            return 0


class Deliveries:
    """on_result: as that of DeliveryWorker."""

    def __init__(self, journal: Journal, rules: Rules, on_result: Callable):
        self._journal, self._rules, self._on_result = journal, rules, on_result
        self._posts: dict[str, _Post] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        self.use(self._rules)

    def use(self, rules: Rules) -> None:
        """Workers for the destinations of these rules; those of destinations that stay as they are go on.

        Deliveries to a destination that is no longer there fail, so that a person sees them.
        """
        with self._lock:
            self._rules = rules
            wanted = {FOLDER: (FOLDER, None, None)}
            wanted |= {name: (place.kind, name, place) for name, place in rules.destinations.items()}
            ended = {}
            for name, post in list(self._posts.items()):
                if name not in wanted or post.settings != wanted[name][2]:
                    post.end()
                    ended[name] = self._posts.pop(name).thread
            for name, (kind, target, settings) in wanted.items():
                if name not in self._posts:
                    self._posts[name] = self._post(kind, target, settings, ended.get(name))
        self._journal.fail_without_destination(rules.destinations)

    def wake(self) -> None:
        """There may be something to deliver."""
        with self._lock:
            for post in self._posts.values():
                post.woken.set()

    def retry(self, name: str) -> None:
        """Try this destination at once."""
        self._journal.make_due(name)
        with self._lock:
            post = self._posts.get(name)
        if post is not None:
            post.worker.resume()
            post.woken.set()

    def stop(self, deadline: float) -> bool:
        """End what is being delivered; False when a worker has not ended by then (monotonic clock)."""
        posts = list(self._posts.values())
        for post in posts:
            post.end()
        for post in posts:
            post.thread.join(max(deadline - time.monotonic(), 0.0))
        return not any(post.thread.is_alive() for post in posts)

    def _post(self, kind: str, target: str | None, settings, before: threading.Thread | None) -> _Post:
        service = self._rules.service
        policy = RetryPolicy(service.first_wait_s, service.longest_wait_s, service.attempts)
        sender = sender_of(self._rules, kind, target)
        hours = settings.hours if settings is not None else None
        worker = DeliveryWorker(self._journal, sender, kind, target, policy, self._on_result, hours=hours)
        post = _Post(worker, settings, before)
        post.thread.start()
        return post
