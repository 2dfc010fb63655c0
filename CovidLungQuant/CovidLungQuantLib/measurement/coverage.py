"""How much of the lungs an image shows: they may reach its first or last slice, or the side of the field of view.

A number of cut lungs is one of their visible part. Thirds of a height that is not all there, and a score made of them,
mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CovidLungQuantLib.segmentation.cut_lungs import halved_side
from CovidLungQuantLib.segmentation.lung_air import padding_mask
from LesionKitLib.imaging.volume import Volume, reorient_to_lps

TOUCH_MM2 = 100.0  # less lung on an end of the image is a stray voxel, or a tip that makes no difference
CUT_SHARE = 0.2  # of the lungs' largest section parallel to that end, from which too much is missing
# the ends of an image in LPS order: array axis (k, j, i), and at which of its ends
ENDS = {"lower": (0, 0), "upper": (0, -1), "front": (1, 0), "back": (1, -1), "right": (2, 0), "left": (2, -1)}
FIELD_MARGIN = 2  # voxels between lung and padding that blurring may leave


@dataclass(frozen=True)
class Coverage:
    """ends: keys of ENDS, and "circle" for a round field of view, at which lung is cut off. is_whole: whether what is
    missing is so little that thirds and score have their meaning. halved: as in cut_lungs.halved_side."""

    ends: tuple[str, ...] = ()
    is_whole: bool = True
    halved: str = ""


class FieldOfView:
    """Where an image ends. volume: CT in HU, in LPS order."""

    def __init__(self, lps: Volume):
        self._spacing = lps.spacing[::-1]  # k, j, i
        self._circle = _beside_padding(lps.array)
        self._halved = halved_side(lps)

    def circle_voxels(self, lungs: np.ndarray, k: int | None = None) -> int:
        """Lung voxels beside the padding around a round field of view; of slice k alone where it is given."""
        if self._circle is None:
            return 0
        return int(np.count_nonzero((lungs > 0) & (self._circle if k is None else self._circle[k])))

    def coverage(self, profiles: list[np.ndarray], circle_voxels: int = 0) -> Coverage:
        """profiles: how many lung voxels each index along k, j and i holds (both lungs together)."""
        sections = [float(np.prod(np.delete(self._spacing, axis))) for axis in range(3)]  # mm2 of a voxel's face
        ends, is_whole = [], True
        for end, (axis, at) in ENDS.items():
            count = int(profiles[axis][at])
            if count * sections[axis] >= TOUCH_MM2:
                ends.append(end)
                is_whole &= count <= CUT_SHARE * int(profiles[axis].max())
        circle_mm2 = circle_voxels * sections[1] / FIELD_MARGIN
        if circle_mm2 >= TOUCH_MM2:
            ends.append("circle")
            is_whole &= circle_mm2 <= CUT_SHARE * sections[2] * int(profiles[2].max())
        return Coverage(tuple(ends), bool(is_whole), self._halved)


def coverage_of(volume: Volume, lungs: np.ndarray) -> Coverage:
    """Coverage of a label map of the lungs (0 none) on the volume's grid, in any axis order."""
    lps, _ = reorient_to_lps(volume)
    upright = reorient_to_lps(volume.with_array(lungs))[0].array
    field = FieldOfView(lps)
    return field.coverage(lung_profile(upright), field.circle_voxels(upright))


def lung_profile(lungs: np.ndarray) -> list[np.ndarray]:
    """How many lung voxels each index along k, j and i holds."""
    inside = lungs > 0
    return [np.count_nonzero(inside, axis=other) for other in ((1, 2), (0, 2), (0, 1))]


def _beside_padding(array: np.ndarray) -> np.ndarray | None:
    """Voxels (bool) beside the padding around a round field of view; None where the image has none."""
    padding = padding_mask(array) if array.size else None
    if padding is None:
        return None
    beside = np.zeros(array.shape, bool)
    for n in range(1, FIELD_MARGIN + 1):
        beside[:, :, n:] |= padding[:, :, :-n]
        beside[:, :, :-n] |= padding[:, :, n:]
        beside[:, n:] |= padding[:, :-n]
        beside[:, :-n] |= padding[:, n:]
    return beside & ~padding
