"""How well the segmentation network agrees with expert masks on the public FLAIR slices, per plane."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.metrics import correlation, with_interval
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke import MIN_LESION_PIXELS, PLANES, SliceSet, read_slices
from LesionKitResearch.evaluation.stroke_slices import predict_slices
from StrokeSynthLib.segmentation.slice_prediction import LESION_FROM


@dataclass(frozen=True)
class Score:
    """One slice: lesion pixels in the truth, in the prediction, in both; lesions (pieces of at least MIN_LESION_PIXELS)
    in the truth and those of them that the prediction touches."""

    source: str
    patient: str
    truth: int
    predicted: int
    both: int
    lesions: int
    touched: int

    @property
    def dice(self) -> float:
        return 2 * self.both / (self.truth + self.predicted) if self.truth + self.predicted else float("nan")


def score_slices(slices: SliceSet, predicted: np.ndarray) -> list[Score]:
    """Scores of a plane's slices; predicted: bool (n, h, w)."""
    source = f"soop_{slices.plane}"
    return [
        _score(source, str(patient), truth, found)
        for patient, truth, found in zip(slices.ids, slices.masks, predicted, strict=True)
    ]


def _score(source: str, patient: str, truth: np.ndarray, found: np.ndarray) -> Score:
    from scipy import ndimage

    pieces, count = ndimage.label(truth, np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    touched = np.bincount(pieces[found], minlength=count + 1) > 0
    large = sizes >= MIN_LESION_PIXELS
    large[0] = False
    both = int((truth & found).sum())
    return Score(
        source, patient, int(truth.sum()), int(found.sum()), both, int(large.sum()), int((large & touched).sum())
    )


def metrics_of(scores: list[Score]) -> dict[str, dict]:
    """{lesion: {metric: {mean, low, high}, n}}.

    dice: mean over slices whose truth has at least MIN_LESION_PIXELS; dice_pooled, sensitivity, precision: over all
    pixels; lesion_sensitivity: share of the lesions of at least MIN_LESION_PIXELS that are touched; r: of the areas.
    n: slices that dice is a mean of. Intervals are over patients.
    """
    keys = ("truth", "predicted", "both", "lesions", "touched")
    truth, found, both, lesions, touched = (np.array([getattr(s, key) for s in scores], float) for key in keys)
    scored = truth >= MIN_LESION_PIXELS

    def ratio(top: np.ndarray, bottom: np.ndarray) -> float:
        return float(top.sum() / bottom.sum()) if bottom.sum() else float("nan")

    def mean_dice(rows: np.ndarray) -> float:
        rows = rows[scored[rows]]
        return float(np.mean(2 * both[rows] / (truth[rows] + found[rows]))) if len(rows) else float("nan")

    statistics = {
        "dice": mean_dice,
        "dice_pooled": lambda rows: ratio(2 * both[rows], truth[rows] + found[rows]),
        "lesion_sensitivity": lambda rows: ratio(touched[rows], lesions[rows]),
        "sensitivity": lambda rows: ratio(both[rows], truth[rows]),
        "precision": lambda rows: ratio(both[rows], found[rows]),
        "r": lambda rows: correlation(truth[rows], found[rows]),
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

    planes = [plane for plane in PLANES if (data / f"flair_{plane}.npz").is_file()]
    if not planes:
        raise UnusableInput(f"'{data}' holds no slices (flair_axial.npz, ...); see docs/data.md.")
    scores, runtime, progress = [], choose_runtime(device), progress or Progress()
    for n, plane in enumerate(planes):
        progress.report(f"evaluating {plane} slices", n / len(planes))
        slices = read_slices(data, plane, split)
        scores += score_slices(slices, predict_slices(network, slices, runtime) > LESION_FROM)
    return scores


def by_source(scores: list[Score]) -> dict[str, dict]:
    """metrics_of for each plane alone."""
    return {name: metrics_of([s for s in scores if s.source == name]) for name in sorted({s.source for s in scores})}
