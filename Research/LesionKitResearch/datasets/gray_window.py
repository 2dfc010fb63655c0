"""The window of a picture without Hounsfield units, guessed from how dark lung and how bright soft tissue are in it."""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.segmentation.lung_air_2d import enclosed_air

LUNG_GRAY, TISSUE_GRAY = 0.30, 0.92  # aerated lung (-900 HU) and muscle (30 HU) in the lung window
USUAL_LUNG, USUAL_TISSUE = 0.15, 0.80  # at least so bright in what is called a lung window; left as it is
MIN_PIXELS = 200


def window_levels(gray: np.ndarray) -> tuple[float, float] | None:
    """Gray of aerated lung and of the soft tissue around it in a slice (h, w; 0..1), or None where no lung is seen."""
    from scipy import ndimage

    air = enclosed_air(gray)
    inner = ndimage.binary_erosion(air, iterations=2)
    if inner.sum() < MIN_PIXELS:
        return None
    lung = float(np.percentile(gray[inner], 25))
    reach = max(3, gray.shape[1] // 20)
    around = ndimage.binary_dilation(air, iterations=reach) & ~ndimage.binary_dilation(air, iterations=2)
    tissue = gray[around & (gray > lung + 0.1)]
    return (lung, _peak(tissue)) if tissue.size >= MIN_PIXELS else None


def series_levels(grays: list[np.ndarray]) -> tuple[float, float] | None:
    """Median levels of the slices (h, w; 0..1) of one series, which were all stored in the same window."""
    known = [levels for levels in map(window_levels, grays) if levels]
    return tuple(np.median(known, axis=0)) if known else None


def _peak(tissue: np.ndarray) -> float:
    """The most frequent gray value."""
    from scipy import ndimage

    counts, edges = np.histogram(tissue, 64, (0, 1))
    peak = int(ndimage.gaussian_filter1d(counts.astype(float), 1.5).argmax())
    return float(edges[peak] + edges[peak + 1]) / 2


def as_lung_window(gray: np.ndarray, levels: tuple[float, float] | None = None) -> np.ndarray:
    """A picture (..., h, w; gray 0..1) that was stored in a wide or dark window, as the lung window would show it.

    Pictures in a usual lung window, and those in which no lung is found, are returned as they are. levels: of
    window_levels, where they are known already (a series has the same for all its slices).
    """
    levels = levels or window_levels(gray)
    if levels is None or (levels[0] >= USUAL_LUNG and levels[1] >= USUAL_TISSUE):
        return gray
    lung, tissue = levels
    factor = (TISSUE_GRAY - LUNG_GRAY) / max(tissue - lung, 0.1)
    return np.clip(LUNG_GRAY + (gray - lung) * factor, 0, 1).astype(gray.dtype, copy=False)
