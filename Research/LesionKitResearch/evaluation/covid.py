"""How well a network agrees with expert labels, per class and per source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.metrics import correlation, limits_of_agreement, with_interval
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.covid import RESIDUE_PIXELS, LabeledSlice, labeled_slices

# class -> the label values that belong to it
CLASSES = {"infection": (1, 2, 3), "ggo": (1,), "consolidation": (2,), "effusion": (3,), "high_opacity": (2, 3)}
CLASSES_WITHOUT_TYPES = ("infection",)
LUNG = "lung"  # scored where a set has masks of lungs; lesions belong to it


@dataclass(frozen=True)
class Counts:
    """Pixels of one class in one image: in the truth, in the prediction, in both."""

    truth: int
    predicted: int
    both: int


@dataclass(frozen=True)
class ImageScore:
    """One image's counts by class."""

    source: str
    patient: str
    counts: dict[str, Counts]


def score_image(item: LabeledSlice, predicted: np.ndarray) -> ImageScore:
    """Counts of the classes that the item's label knows.

    predicted: label map (h, w) with values 0 to 3, and HEALTHY_LUNG of covid_pictures.
    """
    names = CLASSES if item.typed else CLASSES_WITHOUT_TYPES
    counts = {}
    for name in names:
        truth = np.isin(item.label, CLASSES[name]) if item.typed else item.label > 0
        found = np.isin(predicted, CLASSES[name])
        counts[name] = Counts(int(truth.sum()), int(found.sum()), int((truth & found).sum()))
    if item.typed and counts["effusion"].truth < RESIDUE_PIXELS:
        counts["effusion"] = Counts(0, counts["effusion"].predicted, 0)
    if item.lung is not None:
        truth, found = item.lung | (item.label > 0), predicted > 0
        counts[LUNG] = Counts(int(truth.sum()), int(found.sum()), int((truth & found).sum()))
    return ImageScore(item.source, item.patient, counts)


def score_slices(
    predict: Callable[[np.ndarray], np.ndarray], items: Iterable[LabeledSlice], progress: Progress | None = None
) -> list[ImageScore]:
    """predict: gray uint8 (h, w) -> label map (h, w)."""
    items, progress = list(items), progress or Progress()
    scores = []
    for n, item in enumerate(items):
        progress.report("evaluating", n / len(items))
        scores.append(score_image(item, predict(item.gray)))
    return scores


def metrics_of(scores: list[ImageScore]) -> dict[str, dict[str, dict]]:
    """{class: {metric: {mean, low, high}}}; metrics dice, dice_pooled, r (areas), sensitivity, precision (pixels).

    A class is scored on the images whose labels know it.
    """
    result = {}
    for name in (*CLASSES, LUNG):
        known = [score for score in scores if name in score.counts]
        if known:
            patients = [f"{score.source}/{score.patient}" for score in known]
            result[name] = _class_metrics([score.counts[name] for score in known], patients)
    return result


def _class_metrics(counts: list[Counts], patients: list[str]) -> dict[str, dict]:
    truth, found, both = (np.array([getattr(c, key) for c in counts], float) for key in ("truth", "predicted", "both"))

    def ratio(top: np.ndarray, bottom: np.ndarray) -> float:
        return top.sum() / bottom.sum() if bottom.sum() else float("nan")

    def mean_dice(rows: np.ndarray) -> float:
        rows = rows[truth[rows] > 0]
        return float(np.mean(2 * both[rows] / (truth[rows] + found[rows]))) if len(rows) else float("nan")

    statistics = {
        "dice": mean_dice,
        "dice_pooled": lambda rows: ratio(2 * both[rows], truth[rows] + found[rows]),
        "r": lambda rows: correlation(truth[rows], found[rows]),
        "sensitivity": lambda rows: ratio(both[rows], truth[rows]),
        "precision": lambda rows: ratio(both[rows], found[rows]),
    }
    figures = {name: with_interval(statistic, patients) for name, statistic in statistics.items()}
    figures["n"] = int((truth > 0).sum())
    return figures


def agreement_of(scores: list[ImageScore]) -> dict[str, dict]:
    """agreement of each class's areas, over the images that hold it in truth or prediction."""
    result = {}
    for name in (*CLASSES, LUNG):
        counts = [s.counts[name] for s in scores if name in s.counts]
        counts = [c for c in counts if c.truth or c.predicted]
        if counts:
            result[name] = agreement([c.truth for c in counts], [c.predicted for c in counts], "pixels")
    return result


def agreement(truth: list[float], found: list[float], unit: str) -> dict:
    """{unit, true, bias, low, high}: mean of the true sizes, mean difference found - true, and its 95 % limits."""
    bias, low, high = limits_of_agreement(np.array(truth), np.array(found))
    return {"unit": unit, "true": float(np.mean(truth)), "bias": bias, "low": low, "high": high}


def by_source(scores: list[ImageScore]) -> dict[str, dict]:
    """metrics_of for each source alone."""
    return {name: metrics_of([s for s in scores if s.source == name]) for name in sorted({s.source for s in scores})}


def evaluate_slices(
    data: Path, split: str, network: str, device: str = "auto", progress: Progress | None = None
) -> dict:
    """The document of ``lesionkit evaluate covid`` for a folder of labeled slices.

    Raises UnusableInput when the folder holds no such data.
    """
    return evaluate_and_score(data, split, network, device, progress)[0]


