"""How well the networks' decisions agree with the labels of single pictures (ct/classify), per source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CovidLungQuantLib.classification.decision import Calibration
from LesionKitLib.imaging.metrics import area_under_curve, expected_calibration_error, with_interval
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.covid_decisions import DecisionPicture, decision_pictures


@dataclass(frozen=True)
class DecisionScore:
    """One picture: its truth (1 or 0) and the probability that was given; patient: where not known, the picture."""

    source: str
    patient: str
    name: str
    covid: int
    probability: float


def score_pictures(
    members: list[tuple[object, Calibration]],
    pictures: list[DecisionPicture],
    device: str = "auto",
    progress: Progress | None = None,
) -> list[DecisionScore]:
    """members: networks with a decision and their calibrations; their probabilities are averaged."""
    logits = [predict_pictures(network, pictures, device, progress)[0] for network, _ in members]
    means = np.mean([c.probability(values) for values, (_, c) in zip(logits, members, strict=True)], 0)
    return [
        DecisionScore(item.source, item.patient or item.name, item.name, item.covid, float(p))
        for item, p in zip(pictures, means, strict=True)
    ]


def predict_pictures(
    network, pictures: list[DecisionPicture], device: str = "auto", progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits (n), and errors of the reconstructions (n) where the network gives any."""
    from LesionKitLib.models.inference import choose_runtime

    from .covid_pictures import decide_picture

    progress, runtime = progress or Progress(), choose_runtime(device)
    network, predictions = network.to(runtime.device), []
    with runtime.autocast():
        for n, item in enumerate(pictures):
            progress.report("evaluating", n / len(pictures))
            predictions.append(decide_picture(network, item.gray))
    errors = [a.error for a in predictions]
    return np.array([a.logit for a in predictions]), None if None in errors else np.array(errors)


def decision_metrics(scores: list[DecisionScore], threshold: float) -> dict:
    """{metric: {mean, low, high}} with intervals over patients; metrics auc, sensitivity, specificity, accuracy, f1,
    calibration_error; and n."""
    truth = np.array([s.covid for s in scores]) > 0
    probability = np.array([s.probability for s in scores])
    called = probability >= threshold

    def share(chosen: np.ndarray, predicted: np.ndarray):
        return lambda rows: float(predicted[rows][chosen[rows]].mean()) if chosen[rows].any() else float("nan")

    def f1(rows: np.ndarray) -> float:
        total = truth[rows].sum() + called[rows].sum()
        return float(2 * (truth & called)[rows].sum() / total) if total else float("nan")

    statistics = {
        "auc": lambda rows: area_under_curve(truth[rows], probability[rows]),
        "sensitivity": share(truth, called),
        "specificity": share(~truth, ~called),
        "accuracy": lambda rows: float((truth == called)[rows].mean()),
        "f1": f1,
        "calibration_error": lambda rows: expected_calibration_error(truth[rows], probability[rows]),
    }
    patients = [f"{s.source}/{s.patient}" for s in scores]
    return {name: with_interval(f, patients) for name, f in statistics.items()} | {"n": len(scores)}


def decision_document(scores: list[DecisionScore], network: str, version: str, split: str, threshold: float) -> dict:
    """The document of ``lesionkit evaluate covid-class``."""
    sources = sorted({s.source for s in scores})
    return {
        "task": "covid-class",
        "network": network,
        "version": version,
        "split": split,
        "n": len(scores),
        "threshold": threshold,
        "metrics": {"infection": decision_metrics(scores, threshold)},
        "per_source": {
            name: {"infection": decision_metrics([s for s in scores if s.source == name], threshold)}
            for name in sources
        },
    }


def evaluate_decisions(
    data: Path, split: str, network: str, device: str = "auto", progress: Progress | None = None
) -> tuple[dict, list[DecisionScore]]:
    """The document and the single scores. Raises UnusableInput for a folder without such data or a network without a
    decision."""
    from CovidLungQuantLib.networks.registry import deciding_members, load_network, version_of

    names = deciding_members(network)
    if not names:
        raise UnusableInput(f"The network '{network}' gives no decision; choose jcs, multitask or ensemble.")
    pictures = list(decision_pictures(data, split))
    loaded = [load_network(name) for name in names]
    members = [(net, Calibration.of_card(model.card)) for model, net in loaded]
    scores = score_pictures(members, pictures, device, progress)
    threshold = float(np.mean([c.threshold for _, c in members]))
    return decision_document(scores, network, version_of([m for m, _ in loaded]), split, threshold), scores
