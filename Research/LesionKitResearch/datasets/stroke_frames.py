"""Slices that stand in no standard space and whose pixel size is not known, shown in a frame of about 1 mm.

The brain's bounding box comes to the middle. A brain longer or wider than the standard one is shrunk to its size; a
smaller one may be a slice from high or low in the head and stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from StrokeSynthLib.segmentation.template import SOOP_SHAPE

from .stroke import SliceSet

FRAME = (192, 160)  # rows, columns
LARGEST = (180.0, 150.0)  # length and width in pixels that a brain keeps


def is_standard(slices: SliceSet) -> bool:
    """Whether nothing must be done to the slices: they have the shape of the standard space, or of FRAME."""
    depth, rows, columns = SOOP_SHAPE
    known = {"axial": (rows, columns), "coronal": (depth, columns), "sagittal": (depth, rows)}[slices.plane]
    return slices.images.shape[1:] in (known, FRAME)


def in_frame(slices: SliceSet) -> SliceSet:
    """The slices in FRAME."""
    images = _sampled(slices.images, slices.brains, FRAME, True).astype(np.uint8)
    masks, brains = (_sampled(part, slices.brains, FRAME, True) > 0.5 for part in (slices.masks, slices.brains))
    images = images if slices.brain_masks is not None else np.where(brains, images, 0)
    return replace(slices, images=images, masks=masks, brain_masks=brains)


def out_of_frame(values: np.ndarray, brains: np.ndarray) -> np.ndarray:
    """Values (n, *FRAME) brought back to the grid of the brains (n, h, w), float32; 0 where nothing is known."""
    return _sampled(values, brains, brains.shape[1:], False)


def _sampled(values: np.ndarray, brains: np.ndarray, shape: tuple[int, int], to_frame: bool) -> np.ndarray:
    """float32 (n, *shape): linear interpolation, into the frame or out of it."""
    from scipy import ndimage

    result = np.zeros((len(values), *shape), np.float32)
    for target, source, brain in zip(result, values, brains, strict=True):
        scale, middle = _pose(brain)
        scale, start, end = (scale, middle, _middle(FRAME)) if to_frame else (1 / scale, _middle(FRAME), middle)
        ndimage.affine_transform(
            source.astype(np.float32), [scale, scale], start - scale * end, target.shape, target, 1, prefilter=False
        )
    return result


def _pose(brain: np.ndarray) -> tuple[float, np.ndarray]:
    """Pixels of the slice for one of the frame, and the middle (row, column) of the brain's bounding box, which is
    rounded so that pixels come to pixels where nothing is shrunk."""
    if not brain.any():
        return 1.0, _middle(brain.shape)
    places = [np.flatnonzero(brain.any(1 - axis)) for axis in (0, 1)]
    lengths = [place[-1] - place[0] + 1 for place in places]
    scale = max(1.0, *(length / most for length, most in zip(lengths, LARGEST, strict=True)))
    return float(scale), np.array([(place[0] + place[-1] + 1) // 2 - 0.5 for place in places])


def _middle(shape: tuple[int, int]) -> np.ndarray:
    return (np.array(shape) - 1) / 2
