"""What became of a delivery, and how long to wait before the next try."""

from __future__ import annotations

from dataclasses import dataclass

DONE, LATER, REFUSED, IMPOSSIBLE, UNCLEAR = "done", "later", "refused", "impossible", "unclear"


class DestinationUnavailable(Exception):
    """The destination takes nothing at the moment; says why, without anything of an image in it."""


@dataclass(frozen=True)
class DeliveryResult:
    """Of one delivery.

    DONE. LATER: not this image's fault, tried until it works. REFUSED: tried so many times. IMPOSSIBLE: the destination
    can never take this image as it is. UNCLEAR: the destination failed at this image, by its own fault or by the
    image's: whether another image passes will tell.
    """

    state: str
    note: str = ""


@dataclass(frozen=True)
class RetryPolicy:
    """Waits double from first_s to longest_s; after so many refusals a delivery is given up.

    endless: what is not the image's fault is tried until it works; otherwise it is given up like a refusal.
    """

    first_s: float = 2.0
    longest_s: float = 300.0
    attempts: int = 20
    endless: bool = True

    def gives_up(self, result: DeliveryResult, failures: int) -> bool:
        """Whether this result, after so many failures before it, was the last try."""
        if result.state == IMPOSSIBLE:
            return True
        return (result.state == REFUSED or not self.endless) and failures + 1 >= self.attempts

    def wait_s(self, failures: int) -> float:
        """After this many failures in a row (0 is the first)."""
        return min(self.first_s * 2.0 ** min(failures, 30), self.longest_s)
