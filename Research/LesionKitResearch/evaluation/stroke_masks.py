"""How like real lesions the drawn masks are: shapes, sizes and places against held-out patients; copies."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke import read_masks
from StrokeSynthLib.measurement.side import hemispheres_by_alignment, left_share
from StrokeSynthLib.segmentation.template import SOOP_BOX, SOOP_FIRST, load_template
from StrokeSynthLib.synthesis.lesion_sampling import sample_lesion
from StrokeSynthLib.synthesis.occupancy_grid import MAX_ML, MIN_VOXELS, largest_components

FEATURES = ("log volume", "elongation", "surface to volume", "distance from the middle", "posterior", "superior")
COARSE = 4  # voxels along each side of a block, for the search for copies and the heat map


def shape_features(mask: np.ndarray, grid: Volume) -> np.ndarray:
    """FEATURES of a mask (bool, in LPS order, not empty).

    Elongation: root of the ratio of the largest and the smallest eigenvalue of the voxels' covariance (mm), each with
    the variance of a voxel added. Surface to volume: exposed voxel faces (mm2) by volume (mm3).
    """
    places = np.argwhere(mask)[:, ::-1] * grid.spacing
    covariance = np.cov(places.T) + np.diag(grid.spacing**2 / 12)
    eigenvalues = np.linalg.eigvalsh(covariance)
    volume = len(places) * float(np.prod(grid.spacing))
    center = np.diag([-1, -1, 1]) @ (grid.ijk_to_ras @ [*(places.mean(axis=0) / grid.spacing), 1])[:3]
    return np.array(
        [
            np.log10(volume / 1000),
            np.sqrt(eigenvalues[-1] / eigenvalues[0]),
            _surface(mask, grid.spacing) / volume,
            abs(center[0]),
            center[1],
            center[2],
        ]
    )


def evaluate_masks(
    soop: Path, count: int | None = None, seed: int = 0, sampler=None, progress: Progress | None = None
) -> dict:
    """Drawn masks against the validation patients' masks; also how near each comes to a training mask.

    count: masks to draw (default: as many as real ones). The real masks are treated as for training: components of less
    than 20 voxels or 2 % of the largest are left out, and so are masks of more than 300 ml.
    """
    progress = progress or Progress()
    real = _summary(_lesions(read_masks(soop, "val"), progress, "reading", 0.0, 0.2))
    count = count or len(real["features"])
    if count < 5 or len(real["features"]) < 5:
        raise UnusableInput("At least five masks are needed on each side.")
    labels = soop_labels()
    drawn = _summary(_drawn(labels, count, seed, sampler, progress))
    train = _summary(_lesions(read_masks(soop, "train"), progress, "looking for copies", 0.5, 0.95), shapes=False)
    return {
        "task": "stroke-masks",
        "network": "stroke-mask-gan",
        "n": {"drawn": count, "held_out": len(real["features"]), "training": len(train["blocks"])},
        "metrics": {
            "distribution": _distances(real["features"], drawn["features"]),
            "nearest_neighbor_accuracy": nearest_neighbor_accuracy(real["features"], drawn["features"]),
            "left_share": {"drawn": float(drawn["left"].mean()), "held_out": float(real["left"].mean())},
            "heat_map_correlation": {
                "drawn_and_held_out": _heat_correlation(drawn["blocks"], real["blocks"]),
                "training_and_held_out": _heat_correlation(train["blocks"], real["blocks"]),
            },
            "dice_with_nearest_training_mask": {
                "drawn": _spread(nearest_dice(drawn["blocks"], train["blocks"])),
                "held_out": _spread(nearest_dice(real["blocks"], train["blocks"])),
            },
        },
    }


def nearest_neighbor_accuracy(real: np.ndarray, drawn: np.ndarray) -> float:
    """How often the nearest other lesion (by standardized features) is of the same kind; 0.5: cannot be told apart.

    Leave-one-out over equal numbers of both (Lopez-Paz and Oquab 2017, arXiv 1610.06545).
    """
    count = min(len(real), len(drawn))
    values = np.concatenate([real[:count], drawn[:count]])
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    distances = ((values[:, None] - values[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(distances, np.inf)
    is_drawn = np.arange(2 * count) >= count
    return float((is_drawn[distances.argmin(axis=1)] == is_drawn).mean())


def nearest_dice(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each of masks (n, blocks; share of each block that is filled) the largest Dice with one of others."""
    both = masks @ others.T
    norms = (masks**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None]
    return (2 * both / np.maximum(norms, 1e-9)).max(axis=1)


def _lesions(masks, progress: Progress, stage: str, start: float, end: float) -> Iterable[Volume]:
    for number, volume in enumerate(masks):
        progress.report(stage, start + (end - start) * number / len(masks))
        mask = largest_components(volume.array)
        if mask.sum() >= MIN_VOXELS and mask.sum() * volume.voxel_ml <= MAX_ML:
            yield volume.with_array(mask)


def _drawn(labels: Volume, count: int, seed: int, sampler, progress: Progress) -> Iterable[Volume]:
    for number in range(count):
        progress.report("drawing", 0.2 + 0.3 * number / count)
        yield labels.with_array(sample_lesion(labels, seed + number, sampler=sampler, standard=True).mask)


def soop_labels() -> Volume:
    """The template's labels on the grid of the public masks."""
    labels = load_template().labels
    matrix = labels.ijk_to_ras.copy()
    matrix[:3, 3] = (matrix @ [*SOOP_FIRST[::-1], 1])[:3]
    return Volume(labels.array[SOOP_BOX], matrix)


def _summary(volumes: Iterable[Volume], shapes: bool = True) -> dict[str, np.ndarray]:
    features, blocks, left = [], [], []
    for volume in volumes:
        if shapes:
            features.append(shape_features(volume.array, volume))
        blocks.append(_blocks(volume.array))
        hemispheres = hemispheres_by_alignment(volume.array.shape, volume.ijk_to_ras)
        left.append(left_share(hemispheres[volume.array]) >= 0.5)
    return {"features": np.array(features), "blocks": np.array(blocks), "left": np.array(left)}


def _blocks(mask: np.ndarray) -> np.ndarray:
    size = [n // COARSE for n in mask.shape]
    cut = mask[tuple(slice(n * COARSE) for n in size)].reshape(size[0], COARSE, size[1], COARSE, size[2], COARSE)
    return cut.mean(axis=(1, 3, 5), dtype=np.float32).ravel()


def _surface(mask: np.ndarray, spacing: np.ndarray) -> float:
    padded = np.pad(mask, 1)
    areas = np.prod(spacing) / spacing[::-1]
    return float(sum(np.count_nonzero(np.diff(padded, axis=axis)) * areas[axis] for axis in range(3)))


def _distances(real: np.ndarray, drawn: np.ndarray) -> dict:
    from scipy.stats import ks_2samp

    rows = {}
    for column, name in enumerate(FEATURES):
        test = ks_2samp(real[:, column], drawn[:, column])
        medians = float(np.median(drawn[:, column])), float(np.median(real[:, column]))
        rows[name] = {"ks": float(test.statistic), "p": float(test.pvalue)}
        rows[name] |= {"median_drawn": medians[0], "median_held_out": medians[1]}
    return rows


def _heat_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r of two lesion frequency maps over the blocks that either touches."""
    first, second = a.mean(axis=0), b.mean(axis=0)
    touched = (first + second) > 0
    return float(np.corrcoef(first[touched], second[touched])[0, 1])


def _spread(values: np.ndarray) -> dict[str, float]:
    return {"median": float(np.median(values)), "p95": float(np.percentile(values, 95)), "max": float(values.max())}
