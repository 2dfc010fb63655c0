"""Where the lungs lie in a chest CT, so that the network sees the chest and nothing is computed for legs and table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.errors import UnusableInput

from .frames import MODEL_MM, MODEL_SLICE_MM, FramePlacement

COARSE_MM = 4.0
MIN_AIR_ML = 200.0  # less air-filled lung than this is no chest CT
MARGIN_MM = {"side": 24.0, "front": 16.0, "back": 40.0, "top": 16.0, "bottom": 40.0}
FRAME_MULTIPLE = 32


@dataclass(frozen=True)
class ChestBox:
    """The part of a volume in LPS order that the network sees.

    plane: the frame within each slice; slices: first and last + 1 native slice; model_slices: how many a network sees;
    step: native slices per model slice (1 unless slices are thin).
    """

    plane: FramePlacement
    slices: tuple[int, int]
    model_slices: int
    step: float

    def model_spacing(self, volume: Volume) -> np.ndarray:
        """mm of the network's voxels along (i, j, k)."""
        steps = (self.plane.step[1], self.plane.step[0], self.step)
        return volume.spacing * steps


def find_chest(volume: Volume) -> ChestBox:
    """The box around the lungs of a CT in LPS order, symmetric about the body's middle so that a white lung is inside.

    Raises UnusableInput when there is hardly any air-filled lung.
    """
    strides = [max(1, round(COARSE_MM / s)) for s in volume.spacing]
    coarse = volume.array[:: strides[2], :: strides[1], :: strides[0]]
    size = volume.spacing * strides  # i, j, k
    air, body = _air_and_body(coarse, float(np.prod(size)))
    if air.sum() * np.prod(size) / 1000 < MIN_AIR_ML:
        raise UnusableInput("No air-filled lungs were found; this does not look like a chest CT.")
    low, high = _extent(air)
    body_low, body_high = _extent(body)
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
    return _box(volume, low, high)


def _box(volume: Volume, low: np.ndarray, high: np.ndarray) -> ChestBox:
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
    return ChestBox(FramePlacement(*corner, step, shape), (first, last), model_slices, (last - first) / model_slices)


def _air_and_body(coarse: np.ndarray, voxel_mm3: float) -> tuple[np.ndarray, np.ndarray]:
    """Air-filled lung and body (bool, k, j, i) of a coarse CT in LPS order."""
    from scipy import ndimage

    labels, count = ndimage.label(enclosed_in_slices(coarse < -400))
    if not count:
        return np.zeros(coarse.shape, bool), coarse > -300
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    boxes = ndimage.find_objects(labels)
    main = boxes[np.argmax(sizes) - 1][0]
    # bowel gas lies below the lungs' middle
    large = [n for n in np.flatnonzero(sizes * voxel_mm3 > 5e4) if boxes[n - 1][0].stop > (main.start + main.stop) / 2]
    air = np.isin(labels, large)
    dense = ndimage.binary_opening(coarse > -300)
    pieces, count = ndimage.label(dense | air)
    body = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]) if count else dense
    return air, body


def enclosed_in_slices(air: np.ndarray) -> np.ndarray:
    """Air (k, j, i) that does not reach the side of its slice; an open mouth joins lungs and room only in 3-D."""
    from scipy import ndimage

    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[1] = ndimage.generate_binary_structure(2, 1)
    labels, _ = ndimage.label(air, in_plane)
    outside = np.unique(np.concatenate([labels[:, [0, -1]].ravel(), labels[:, :, [0, -1]].ravel()]))
    return air & ~np.isin(labels, outside)


def _extent(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last + 1 index of a mask along each axis."""
    lines = [np.flatnonzero(mask.any(tuple(m for m in range(3) if m != n))) for n in range(3)]
    return np.array([line[0] for line in lines], float), np.array([line[-1] + 1 for line in lines], float)
