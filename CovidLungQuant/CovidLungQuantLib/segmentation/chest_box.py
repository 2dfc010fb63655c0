"""Where the lungs lie in a chest CT, so that the network sees the chest and nothing is computed for legs and table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.errors import UnusableInput

from .frames import MODEL_MM, MODEL_SLICE_MM, FramePlacement
from .lung_air import TISSUE_HU, find_lung_air

MIN_AIR_ML = 40.0  # a newborn's lungs hold about 100 ml
LARGEST_CHEST_MM = 900.0  # width or depth of the lungs with their margins that no body has
MARGIN_MM = {"side": 24.0, "front": 16.0, "back": 40.0, "top": 16.0, "bottom": 40.0}
FRAME_MULTIPLE = 32


@dataclass(frozen=True)
class ChestBox:
    """The part of a volume in LPS order that the network sees.

    plane: the frame within each slice; slices: first and last + 1 native slice; model_slices: how many a network sees;
    step: native slices per model slice (1 unless slices are thin). is_cut: lung reaches the side of the field of view.
    """

    plane: FramePlacement
    slices: tuple[int, int]
    model_slices: int
    step: float
    is_cut: bool = False

    def model_spacing(self, volume: Volume) -> np.ndarray:
        """mm of the network's voxels along (i, j, k)."""
        steps = (self.plane.step[1], self.plane.step[0], self.step)
        return volume.spacing * steps


def find_chest(volume: Volume) -> ChestBox:
    """The box around the lungs of a CT in LPS order, symmetric about the body's middle so that a white lung is inside.

    Raises UnusableInput when there is hardly any air-filled lung, or a chest of impossible size.
    """
    found = find_lung_air(volume)
    coarse, air, size = found.coarse, found.air, found.size
    if not air.any():
        raise UnusableInput("No air-filled lungs were found; this does not look like a chest CT.")
    air_ml = float(air.sum() * np.prod(size) / 1000)
    if air_ml < MIN_AIR_ML:
        raise UnusableInput(
            f"Only {air_ml:.0f} ml of air-filled lung were found; at least {MIN_AIR_ML:.0f} ml are needed to measure."
        )
    low, high = _extent(air)
    body_low, body_high = _extent(_body(coarse, air))
    middle = (body_low[2] + body_high[2]) / 2
    half = max(high[2] - middle, middle - low[2])
    scale = size[::-1]
    low = np.array([low[0], low[1], middle - half]) * scale - [
        MARGIN_MM["bottom"],
        MARGIN_MM["front"],
        MARGIN_MM["side"],
    ]
    high = np.array([high[0], high[1], middle + half]) * scale + [
        MARGIN_MM["top"],
        MARGIN_MM["back"],
        MARGIN_MM["side"],
    ]
    widest = float(max(high[1:] - low[1:]))
    if widest > LARGEST_CHEST_MM:
        raise UnusableInput(
            f"The chest would be {widest:.0f} mm wide, which no body is; the voxel size in the file must be wrong."
        )
    return _box(volume, low, high, found.is_cut)


def _box(volume: Volume, low: np.ndarray, high: np.ndarray, is_cut: bool) -> ChestBox:
    """low and high: mm from the array's corner along k, j, i."""
    spacing = volume.spacing[::-1]
    first = int(max(0, np.floor(low[0] / spacing[0])))
    last = int(min(volume.array.shape[0], np.ceil(high[0] / spacing[0])))
    model_slices = last - first
    if spacing[0] < 0.75 * MODEL_SLICE_MM:
        model_slices = max(1, round((last - first) * spacing[0] / MODEL_SLICE_MM))
    shape = tuple(int(np.ceil((high[n] - low[n]) / MODEL_MM / FRAME_MULTIPLE)) * FRAME_MULTIPLE for n in (1, 2))
    step = (MODEL_MM / spacing[1], MODEL_MM / spacing[2])
    corner = [(low[n] + high[n]) / 2 / spacing[n] - shape[n - 1] * step[n - 1] / 2 for n in (1, 2)]
    plane = FramePlacement(*corner, step, shape)
    return ChestBox(plane, (first, last), model_slices, (last - first) / model_slices, is_cut)


def _body(coarse: np.ndarray, air: np.ndarray) -> np.ndarray:
    """The largest component of dense voxels and lung; the table does not count."""
    from scipy import ndimage

    dense = ndimage.binary_opening(coarse > TISSUE_HU)
    labels, count = ndimage.label(dense | air)
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count else dense


def _extent(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last + 1 index of a mask along each axis."""
    lines = [np.flatnonzero(mask.any(tuple(m for m in range(3) if m != n))) for n in range(3)]
    return np.array([line[0] for line in lines], float), np.array([line[-1] + 1 for line in lines], float)
