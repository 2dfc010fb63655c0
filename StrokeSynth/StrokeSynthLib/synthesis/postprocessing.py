"""What is mended in translated images: the grid of transposed convolutions, and lesions that nobody could see."""

from __future__ import annotations

import numpy as np

from StrokeSynthLib.labels import BACKGROUND, CSF, LESION, VENTRICLES
from StrokeSynthLib.segmentation.slice_views import GRAY_LIMIT

BINOMIAL = (0.25, 0.5, 0.25)  # passes nothing that alternates from pixel to pixel
# How much brighter than the brain's median a lesion is, in spreads (slice_views.normalized): quartiles of the median
# gray values of the lesions on SOOP's training slices
CONTRAST = (0.8, 1.9)
RIM_VOXELS = 0.7  # standard deviation of the rim over which a lesion that is raised fades


def without_grid(pictures: np.ndarray, brains: np.ndarray) -> np.ndarray:
    """Pictures (n, h, w) less the checkerboard of transposed convolutions.

    Odena et al. 2016 (doi:10.23915/distill.00003) describe it. brains: bool, the same shape; smoothing takes no value
    from beyond them. Of real FLAIR slices' detail 0.3 % lies in the frequencies near one change a pixel, of CycleGAN's
    2.2 % without and 0.1 % with this.
    """
    from scipy import ndimage

    def smoothed(values: np.ndarray) -> np.ndarray:
        return ndimage.convolve1d(ndimage.convolve1d(values, BINOMIAL, 1), BINOMIAL, 2)

    inside = brains.astype(np.float32)
    weights = np.maximum(smoothed(inside), 1e-3)
    return np.where(brains, smoothed(pictures * inside) / weights, pictures).astype(np.float32)


def with_visible_lesions(values: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grays -1..1 (k, j, i) in which each lesion component is brighter than the brain's median by a contrast drawn from
    CONTRAST; one that is brighter already stays as it is. labels: semantic map of the same shape."""
    from scipy import ndimage

    lesion = labels == LESION.value
    tissue = ~np.isin(labels, (BACKGROUND, CSF.value, VENTRICLES.value, LESION.value))
    if not lesion.any() or not tissue.any():
        return values
    result = values.copy()
    wanted = float(np.median(values[tissue])) + rng.uniform(*CONTRAST) / GRAY_LIMIT
    components, _ = ndimage.label(lesion, np.ones((3, 3, 3)))
    for number, box in enumerate(ndimage.find_objects(components), 1):
        near = tuple(slice(max(0, part.start - 3), part.stop + 3) for part in box)
        own = components[near] == number
        lacking = wanted - float(values[near][own].mean())
        if lacking <= 0:
            continue
        rim = ndimage.gaussian_filter(own.astype(np.float32), RIM_VOXELS)
        rim *= labels[near] != BACKGROUND
        result[near] += lacking * rim / float(rim[own].mean())
    return np.clip(result, -1, 1)
