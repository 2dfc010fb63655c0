"""Series and studies that are complete: no image of theirs has come for a while."""

from __future__ import annotations

import time

from BodyPartRouterLib.reading.header_values import Values
from BodyPartRouterLib.routing.configuration.rules import GROUP_KEYWORDS
from BodyPartRouterLib.routing.journal.journal import Journal


class CompletedGroups:
    """Releases the deliveries of groups. After a start each waits its full time again: nobody knows what was missed."""

    def __init__(self, journal: Journal, quiet_s: float, monotonic=time.monotonic):
        self._journal, self._quiet_s, self._monotonic = journal, quiet_s, monotonic
        self._latest: dict[str, float] = {}

    def note(self, values: Values) -> None:
        """An image with these header values has come."""
        for level, keyword in GROUP_KEYWORDS.items():
            for uid in values.get(keyword, ())[:1]:
                self._latest[f"{level}:{uid}"] = self._monotonic()

    def release_quiet(self) -> int:
        """How many groups were found complete."""
        now, waiting = self._monotonic(), self._journal.waiting_groups()
        complete = [key for key in waiting if now - self._latest.setdefault(key, now) >= self._quiet_s]
        if complete:
            self._journal.release_groups(complete)
        self._latest = {key: at for key, at in self._latest.items() if now - at < self._quiet_s}
        return len(complete)
