"""What the classifier says about one X-ray."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """label: one of labels.CLASSES, or labels.UNKNOWN when ``held``.

    probability: calibrated, of the likeliest class, also when held. probabilities: of each of labels.CLASSES; together
    with the share of "not an X-ray of these" they sum to 1. reason: one sentence why it is held, else None.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    held: bool
    reason: str | None = None

    @property
    def likeliest(self) -> str:
        """The likeliest class, also when held."""
        return max(self.probabilities, key=self.probabilities.__getitem__)
