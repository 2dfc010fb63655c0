"""What the segmentation network sees of a slice: its gray values, their mirror image, and the standard brain's slice.

The mirror image shows the other hemisphere at the same place (strokes are seldom symmetric), the standard brain says
where in the head the slice lies. Both need the slice to stand in standard space (template.py).
"""

from __future__ import annotations

import functools

import numpy as np

from StrokeSynthLib.networks.shapes import MULTIPLE

GRAY_LIMIT = 4.0  # spreads from the brain's median; acute lesions on DWI lie far beyond
DARK = 0.3  # darker pixels are fluid or no signal, see normalized
AXIAL, CORONAL, SAGITTAL = "axial", "coronal", "sagittal"
# index of the public slices in the LPS standard grid of the public masks (docs/data.md)
PUBLIC_INDEX = {AXIAL: 68, CORONAL: 188 - 94, SAGITTAL: 117}


def normalized(image: np.ndarray, brain: np.ndarray, dark: float = DARK) -> np.ndarray:
    """Gray values as spreads from the brain's median, within +-1 (float32); -1 outside the brain.

    image: any shape; brain: bool, the same shape. The spread is the distance between the quartiles, so that neither
    the scanner's scale nor a lesion matters. Pixels that are darker than the share ``dark`` of the way from the image's
    lowest value to the brain's 90th percentile do not enter them: how much dark fluid a brain mask holds depends on how
    it was made. An empty brain gives -1 everywhere.
    """
    result = np.full(image.shape, -1, np.float32)
    values = image[brain].astype(np.float32)
    if not values.size:
        return result
    lowest = float(image.min())
    bright = values[values >= lowest + dark * (np.percentile(values, 90) - lowest)]
    low, middle, high = np.percentile(bright, (25, 50, 75))
    spread = max(high - low, 0.02 * float(np.ptp(values)), 1e-6)
    result[brain] = np.clip((values - middle) / spread, -GRAY_LIMIT, GRAY_LIMIT) / GRAY_LIMIT
    return result


def channels(slices: np.ndarray, template: np.ndarray, plane: str = AXIAL) -> np.ndarray:
    """(n, 3, h, w) float32 for the network from normalized slices (n, h, w) and the template's slices, -1..1.

    A sagittal slice's mirror image is another slice, which is not at hand: it is -1 everywhere.
    """
    mirror = np.full_like(slices, -1) if plane == SAGITTAL else slices[..., ::-1]
    return np.stack([slices, mirror, np.broadcast_to(template, slices.shape)], 1).astype(np.float32)


@functools.lru_cache(maxsize=1)
def template_volume() -> np.ndarray:
    """The template's T1 on the 1 mm standard grid (k, j, i), -1..1 float32; -1 outside the brain."""
    from LesionKitLib.imaging.volume import resample_like

    from .template import load_template

    template = load_template()
    t1 = resample_like(template.t1.with_array(template.t1.array.astype(np.float32)), template.labels)
    return normalized(t1, template.labels.array > 0)


def template_slice(plane: str, shape: tuple[int, int]) -> np.ndarray:
    """The template's slice at the place of the public slices of that plane, as they are shown; -1 if the shape differs.

    shape: (h, w) of the slice that it goes with.
    """
    from .template import SOOP_BOX

    volume = template_volume()[SOOP_BOX]
    picture = plane_slice(volume, plane, PUBLIC_INDEX[plane])
    return picture if picture.shape == tuple(shape) else np.full(shape, -1, np.float32)


def plane_slice(volume: np.ndarray, plane: str, index: int) -> np.ndarray:
    """A slice of an LPS array (k, j, i) as the public slices are shown: anterior or superior up."""
    if plane == AXIAL:
        return volume[index]
    if plane == CORONAL:
        return volume[::-1, index]
    return volume[::-1, :, index]


def padded(array: np.ndarray, fill: float, multiple: int = MULTIPLE) -> np.ndarray:
    """(..., h, w) with both made multiples, by the same margins on both sides (one more at the end)."""
    margins = [-n % multiple for n in array.shape[-2:]]
    widths = [(0, 0)] * (array.ndim - 2) + [(m // 2, m - m // 2) for m in margins]
    return np.pad(array, widths, constant_values=fill)


def unpadded(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The inner (..., h, w) that padded() was given."""
    first = [(n - m) // 2 for n, m in zip(array.shape[-2:], shape, strict=True)]
    return array[..., first[0] : first[0] + shape[0], first[1] : first[1] + shape[1]]
