"""Tissue of a brain image from its gray values and the atlas: a Gaussian mixture with a spatial prior.

Expectation maximization as in the atlas methods (Van Leemput et al. 1999, IEEE TMI 18:897; Ashburner and Friston 2005):
the atlas says how likely each tissue is at each place, the image says which gray each tissue has, and a voxel agrees
with its neighbors. Works on slices and volumes of any sequence that tells the tissues apart.
"""

from __future__ import annotations

import numpy as np

from StrokeSynthLib.labels import BACKGROUND, CSF, DEEP_GRAY, GRAY, TISSUES, VENTRICLES, WHITE, with_lesion

ROUNDS = 12
# by tissue: how far brains differ from the atlas (standard deviation in voxels), and how likely the tissue is anywhere.
# Sulci vary most; ventricles grow with age; there is no deep gray matter elsewhere.
BLURS, FLOORS = (1.5, 3.5, 1.5, 1.5, 2.0), (0.08, 0.001, 0.04, 0.04, 0.001)
NEIGHBORS = 1.0  # standard deviation in voxels of the neighborhood that a voxel agrees with
AGREEMENT = 0.7  # power of the neighbors' opinion
# tissues by the Gaussian that they share: fluid inside and outside looks alike, and so do both kinds of gray, nearly
GAUSSIANS = ((CSF.value, VENTRICLES.value), (GRAY.value,), (WHITE.value,), (DEEP_GRAY.value,))
_GAUSSIAN_OF = np.array([next(n for n, group in enumerate(GAUSSIANS) if c.value in group) for c in TISSUES])


def tissue_map(
    image: np.ndarray, brain: np.ndarray, priors: np.ndarray, lesion: np.ndarray | None = None
) -> np.ndarray:
    """A semantic map (uint8, the image's shape) of a slice or volume.

    brain: bool; priors: (5, ...) shares of labels.TISSUES, aligned with the image; lesion: bool, drawn over the tissue
    and left out of the fit. An empty brain gives background everywhere.
    """
    result = np.full(image.shape, BACKGROUND, np.uint8)
    fitted = brain if lesion is None else brain & ~lesion
    if fitted.sum() < 50:
        fitted = brain
    if not fitted.any():
        return result
    shares = _posteriors(image.astype(np.float32), brain, fitted, _softened(priors))
    values = np.array([c.value for c in TISSUES], np.uint8)
    result[brain] = values[shares[:, brain].argmax(axis=0)]
    return result if lesion is None else with_lesion(result, lesion)


def _softened(priors: np.ndarray) -> np.ndarray:
    """The atlas blurred a little, for brains do not lie on it exactly, and nowhere 0; sums to 1."""
    from scipy import ndimage

    parts = zip(priors, BLURS, FLOORS, strict=True)
    soft = np.stack([ndimage.gaussian_filter(prior, blur) + floor for prior, blur, floor in parts])
    return soft / soft.sum(axis=0)


def _posteriors(image: np.ndarray, brain: np.ndarray, fitted: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """(5, ...) how likely each tissue is at each place."""
    from scipy import ndimage

    spread = float(np.subtract(*np.percentile(image[fitted], (84, 16)))) or 1.0
    weight = ndimage.gaussian_filter(brain.astype(np.float32), NEIGHBORS) + 1e-6
    shares, opinion = priors, np.ones_like(priors)
    for _ in range(ROUNDS):
        means, deviations = _gaussians(image, fitted, shares, spread)
        away = (image[None] - means[:, None].reshape(-1, *[1] * image.ndim)) / deviations.reshape(-1, *[1] * image.ndim)
        # heavier tails than a Gaussian's: an old lesion or a vessel must not decide
        likely = np.exp(-0.5 * np.minimum(away**2, 9)) / deviations.reshape(-1, *[1] * image.ndim)
        shares = priors * likely[_GAUSSIAN_OF] * opinion
        shares = shares / np.maximum(shares.sum(axis=0), 1e-12)
        smooth = np.stack([ndimage.gaussian_filter(s * brain, NEIGHBORS) for s in shares]) / weight
        opinion = (smooth + 0.05) ** AGREEMENT
    return shares


def _gaussians(image, fitted, shares, spread) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each Gaussian under the present shares."""
    values = image[fitted]
    means, deviations = [], []
    for number in range(len(GAUSSIANS)):
        weights = shares[number == _GAUSSIAN_OF].sum(axis=0)[fitted]
        total = weights.sum() + 1e-6
        mean = float((weights * values).sum() / total)
        variance = float((weights * (values - mean) ** 2).sum() / total)
        means.append(mean)
        deviations.append(np.clip(np.sqrt(variance), 0.1 * spread, 0.6 * spread))
    return np.array(means, np.float32), np.array(deviations, np.float32)
