"""Temperature, threshold and distance limit, from a calibration set held out of the training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BodyPartRouterLib.classification.decision import Decision, probabilities
from BodyPartRouterLib.classification.preprocessing import prepare
from LesionKitResearch.datasets.router import AGE_UNKNOWN, LabeledXray

BATCH = 16
MAX_ERROR_RATE = 0.015  # of the images that are classified, not held
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.5, 0.9
ACCEPTED = 0.995  # share of X-rays within the distance limit
MARGIN = 1.15  # the calibration set is small: its largest distances are surpassed by a few others


@dataclass(frozen=True)
class NetworkOutputs:
    """logits (n, 6) and distances (n,) of n images."""

    logits: np.ndarray
    distances: np.ndarray


def predict(network, grays: list[np.ndarray], size: int, device: str = "cpu") -> NetworkOutputs:
    """Of images uint8 (rows, columns) or float 0..1, in the precision of use. network: a BodyPartNet in eval mode."""
    import torch

    from LesionKitLib.models.inference import choose_runtime

    runtime, logits, distances = choose_runtime(device), [], []
    with torch.inference_mode(), runtime.autocast():
        for start in range(0, len(grays), BATCH):
            views = [prepare(as_unit(gray), size)[0] for gray in grays[start : start + BATCH]]
            batch = torch.from_numpy(np.stack(views)[:, None]).to(device, memory_format=torch.channels_last)
            one, other = network.describe(batch)
            logits.append(one.float().cpu().numpy())
            distances.append(other.float().cpu().numpy())
    return NetworkOutputs(np.concatenate(logits), np.concatenate(distances))


def as_unit(gray: np.ndarray) -> np.ndarray:
    """uint8 to float32 0..1; other types pass through."""
    return gray.astype(np.float32) / 255 if gray.dtype == np.uint8 else gray


def fit_space(network, training: list[LabeledXray], size: int, device: str = "cpu") -> None:
    """Fill the network's feature space with its training images (those with one certain class)."""
    import torch

    from LesionKitLib.models.inference import choose_runtime

    runtime = choose_runtime(device)
    items = [item for item in training if item.label != AGE_UNKNOWN]
    features = []
    with torch.inference_mode(), runtime.autocast():
        for start in range(0, len(items), BATCH):
            views = [prepare(as_unit(item.gray), size)[0] for item in items[start : start + BATCH]]
            batch = torch.from_numpy(np.stack(views)[:, None]).to(device, memory_format=torch.channels_last)
            features.append(network.pooled(network.maps(batch)))
    labels = torch.tensor([item.allowed[0] for item in items], device=device)
    network.space.fit(torch.cat(features), labels)


def calibrate(found: NetworkOutputs, items: list[LabeledXray]) -> Decision:
    """items: the X-rays of the calibration set, in the order of ``found``."""
    certain = np.array([item.label != AGE_UNKNOWN for item in items])
    truth = np.array([item.allowed[0] for item in items])
    temperature = fit_temperature(found.logits[certain], truth[certain])
    chances = probabilities(found.logits[certain], temperature)
    threshold = fit_threshold(chances[:, :-1], truth[certain])
    limit = float(np.quantile(found.distances, ACCEPTED)) * MARGIN
    return Decision(round(temperature, 4), round(threshold, 3), round(limit, 4))


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature of the least negative log likelihood, 0.2 to 5."""
    from scipy.optimize import minimize_scalar

    def cost(log_temperature: float) -> float:
        chances = probabilities(logits, np.exp(log_temperature))
        return -float(np.mean(np.log(chances[np.arange(len(truth)), truth] + 1e-12)))

    return float(np.exp(minimize_scalar(cost, bounds=(np.log(0.2), np.log(5)), method="bounded").x))


def fit_threshold(chances: np.ndarray, truth: np.ndarray) -> float:
    """The lowest threshold above which no more than MAX_ERROR_RATE of the predictions are wrong."""
    best, wrong = chances.max(1), chances.argmax(1) != truth
    for threshold in np.arange(LOWEST_THRESHOLD, HIGHEST_THRESHOLD, 0.01):
        accepted = best >= threshold
        if accepted.any() and wrong[accepted].mean() <= MAX_ERROR_RATE:
            return float(threshold)
    return HIGHEST_THRESHOLD


def calibration_error(chances: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: |share right - mean probability|, averaged over bins of equal width by their size."""
    place = np.minimum((chances * bins).astype(int), bins - 1)
    gaps = [abs(right[place == n].mean() - chances[place == n].mean()) * (place == n).sum() for n in np.unique(place)]
    return float(sum(gaps) / len(chances))