def evaluate_and_score(
    data: Path, split: str, network: str, device: str = "auto", progress: Progress | None = None
) -> tuple[dict, list[ImageScore]]:
    """evaluate_slices, and the single images' counts."""
    from CovidLungQuantLib.networks.registry import load_network, members, version_of

    from .covid_pictures import picture_segmenter

    items = list(labeled_slices(data, split))
    models, nets = zip(*(load_network(name) for name in members(network)), strict=True)
    scores = score_slices(picture_segmenter(list(nets), device), items, progress)
    document = {
        "task": "covid",
        "network": network,
        "version": version_of(models),
        "split": split,
        "n": len(scores),
        "metrics": metrics_of(scores),
        "limits_of_agreement": agreement_of(scores),
        "per_source": by_source(scores),
    }
    return document, scores


def evaluate_volumes(
    data: Path, split: str, network: str, device: str = "auto", progress: Progress | None = None
) -> dict:
    """Slices called infected against a radiologist's yes / no (ct/volumes): sensitivity and specificity per slice.

    A slice is called infected when it shows at least SLICE_AREA_MM2 of lesion.
    """
    import pandas as pd

    table = pd.read_csv(data / "labels.csv")
    rows = table if split == "all" else table[table["split"] == split]
    if not len(rows):
        raise UnusableInput(f"The data folder has no volume of the split '{split}'.")
    names = sorted(rows["id"].unique())
    calls = [_slice_calls(data, name, rows[rows["id"] == name], network, device, progress) for name in names]
    return {
        "task": "covid",
        "network": network,
        "version": _version(network),
        "split": split,
        "n": int(sum(len(c["truth"]) for c in calls)),
        "metrics": {"infection": _slice_metrics(calls)},
        "per_source": {
            name: {
                "infection": _slice_metrics([c]),
                "burden_percent": c["burden"],
                "largest_lesion_ml": c["largest_lesion_ml"],
            }
            for name, c in zip(names, calls, strict=True)
        },
    }


def evaluate_effusions(
    data: Path, split: str, network: str, device: str = "auto", progress: Progress | None = None
) -> dict:
    """Pleural effusion in HU volumes against expert masks (ct/plethora): Dice, and milliliters found and true.

    Volumes whose label is called weak are left out. Raises UnusableInput when none is left.
    """
    import pandas as pd

    table = pd.read_csv(data / "index.csv", dtype={"id": str, "patient": str})
    rows = table if split == "all" else table[table["split"] == split]
    rows = rows[rows["weak_label"] == 0]
    if not len(rows):
        raise UnusableInput(f"The data folder has no volume of the split '{split}'.")
    scores, volumes = [], []
    for name, patient in zip(rows["id"], rows["patient"], strict=True):
        counts, voxel_ml = _effusion_counts(data, name, network, device, progress)
        scores.append(ImageScore(data.resolve().name, patient, {"effusion": counts}))
        volumes.append({"id": name, "true_ml": counts.truth * voxel_ml, "ml": counts.predicted * voxel_ml})
    return {
        "task": "covid",
        "network": network,
        "version": _version(network),
        "split": split,
        "n": len(scores),
        "metrics": metrics_of(scores),
        "limits_of_agreement": {
            "effusion": agreement([v["true_ml"] for v in volumes], [v["ml"] for v in volumes], "ml")
        },
        "per_source": by_source(scores),
        "volumes": volumes,
    }


def _version(network: str) -> str:
    from CovidLungQuantLib.networks.registry import NETWORKS, members, version_of

    return version_of([NETWORKS.model(member) for member in members(network)])


def _effusion_counts(
    data: Path, name: str, network: str, device: str, progress: Progress | None
) -> tuple[Counts, float]:
    from CovidLungQuantLib.labels import EFFUSION
    from CovidLungQuantLib.pipeline import analyze
    from LesionKitLib.io.images import read_volume
    from LesionKitLib.io.mask_files import read_mask

    volume = read_volume(data / f"{name}.nii.gz")
    truth = read_mask(data / f"{name}_effusion.nii.gz", f"effusion mask of {name}").array > 0
    if truth.shape != volume.array.shape:
        raise UnusableInput(f"The effusion mask of {name} lies on another grid than its image.")
    found = analyze(volume, network, device, progress).lesions == EFFUSION.value
    return Counts(int(truth.sum()), int(found.sum()), int((truth & found).sum())), volume.voxel_ml


SLICE_AREA_MM2 = 100.0


def _slice_calls(data: Path, name: str, rows, network: str, device: str, progress: Progress | None) -> dict:
    from CovidLungQuantLib.pipeline import analyze
    from LesionKitLib.imaging.volume import reorient_to_lps
    from LesionKitLib.io.images import read_volume

    result = analyze(read_volume(data / f"{name}.nii.gz"), network, device, progress)
    lps, _ = reorient_to_lps(result.volume.with_array(result.lesions))
    area = (lps.array > 0).sum((1, 2)) * lps.spacing[0] * lps.spacing[1]
    truth = rows.sort_values("k")["infected"].to_numpy().astype(bool)
    return {
        "truth": truth,
        "called": area >= SLICE_AREA_MM2,
        "burden": result.measurements["total"]["burden_percent"],
        "largest_lesion_ml": max((finding.ml for finding in result.findings), default=0.0),
    }


def _slice_metrics(calls: list[dict]) -> dict:
    truth = np.concatenate([c["truth"] for c in calls])
    called = np.concatenate([c["called"] for c in calls])
    # neighboring slices are alike: blocks of 10 are drawn together
    blocks = [f"{n}/{k // 10}" for n, c in enumerate(calls) for k in range(len(c["truth"]))]

    def share(wanted: np.ndarray, predicted: np.ndarray) -> Callable[[np.ndarray], float]:
        return lambda rows: float(predicted[rows][wanted[rows]].mean()) if wanted[rows].any() else float("nan")

    return {
        "sensitivity": with_interval(share(truth, called), blocks),
        "specificity": with_interval(share(~truth, ~called), blocks),
        "n": len(truth),
    }
