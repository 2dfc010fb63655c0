"""How well the segmentation network agrees with expert masks on the public FLAIR slices, per plane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.metrics import correlation, with_interval
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke import MIN_LESION_PIXELS, PLANES, SEQUENCES, SliceSet, read_slices
from StrokeSynthLib.segmentation.slice_prediction import LESION_FROM

from .stroke_slices import predict_slices


@dataclass(frozen=True)
class Score:
    """One slice: lesion pixels in the truth, in the prediction, in both; lesions (components of at least
    MIN_LESION_PIXELS) in the truth, those of them that the prediction touches, and components of the prediction that
    touch no lesion (false positives)."""

    source: str
    patient: str
    truth: int
    predicted: int
    both: int
    lesions: int
    touched: int
    false_positives: int = 0

    @property
    def dice(self) -> float:
        return 2 * self.both / (self.truth + self.predicted) if self.truth + self.predicted else float("nan")


def score_slices(slices: SliceSet, predicted: np.ndarray, source: str) -> list[Score]:
    """Scores of a plane's slices; predicted: bool (n, h, w)."""
    return [
        _score(source, str(patient), truth, found)
        for patient, truth, found in zip(slices.ids, slices.masks, predicted, strict=True)
    ]


def _score(source: str, patient: str, truth: np.ndarray, found: np.ndarray) -> Score:

    lesions, touched = _touched(truth, found)
    places, true_places = _touched(found, truth)
    both = int((truth & found).sum())
    return Score(source, patient, int(truth.sum()), int(found.sum()), both, lesions, touched, places - true_places)


def _touched(mask: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Components of a mask of at least MIN_LESION_PIXELS, and how many of them another mask touches."""
    from scipy import ndimage

    components, count = ndimage.label(mask, np.ones((3, 3)))
    large = np.bincount(components.ravel(), minlength=count + 1) >= MIN_LESION_PIXELS
    large[0] = False
    touched = np.bincount(components[other], minlength=count + 1) > 0
    return int(large.sum()), int((large & touched).sum())


def metrics_of(scores: list[Score]) -> dict[str, dict]:
    """{lesion: {metric: {mean, low, high}, n}}.

    dice: mean over slices whose truth has at least MIN_LESION_PIXELS; dice_pooled, sensitivity, precision: over all
    pixels; lesion_sensitivity: share of the lesions of at least MIN_LESION_PIXELS that are touched; r: of the areas.
    false_alarm_pixels, false_alarm_places: per slice without lesion, pixels called lesion and components of at least
    MIN_LESION_PIXELS. n: slices that dice is a mean of. Intervals are over patients.
    """
    keys = ("truth", "predicted", "both", "lesions", "touched", "false_positives")
    truth, found, both, lesions, touched, places = (np.array([getattr(s, key) for s in scores], float) for key in keys)
    scored = truth >= MIN_LESION_PIXELS

    def ratio(top: np.ndarray, bottom: np.ndarray) -> float:
        return float(top.sum() / bottom.sum()) if bottom.sum() else float("nan")

    def mean_dice(rows: np.ndarray) -> float:
        rows = rows[scored[rows]]
        return float(np.mean(2 * both[rows] / (truth[rows] + found[rows]))) if len(rows) else float("nan")

    def per_empty_slice(values: np.ndarray) -> Callable[[np.ndarray], float]:
        return lambda rows: float(values[rows][truth[rows] == 0].mean()) if (truth[rows] == 0).any() else float("nan")

    statistics = {
        "dice": mean_dice,
        "dice_pooled": lambda rows: ratio(2 * both[rows], truth[rows] + found[rows]),
        "lesion_sensitivity": lambda rows: ratio(touched[rows], lesions[rows]),
        "sensitivity": lambda rows: ratio(both[rows], truth[rows]),
        "precision": lambda rows: ratio(both[rows], found[rows]),
        "r": lambda rows: correlation(truth[rows], found[rows]),
        "false_alarm_pixels": per_empty_slice(found),
        "false_alarm_places": per_empty_slice(places),
    }
    patients = [s.patient for s in scores]
    figures = {name: with_interval(statistic, patients) for name, statistic in statistics.items()}
    return {"lesion": {**figures, "n": int(scored.sum())}}


def evaluate_soop(data: Path, split: str, device: str = "auto", progress: Progress | None = None) -> dict:
    """The document of ``lesionkit evaluate stroke`` for a folder like soop: the planes that are there.

    Raises UnusableInput when there are none.
    """
    from StrokeSynthLib.pipeline import MODEL, load_network

    model, network = load_network()
    scores = scores_of(network, data, split, device, progress)
    return {
        "task": "stroke",
        "network": MODEL,
        "version": model.version,
        "split": split,
        "n": len(scores),
        "metrics": metrics_of(scores),
        "per_source": by_source(scores),
    }


def scores_of(
    network, data: Path, split: str = "val", device: str = "auto", progress: Progress | None = None
) -> list[Score]:
    """Scores of all slices of a split, plane after plane."""
    from LesionKitLib.models.inference import choose_runtime

    sets = [(s, plane) for s in SEQUENCES for plane in PLANES if (data / f"{s}_{plane}.npz").is_file()]
    if not sets:
        raise UnusableInput(f"'{data}' holds no slices (flair_axial.npz, dwi_axial.npz, ...); see docs/data.md.")
    scores, runtime, progress = [], choose_runtime(device), progress or Progress()
    for n, (sequence, plane) in enumerate(sets):
        progress.report(f"evaluating {plane} slices", n / len(sets))
        slices = read_slices(data, plane, split, sequence)
        predicted = predict_slices(network, slices, runtime) > LESION_FROM
        scores += score_slices(slices, predicted, f"{data.resolve().name}_{sequence}_{plane}")
    return scores


def by_source(scores: list[Score]) -> dict[str, dict]:
    """metrics_of for each plane alone."""
    return {name: metrics_of([s for s in scores if s.source == name]) for name in sorted({s.source for s in scores})}
