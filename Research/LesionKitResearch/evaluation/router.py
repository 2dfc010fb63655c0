"""How well the router names body parts: F1, precision and recall with intervals, per class and per source."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BodyPartRouterLib.classification.classifier import Classifier, load_classifier
from BodyPartRouterLib.classification.prediction import Prediction
from BodyPartRouterLib.labels import CHESTS, CLASSES, UNKNOWN
from BodyPartRouterLib.reading.xray_file import read_xray
from LesionKitLib.imaging.metrics import DRAWS, INTERVAL, SEED, with_interval
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.calibration.router import calibration_error
from LesionKitResearch.datasets.router import AGE_UNKNOWN, image_path, index_rows

BATCH = 32
METRICS = ("f1", "precision", "recall")


@dataclass(frozen=True)
class Scored:
    """One image: what it shows, what the router says, where it comes from."""

    id: str
    truth: str
    source: str
    patient: str
    prediction: Prediction


def score(
    data: Path, split: str, classifier: Classifier, progress: Progress | None = None
) -> tuple[list[Scored], float]:
    """Predictions for all rows of the index, and seconds per image for all but reading."""
    rows = index_rows(data, split).to_dict("records")
    progress, scored, seconds = progress or Progress(), [], 0.0
    for start in range(0, len(rows), BATCH):
        progress.report("evaluating", start / len(rows))
        part = rows[start : start + BATCH]
        xrays = [read_xray(image_path(data, row)) for row in part]
        clock = time.perf_counter()
        predictions = classifier.predict(xrays)
        seconds += time.perf_counter() - clock
        for row, prediction in zip(part, predictions, strict=True):
            scored.append(Scored(row["id"], row["class"], row["source"], row["patient"] or row["id"], prediction))
    return scored, seconds / len(rows)


def evaluate_router(
    data: Path, split: str, network: str, device: str = "auto", progress: Progress | None = None
) -> tuple[dict, list[Scored]]:
    """The document that ``lesionkit evaluate router`` prints, and the predictions behind it. Raises UnusableInput.

    metrics: of the likeliest class of every image, held ones included (as the published figures are); "answered": of
    the images that were not held; "strict": held images count as missed. Chests of unknown age are not in these.
    """
    classifier = load_classifier(network, device)
    scored, seconds = score(data, split, classifier, progress)
    certain = [s for s in scored if s.truth != AGE_UNKNOWN]
    if not certain:
        raise UnusableInput(f"'{data}' holds no X-ray of a known class in the split '{split}'.")
    document = {
        "task": "router",
        "network": network,
        "version": classifier.version,
        "split": split,
        "n": len(certain),
        "metrics": metrics_of(certain),
        "strict": {"macro": macro_of(certain, "strict")},
        "answered": {"macro": macro_of([s for s in certain if not s.prediction.held])},
        "held": held_of(certain),
        "calibration_error": _calibration(certain),
        "confusion": confusion(certain).tolist(),
        "confusion_labels": [*CLASSES, UNKNOWN],
        "seconds_per_image": seconds,
        "device": classifier.runtime.description,
        "per_source": by_source(certain),
    }
    chests = [s for s in scored if s.truth == AGE_UNKNOWN]
    if chests:
        document["chest_age_unknown"] = {
            "n": len(chests),
            "chest": float(np.mean([s.prediction.likeliest in CHESTS for s in chests])),
            "held": held_of(chests),
        }
    return document, scored


def metrics_of(scored: list[Scored]) -> dict[str, dict]:
    """{macro and each class: {f1, precision, recall: {mean, low, high}, n}}, bootstrapped by patient."""
    whole, draws, truth = _rates(scored)
    figures = {"macro": _macro(whole, draws, truth)}
    for n, name in enumerate(CLASSES):
        rates = {metric: _figure(whole[metric][0, n], draws[metric][:, n]) for metric in METRICS}
        figures[name] = {**rates, "n": int(truth[:, n].sum())}
    return figures


def macro_of(scored: list[Scored], manner: str = "likeliest") -> dict[str, dict]:
    """Means over the classes that occur. manner: "likeliest", or "strict", where held images are missed."""
    return _macro(*_rates(scored, manner)) if scored else {}


def _macro(whole: dict, draws: dict, truth: np.ndarray) -> dict[str, dict]:
    def mean(rates: dict, metric: str) -> np.ndarray:
        occurs = np.isfinite(rates["recall"])
        return np.where(occurs, np.nan_to_num(rates[metric]), 0).sum(1) / occurs.sum(1)

    figures = {metric: _figure(mean(whole, metric)[0], mean(draws, metric)) for metric in METRICS}
    return {**figures, "n": len(truth)}


def _rates(scored: list[Scored], manner: str = "likeliest") -> tuple[dict, dict, np.ndarray]:
    """Rates of all images, rates of DRAWS bootstrap samples of whole patients, and the truth, bool (n, 5)."""
    truth, said = _one_hot(scored, manner)
    names, patient = np.unique([f"{s.source}/{s.patient}" for s in scored], return_inverse=True)
    counts = np.zeros((3, len(names), len(CLASSES)))
    for which, hits in enumerate((truth & said, truth, said)):
        np.add.at(counts[which], patient, hits)
    chosen = np.random.default_rng(SEED).integers(len(names), size=(DRAWS, len(names)))
    times = np.stack([np.bincount(row, minlength=len(names)) for row in chosen])
    return rates_of(counts.sum(1)[:, None]), rates_of(times @ counts), truth


def rates_of(counts: np.ndarray) -> dict[str, np.ndarray]:
    """F1, precision and recall from counts (named rightly, occurring, named) of shape (3, ..., 5); NaN for 0 / 0."""
    both, occurs, named = counts
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"f1": 2 * both / (occurs + named), "precision": both / named, "recall": both / occurs}


def _figure(mean: float, draws: np.ndarray) -> dict[str, float | None]:
    """As LesionKitLib.imaging.metrics.with_interval gives it."""
    finite = draws[np.isfinite(draws)]
    if not np.isfinite(mean) or not len(finite):
        return {"mean": None, "low": None, "high": None}
    low, high = np.percentile(finite, INTERVAL)
    return {"mean": float(mean), "low": float(low), "high": float(high)}


def by_source(scored: list[Scored]) -> dict[str, dict]:
    """For each source: share named right (accuracy), and recall and F1 of each class that it holds."""
    found = {}
    for source in sorted({s.source for s in scored}):
        part = [s for s in scored if s.source == source]
        patients = [s.patient for s in part]
        right = np.array([s.prediction.likeliest == s.truth for s in part])
        classes = [name for name in CLASSES if any(s.truth == name for s in part)]
        metrics = metrics_of(part)
        found[source] = {
            "macro": {
                **metrics["macro"],
                "accuracy": with_interval(lambda rows, r=right: float(r[rows].mean()), patients),
            },
            **{name: metrics[name] for name in classes},
            "held": held_of(part),
        }
    return found


def held_of(scored: list[Scored]) -> dict:
    """The share passed on to a person, with its interval."""
    held = np.array([s.prediction.held for s in scored])
    return {**_share(held, [f"{s.source}/{s.patient}" for s in scored]), "n": int(held.sum())}


def _share(which: np.ndarray, patients: list[str]) -> dict[str, float | None]:
    return with_interval(lambda rows: float(which[rows].mean()), patients)


def confusion(scored: list[Scored]) -> np.ndarray:
    """Images by true class (rows) and answer (columns; the last: held), int (5, 6)."""
    names = [*CLASSES, UNKNOWN]
    table = np.zeros((len(CLASSES), len(names)), int)
    for s in scored:
        table[CLASSES.index(s.truth), names.index(s.prediction.label)] += 1
    return table


def _calibration(scored: list[Scored]) -> float:
    chances = np.array([s.prediction.probability for s in scored])
    return calibration_error(chances, np.array([s.prediction.likeliest == s.truth for s in scored]))


def _one_hot(scored: list[Scored], manner: str = "likeliest") -> tuple[np.ndarray, np.ndarray]:
    """(truth, said), each bool (n, 5)."""
    strict = manner == "strict"
    said = [s.prediction.label if strict else s.prediction.likeliest for s in scored]
    names = np.array(CLASSES)
    return np.array([s.truth for s in scored])[:, None] == names, np.array(said)[:, None] == names
