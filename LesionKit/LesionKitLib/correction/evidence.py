"""What is known of an image before the first stroke: the network's probabilities, and features of each voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST = 0.003  # probabilities nearer to 0 or 1 are no surer than this
MAX_LOG_ODDS = 5.0
COMPONENTS = 4  # of the network's features
SMOOTH_GRAY = 1.5  # voxels


@dataclass(frozen=True)
class Evidence:
    """log_prior (classes, *grid): log probability of each class, float32. features (n, *grid): float32, each with about
    unit spread. spacing: mm per voxel along each axis of the grid. The grid has two or three axes."""

    log_prior: np.ndarray
    features: np.ndarray
    spacing: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.log_prior.shape[1:]

    @property
    def labels(self) -> np.ndarray:
        """The most probable class before any stroke, uint8 on the grid."""
        return self.log_prior.argmax(0).astype(np.uint8)

    def cut(self, box: tuple[slice, ...]) -> Evidence:
        """A part of the grid, as views."""
        return Evidence(self.log_prior[(slice(None), *box)], self.features[(slice(None), *box)], self.spacing)


def evidence_of(
    gray: np.ndarray,
    probabilities: np.ndarray | None = None,
    network_features: np.ndarray | None = None,
    inside: np.ndarray | None = None,
    spacing: tuple[float, ...] | None = None,
    classes: int = 2,
    smooth: float | tuple[float, ...] = SMOOTH_GRAY,
) -> Evidence:
    """Evidence from an image and what a network gave for it.

    gray (*grid): HU or gray values. probabilities (classes, *grid): sum 1; None: no network's result.
    network_features (m, *grid): a network's last features, reduced to their main components. inside (*grid) bool: the
    organ, from which the spread of values is taken; None: everywhere. smooth: of gray values, voxels.
    Raises ValueError for grids that differ.
    """
    arrays = [a.shape[1:] for a in (probabilities, network_features) if a is not None]
    if any(shape != gray.shape for shape in arrays) or (inside is not None and inside.shape != gray.shape):
        raise ValueError("Image, probabilities and features lie on different grids.")
    organ = inside if inside is not None and inside.any() else np.ones(gray.shape, bool)
    features = [_smooth_gray(gray, organ, smooth)]
    if probabilities is None:
        log_prior = np.full((classes, *gray.shape), -np.log(classes), np.float32)
    else:
        log_prior = _log(probabilities)
        features.append(log_odds_of_any(log_prior) / 3)
    if network_features is not None:
        features += list(_main_components(network_features, organ))
    return Evidence(log_prior, np.stack(features).astype(np.float32, copy=False), spacing or (1.0,) * gray.ndim)


def _log(probabilities: np.ndarray) -> np.ndarray:
    limited = np.clip(probabilities.astype(np.float32), LEAST, 1 - LEAST)
    return np.log(limited / limited.sum(0))


def log_odds_of_any(log_prior: np.ndarray) -> np.ndarray:
    """Log odds (*grid) of the first class, the background, against all others, limited to MAX_LOG_ODDS."""
    return np.clip(log_prior[0] - np.logaddexp.reduce(log_prior[1:], 0), -MAX_LOG_ODDS, MAX_LOG_ODDS)


def _smooth_gray(gray: np.ndarray, organ: np.ndarray, sigma) -> np.ndarray:
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(gray.astype(np.float32), sigma)
    return (smooth - smooth[organ].mean()) / (smooth[organ].std() + 1e-3)


def _main_components(features: np.ndarray, organ: np.ndarray) -> np.ndarray:
    """(COMPONENTS, *grid): principal components within the organ, of unit spread together (Pearson 1901)."""
    values = features[:, organ].astype(np.float32).T
    mean = values.mean(0)
    centered = values - mean
    variances, directions = np.linalg.eigh(centered.T @ centered / len(centered))
    count = min(COMPONENTS, len(features))
    directions, variances = directions[:, ::-1][:, :count], variances[::-1][:count]
    directions = directions * np.where(directions[np.abs(directions).argmax(0), np.arange(count)] < 0, -1, 1)
    scaled = directions / np.sqrt(np.maximum(variances, 1e-6) * count)
    flat = features.reshape(len(features), -1).astype(np.float32)
    return (scaled.T @ (flat - mean[:, None])).reshape(count, *features.shape[1:])
