"""A chest made of boxes and a stand-in network that reads it without error, so that tests of geometry need no weights.

The tissues' values fall from body to effusion, and the lesions lie in each other (effusion in consolidation in ground
glass in the right lung): a blurred edge then never looks like a third tissue, and the labels are known to the voxel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations, product
from typing import NamedTuple

import numpy as np

from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine

BODY, AIR_LUNG, GGO, CONSOLIDATION, EFFUSION = 100, -500, -700, -850, -1000
VALUES = (AIR_LUNG, GGO, CONSOLIDATION, EFFUSION)
FIELD_MM = (256.0, 256.0, 112.0)  # along i, j, k in LPS order
# no two ends look alike, so that nothing can be turned round unseen
# boxes in mm from the field's middle: (low, high) along i (left), j (posterior), k (superior)
RIGHT_LUNG = ((-104.0, -80.0, -40.0), (-16.0, 80.0, 40.0))
LEFT_LUNG = ((16.0, -80.0, -40.0), (104.0, 80.0, 40.0))
LESION_BOXES = (
    ((-96.0, -16.0, -32.0), (-32.0, 64.0, 24.0)),
    ((-88.0, 0.0, -24.0), (-40.0, 56.0, 16.0)),
    ((-72.0, 16.0, -16.0), (-48.0, 48.0, 8.0)),
)
# every order of the axes (k, j, i) with every choice of flips: the 48 ways in which a scan may lie in a file
WAYS = [(order, flips) for order in permutations(range(3)) for flips in product((False, True), repeat=3)]


class BlockChest(NamedTuple):
    """volume: int16 HU; lungs (1 right, 2 left) and lesions (1 to 3): uint8 on its grid."""

    volume: Volume
    lungs: np.ndarray
    lesions: np.ndarray

    def ml(self) -> dict[str, float]:
        """True volumes by the names of the measurements."""
        voxel = self.volume.voxel_ml
        names = ("ggo_ml", "consolidation_ml", "effusion_ml")
        counted = {name: float((self.lesions == n + 1).sum()) * voxel for n, name in enumerate(names)}
        return {"lung_ml": float((self.lungs > 0).sum()) * voxel, **counted}


def block_chest(spacing=(4.0, 4.0, 8.0), directions: np.ndarray = LPS_IN_RAS) -> BlockChest:
    """The chest of boxes on a grid of this spacing (mm along i, j, k); directions turn the patient with the grid."""
    size = [round(field / step) for field, step in zip(FIELD_MM, spacing, strict=True)]
    k, j, i = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * step for n, step in zip(size[::-1], spacing[::-1], strict=True)],
        indexing="ij",
        sparse=True,
    )

    def inside(box) -> np.ndarray:
        parts = [(axis > low) & (axis < high) for axis, low, high in zip((i, j, k), *box, strict=True)]
        return parts[0] & parts[1] & parts[2]

    shape = tuple(size[::-1])
    lungs, lesions = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    lungs[inside(RIGHT_LUNG)], lungs[inside(LEFT_LUNG)] = 1, 2
    for n, box in enumerate(LESION_BOXES):
        lesions[inside(box)] = n + 1
    hu = np.where(lungs > 0, np.array(VALUES, np.int16)[lesions], np.int16(BODY))
    return BlockChest(Volume(hu, affine(spacing, directions, (11.0, -22.0, 33.0)), "chest of boxes"), lungs, lesions)


def turned(volume: Volume, order: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Volume:
    """The same image stored in another way: new array axis n is the old axis order[n], backwards where flips[n]."""
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        matrix[2 - old, 2 - new] = -1 if flip else 1
        matrix[2 - old, 3] = volume.array.shape[old] - 1 if flip else 0
    return Volume(stored(volume.array, order, flips), volume.ijk_to_ras @ matrix, volume.name, volume.notes)


def stored(array: np.ndarray, order: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> np.ndarray:
    """The array of ``turned``."""
    return np.flip(array.transpose(order), [n for n in range(3) if flips[n]])


def rotation(axis, degrees: float) -> np.ndarray:
    """3 x 3 rotation about an axis (Rodrigues)."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


class FakeHeads:
    """What a network gives for a batch of slices, made from their gray values."""

    def __init__(self, gray):
        self.gray = gray[:, :1]  # (n, 1, h, w), the lung window

    def probabilities(self):
        import torch

        steps = [self._below((a + b) / 2) for a, b in zip((BODY, *VALUES), VALUES, strict=False)]
        lung, lesion, dense, fluid = steps
        return torch.cat([lung, lesion, lesion - dense, dense - fluid, fluid], 1)

    def _below(self, hu: float):
        from CovidLungQuantLib.segmentation.frames import window

        return ((float(window(hu)) - self.gray) / 0.02 + 0.5).clamp(0, 1)


class ThresholdNetwork:
    """Stands in for a network: lungs and lesions by gray value. batches: slices in each batch it was given."""

    def __init__(self):
        self.batches: list[int] = []

    def to(self, *_, **__) -> ThresholdNetwork:
        return self

    def parameters(self) -> Iterator:
        import torch

        return iter([torch.zeros(1)])

    def __call__(self, gray) -> FakeHeads:
        return FakeHeads(gray)

    def stream(self, batches: Iterable, workers=None) -> Iterator[FakeHeads]:
        for batch in batches:
            self.batches.append(len(batch))
            yield FakeHeads(batch)


def slice_with_lungs(top=60, bottom=180, left=40, right=220, shape=(256, 260)) -> np.ndarray:
    """Gray 0..1: a bright body in black air, and two dark lungs that together fill the box."""
    picture = np.zeros(shape)
    picture[20:-20, 10:-10] = 0.9
    width = (right - left) // 2 - 8
    picture[top:bottom, left : left + width] = 0.3
    picture[top:bottom, right - width : right] = 0.3
    return picture
