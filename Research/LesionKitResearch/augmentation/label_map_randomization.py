"""Images from label maps with contrasts at random, so that a network learns shapes and not one sequence's grays.

After SynthSeg (Billot et al. 2023, Med Image Anal 86:102789) and, for strokes, SynthStroke (Chalcroft et al. 2025):
each label gets a Gaussian of its own, then come bias field, blur, coarse resolution and noise. Written anew.
"""

from __future__ import annotations

import numpy as np

from StrokeSynthLib.labels import BACKGROUND, CSF, DEEP_GRAY, GRAY, LESION, SKULL_FIRST, SKULL_KINDS, VENTRICLES, WHITE

# mean grays (csf, ventricles, gray, white, deep gray, lesion) of usual sequences; a share of the images is like these
SEQUENCES = {
    "flair": (0.25, 0.15, 0.62, 0.50, 0.58, 0.80),
    "dwi": (0.25, 0.22, 0.50, 0.45, 0.48, 0.95),
    "t2": (0.95, 1.0, 0.62, 0.42, 0.52, 0.80),
    "t1": (0.20, 0.15, 0.52, 0.75, 0.60, 0.38),
}
LIKE_A_SEQUENCE = 0.6


def random_means(rng: np.random.Generator, count: int) -> np.ndarray:
    """Mean gray 0..1 of every label 0..count-1; background is 0."""
    means = rng.uniform(0, 1, count)
    means[BACKGROUND] = 0
    if rng.random() < LIKE_A_SEQUENCE:
        usual = SEQUENCES[rng.choice(list(SEQUENCES))]
        order = [c.value for c in (CSF, VENTRICLES, GRAY, WHITE, DEEP_GRAY, LESION)]
        means[order] = np.array(usual) + rng.normal(0, 0.06, len(order))
        return means
    means[VENTRICLES.value] = means[CSF.value] + rng.normal(0, 0.05)
    means[DEEP_GRAY.value] = means[GRAY.value] + rng.normal(0, 0.1)
    tissue = means[[GRAY.value, WHITE.value]]
    while np.abs(means[LESION.value] - tissue).min() < 0.12:  # a lesion that nobody could see teaches nothing
        means[LESION.value] = rng.uniform(0, 1)
    return means


def random_image(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A gray image (float32, about 0..1) of a label slice (h, w) of semantic numbers and extra-cerebral ones."""
    from scipy import ndimage

    count = SKULL_FIRST + SKULL_KINDS
    means, spreads = random_means(rng, count), rng.uniform(0.01, 0.07, count)
    image = means[labels] + spreads[labels] * rng.standard_normal(labels.shape)
    image = image.astype(np.float32)
    lesion = labels == LESION.value
    if lesion.any():
        image = _soft_lesion(image, labels, lesion, means, rng)
    image = ndimage.gaussian_filter(image, rng.uniform(0.3, 0.9))
    image *= bias_field(image.shape, rng, 0.3)
    if rng.random() < 0.4:  # thick slices or coarse pixels
        image = coarse(image, rng.uniform(1.2, 3.0, 2))
    image += rng.normal(0, rng.uniform(0, 0.04), image.shape).astype(np.float32)
    return np.maximum(image, 0)


def _soft_lesion(image, labels, lesion, means, rng):
    """A lesion whose gray varies smoothly and mixes with the tissue under it at the rim, by shares at random."""
    from scipy import ndimage

    texture = ndimage.gaussian_filter(rng.standard_normal(labels.shape), rng.uniform(2, 6))
    texture *= rng.uniform(0, 0.15) / max(texture.std(), 1e-6)
    share = ndimage.gaussian_filter(lesion.astype(np.float32), rng.uniform(0.3, 1.2)) * lesion
    under = 0.5 * (means[GRAY.value] + means[WHITE.value])
    wanted = means[LESION.value] + texture
    return np.where(lesion, share * wanted + (1 - share) * under + (image - means[labels]), image).astype(np.float32)


def bias_field(shape: tuple[int, int], rng: np.random.Generator, strength: float) -> np.ndarray:
    """A smooth positive field about 1: exp of a bilinear surface of 4 x 4 random knots (of that standard deviation)."""
    from LesionKitLib.imaging.resample import apply_plane, linear_weights

    knots = rng.normal(0, strength * rng.random(), (4, 4)).astype(np.float32)
    rows, columns = (linear_weights(4, n, 0.5, 3 / n) for n in shape)
    return np.exp(apply_plane(rows, columns, knots))


def coarse(image: np.ndarray, steps) -> np.ndarray:
    """The image as if its pixels were ``steps`` (rows, columns) times as wide, brought back to its grid."""
    from LesionKitLib.imaging.resample import apply_plane, linear_weights

    small = [max(2, round(n / step)) for n, step in zip(image.shape, steps, strict=True)]
    down = [linear_weights(n, m, 0, n / m) for n, m in zip(image.shape, small, strict=True)]
    up = [linear_weights(m, n, 0, m / n) for n, m in zip(image.shape, small, strict=True)]
    return apply_plane(*up, apply_plane(*down, image))
