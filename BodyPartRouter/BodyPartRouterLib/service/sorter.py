"""Classifies what has arrived, in batches, and writes down where each image goes."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from BodyPartRouterLib.labels import UNKNOWN
from BodyPartRouterLib.routing.configuration.rules import Rules
from BodyPartRouterLib.routing.examination import Examined, examine
from BodyPartRouterLib.routing.file_reading import Reader, read_file
from BodyPartRouterLib.routing.journal.journal import Image
from BodyPartRouterLib.routing.plan import Plan, make_plan
from BodyPartRouterLib.routing.reader_process import STOPPED

from .completed_groups import CompletedGroups
from .inbox import Inbox
from .service_folders import in_service

if TYPE_CHECKING:
    from BodyPartRouterLib.classification.classifier import Classifier

    from .metrics import Metrics

MOST_STARTS = 2  # examinations of one image that ended with the program's end
NO_UID = "The image names no SOP Instance UID."
SAME_UID = "Another image with the same SOP Instance UID was received before."
log = logging.getLogger(__name__)


class Sorter:
    """classifier: anything with predict(list[Xray]) -> list[Prediction]."""

    def __init__(
        self, inbox: Inbox, rules: Rules, classifier: Classifier, metrics: Metrics, reader: Reader = read_file
    ):
        self._inbox, self._rules, self._classifier, self._metrics = inbox, rules, classifier, metrics
        self._reader = reader
        self.groups = CompletedGroups(inbox.journal, rules.service.quiet_s)

    def use(self, rules: Rules) -> None:
        """These rules from the next image on."""
        self._rules = rules

    def sort_some(self) -> int:
        """One batch of what waits; how many images."""
        images = self._inbox.journal.waiting(self._rules.service.batch)
        if not images:
            return 0
        if images[0].starts >= MOST_STARTS:
            self._hold(images[0], STOPPED)
            return 1
        started = time.perf_counter()
        self._inbox.journal.begin_examination(images)
        try:
            self._examine(images)
        except Exception:
            self._inbox.journal.end_examination(images)
            raise
        self._metrics.batch(time.perf_counter() - started)
        return len(images)

    def _examine(self, images: Sequence[Image]) -> None:
        paths = [image.path for image in images]
        found = examine(paths, self._classifier, self._rules.keywords, batch=len(paths), reader=self._reader)
        for image, examined in zip(images, found, strict=True):
            self._enter(image, replace(examined, sender=image.sender))

    def _enter(self, image: Image, examined: Examined) -> None:
        self.groups.note(examined.values)
        plan = self._plan(image, examined)
        prediction = examined.prediction
        self._inbox.journal.classify(
            image, in_service(plan, self._inbox.folder), examined.label, prediction.probability if prediction else None
        )
        self._metrics.classified(examined.label)
        log.info("%s: %s, %s", image.id[:12], examined.label, plan.rule)

    def _hold(self, image: Image, reason: str) -> None:
        plan = in_service(Plan("none", (), held=True, reason=reason), self._inbox.folder)
        self._inbox.journal.classify(image, plan, UNKNOWN, None)
        log.warning("%s: held (%s)", image.id[:12], reason)

    def _plan(self, image: Image, examined: Examined) -> Plan:
        if not examined.uid and examined.header is not None:
            return Plan("no UID", (), held=True, reason=NO_UID)
        if self._inbox.journal.earlier_with_uid(image):
            return Plan("same UID", (), held=True, reason=SAME_UID)
        return make_plan(examined, self._rules)
