"""Making the deliveries that are due, and waiting longer each time that one fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from .files import put_file
from .journal import Journal, Parcel
from .naming import file_name

DONE, LATER, REFUSED = "done", "later", "refused"
BATCH = 32
log = logging.getLogger(__name__)


class Unreachable(Exception):
    """The destination takes nothing at the moment; says why, without anything of an image in it."""


@dataclass(frozen=True)
class Outcome:
    """Of one delivery. DONE; LATER: not this image's fault, tried until it works; REFUSED: tried so many times."""

    state: str
    note: str = ""


Sender = Callable[[Sequence[Parcel]], Iterable[Outcome]]  # outcomes in the parcels' order; may raise Unreachable


@dataclass(frozen=True)
class Patience:
    """Waits double from first_s to longest_s; after so many refusals a delivery is given up.

    endless: LATER is tried until it works; otherwise it is given up like a refusal.
    """

    first_s: float = 2.0
    longest_s: float = 300.0
    attempts: int = 20
    endless: bool = True

    def gives_up(self, outcome: Outcome, failures: int) -> bool:
        """Whether this outcome, after so many failures before it, was the last try."""
        return (outcome.state == REFUSED or not self.endless) and failures + 1 >= self.attempts

    def wait_s(self, failures: int) -> float:
        """After this many failures in a row (0 is the first)."""
        return min(self.first_s * 2.0 ** min(failures, 30), self.longest_s)


class Courier:
    """Serves one destination, or all folders (target None). on_outcome(parcel, outcome, finished): after each.

    outages: how many times in a row the destination took nothing; outage: why.
    """

    def __init__(
        self,
        journal: Journal,
        sender: Sender,
        kind: str,
        target: str | None = None,
        patience: Patience | None = None,
        on_outcome: Callable[[Parcel, Outcome, bool], None] = lambda parcel, outcome, finished: None,
        clock=time.time,
    ):
        self.kind, self.target = kind, target
        self._journal, self._sender = journal, sender
        self._patience = patience or Patience()
        self._on_outcome, self._clock = on_outcome, clock
        self.outages = 0
        self.outage = ""
        self.paused_until = 0.0  # seconds since 1970

    def deliver_due(self, stop: threading.Event | None = None) -> int:
        """Make deliveries that are due, one batch at most; how many were attempted. Ends early when ``stop`` is set."""
        if self._clock() < self.paused_until:
            return 0
        parcels = self._journal.due(self.kind, self.target, BATCH)
        if not parcels:
            return 0
        count = 0
        try:
            with closing(_generator(self._sender(parcels))) as outcomes:
                for parcel, outcome in zip(parcels, outcomes, strict=False):
                    self._note(parcel, outcome)
                    count += 1
                    self.outages = 0
                    self.outage = ""
                    if stop is not None and stop.is_set():
                        break
        except Unreachable as error:
            self._pause(str(error))
        except Exception as error:  # of a library: the destination is left alone for a while, nothing is lost
            log.warning("Delivering to %s failed: %s", self.target or self.kind, type(error).__name__)
            self._pause(type(error).__name__)
        return count

    def _pause(self, why: str) -> None:
        wait = self._patience.wait_s(self.outages)
        self.outages += 1
        self.outage = why
        self.paused_until = self._clock() + wait
        log.warning("%s takes nothing (%s); trying again in %.0f s", self.target or self.kind, why, wait)

    def _note(self, parcel: Parcel, outcome: Outcome) -> None:
        finished = False
        if outcome.state == DONE:
            finished = self._journal.done(parcel, outcome.note)
            if finished and parcel.image.removes_source:
                with suppress(OSError):  # a source that stays is not delivered again: the journal knows it
                    parcel.image.path.unlink()
        elif self._patience.gives_up(outcome, parcel.attempts):
            self._journal.give_up(parcel, outcome.note)
            log.warning("%s: given up (%s)", parcel.image.id[:12], outcome.note)
        else:
            self._journal.retry(parcel, outcome.note, self._patience.wait_s(parcel.attempts))
        self._on_outcome(parcel, outcome, finished)


def send_to_folders(parcels: Sequence[Parcel]) -> Iterable[Outcome]:
    """Each file into the folder that its delivery names; the note is where it lies then."""
    from pathlib import Path

    for parcel in parcels:
        image = parcel.image
        try:
            name = file_name(image.path, image.uid, image.digest)
            target = put_file(image.path, Path(parcel.delivery.target), name, image.digest)
            yield Outcome(DONE, str(target))
        except FileNotFoundError:
            gone = not image.path.exists()
            yield Outcome(REFUSED if gone else LATER, "the file is gone" if gone else "the folder is gone")
        except OSError as error:
            yield Outcome(LATER, error.strerror or str(error))


def _generator(outcomes: Iterable[Outcome]):
    yield from outcomes
