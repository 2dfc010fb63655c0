"""From predictions for single slices to a decision on a study: calibration, how slices vote, unusual images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

VOTING_SHARE = 1 / 3  # of the slices that show lung, the most suspicious ones vote
FEWEST_VOTES = 3
LUNG_IN_SLICE = 0.02  # a slice votes when lung covers at least this share of its frame
UNUSUAL_PERCENTILE = 99.0  # of the errors on training images held out
RULE = (
    f"Each slice that shows lung gets a calibrated probability; the study's is the mean of the highest "
    f"third of them, at least {FEWEST_VOTES} slices. Positive from {{threshold:.2f}} on. "
    "A single picture has its own probability."
)
DISCLAIMER = "not a diagnosis"
CONVINCING_AUC = 0.85  # below it, every decision is shown with its accuracy on a source that nothing was learned from


@dataclass(frozen=True)
class Calibration:
    """How a network's logits are read: probability = sigmoid(logit / temperature + offset), positive from threshold.

    Temperature as in Guo et al. 2017 (arXiv 1706.04599), with an offset for another share of positives (Platt 1999).
    redraw_limit: reconstruction error above which an image is unusual; None where the network reconstructs nothing.
    heat_full: evidence (logit units of the activation map) that is shown as 100 %.
    """

    temperature: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5
    redraw_limit: float | None = None
    heat_full: float = 8.0

    def probability(self, logit: np.ndarray | float) -> np.ndarray:
        """Probabilities 0..1 of the logits."""
        z = np.asarray(logit, float) / self.temperature + self.offset
        return 1 / (1 + np.exp(-np.clip(z, -50, 50)))

    def card(self) -> dict:
        """As it stands in a model card, under "decision"."""
        return asdict(self)

    @classmethod
    def of_card(cls, card: dict) -> Calibration:
        """From a model card; the plain logistic function where it says nothing."""
        return cls(**card.get("decision", {}))


def fit_calibration(truth: Sequence[int], logit: Sequence[float], errors: Sequence[float] | None = None) -> Calibration:
    """Temperature and offset of the highest likelihood; errors: of reconstructions, for their limit.

    truth: 0 or 1 of each image. A weak prior (temperature 1, offset 0) keeps few or separable images from giving
    probabilities of 0 and 1. With one class only nothing is fitted.
    """
    from scipy.optimize import minimize

    truth, logit = np.asarray(truth, float), np.asarray(logit, float)
    limit = None if errors is None else float(np.percentile(errors, UNUSUAL_PERCENTILE))
    if len(set(truth.tolist())) < 2:
        return Calibration(redraw_limit=limit)

    def cost(values: np.ndarray) -> float:
        z = logit * np.exp(-values[0]) + values[1]
        return float((np.logaddexp(0, z) - truth * z).sum() + 0.5 * (values[0] ** 2 + values[1] ** 2))

    log_temperature, offset = minimize(cost, np.zeros(2), method="Nelder-Mead").x
    return Calibration(float(np.exp(log_temperature)), float(offset), 0.5, limit)


def study_probability(probabilities: Iterable[float]) -> float | None:
    """The study's probability from those of its slices that show lung (see RULE); None without any."""
    ordered = np.sort(np.asarray(list(probabilities), float))[::-1]
    if not len(ordered):
        return None
    votes = max(FEWEST_VOTES, int(np.ceil(VOTING_SHARE * len(ordered))))
    return float(ordered[:votes].mean())


@dataclass(frozen=True)
class SlicePredictions:
    """Of one network and each slice (n): logits; lung: share of the frame; errors: of reconstructions or None."""

    logits: np.ndarray
    lung: np.ndarray
    errors: np.ndarray | None = None

    @property
    def votes(self) -> np.ndarray:
        """Which slices vote."""
        return self.lung >= LUNG_IN_SLICE


def decide(predictions: list[tuple[SlicePredictions, Calibration]], accuracy: str = "") -> dict | None:
    """A result's decision: covid_probability, positive, threshold, slices (that could vote), rule, accuracy.

    accuracy: what accuracy_sentence says of the networks. Several networks: the means of their probabilities and
    thresholds. Where a network finds the image unlike its training images, covid_probability and positive are None and
    ``reason`` says so. None when no network decides or no slice shows lung.
    """
    if not predictions:
        return None
    found = [study_probability(c.probability(a.logits[a.votes])) for a, c in predictions]
    if any(value is None for value in found):
        return None
    probability, threshold = float(np.mean(found)), float(np.mean([c.threshold for _, c in predictions]))
    decision = {
        "covid_probability": probability,
        "positive": probability >= threshold,
        "threshold": threshold,
        "slices": int(predictions[0][0].votes.sum()),
        "rule": RULE.format(threshold=threshold),
        "accuracy": accuracy,
    }
    if any(is_unusual(a, c) for a, c in predictions):
        decision |= {"covid_probability": None, "positive": None, "reason": UNUSUAL_REASON}
    return decision


def accuracy_sentence(cards: list[dict]) -> str:
    """How well the networks of these model cards decide on a source that nothing was learned from; "" where all reach
    CONVINCING_AUC, or a card tells nothing."""
    known = [card["decision_evidence"] for card in cards if "decision_evidence" in card]
    if not known or all((e["auc"]["low"] or 0) >= CONVINCING_AUC for e in known):
        return ""
    parts = [
        "{mean:.2f} [{low:.2f}, {high:.2f}] ({network}, {patients} patients)".format(**e["auc"], **e) for e in known
    ]
    return (
        "On patients of a hospital from which nothing was learned, the area under the ROC curve of this decision is "
        f"{', '.join(parts)}; 0.5 is a guess, 1 is always right."
    )


def decision_texts(decision: dict) -> tuple[str, str]:
    """What a decision says (probability and word, or that nothing can be said), and how it was made and how good it
    is."""
    rest = " ".join(text for text in (decision.get("rule"), decision.get("accuracy")) if text)
    if decision["covid_probability"] is None:
        return f"COVID-19 pneumonia: cannot say. {decision['reason']}", rest
    word = "positive" if decision["positive"] else "negative"
    return f"COVID-19 pneumonia: probability {decision['covid_probability']:.2f}, {word}; {DISCLAIMER}.", rest


def is_unusual(predictions: SlicePredictions, calibration: Calibration) -> bool:
    """Whether most slices with lung are reconstructed worse than 99 % of the training images held out."""
    if predictions.errors is None or calibration.redraw_limit is None or not predictions.votes.any():
        return False
    return float(np.median(predictions.errors[predictions.votes])) > calibration.redraw_limit


UNUSUAL_REASON = "This image is unlike the training data."
UNUSUAL_NOTE = (
    "This image is unlike the training data: the network reconstructs it worse than 99 % of them. "
    "Look at the result with more doubt."
)
