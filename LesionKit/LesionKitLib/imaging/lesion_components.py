"""The lesions of a label map one by one: connected components with their class, volume and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .measures import MIN_LESION_ML, bounding_box, components
from .volume import Volume


@dataclass(frozen=True, eq=False)
class LesionComponent:
    """One lesion. label: the value that most of its voxels have.

    mask: bool [k, j, i], the smallest box that holds it; corner: where that box begins in the volume (k, j, i).
    ijk_to_ras: 4 x 4, of the volume.
    """

    label: int
    ml: float
    mask: np.ndarray
    corner: np.ndarray
    ijk_to_ras: np.ndarray

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Where the mask lies in the volume's arrays."""
        return tuple(slice(start, start + size) for start, size in zip(self.corner, self.mask.shape, strict=True))

    @cached_property
    def points(self) -> np.ndarray:
        """(n, 3): the centers of its voxels, RAS mm."""
        return self._to_ras(np.argwhere(self.mask))

    @property
    def center(self) -> np.ndarray:
        """(3): its center of mass, RAS mm; that of a bent lesion may lie outside it."""
        return self.points.mean(0)

    @cached_property
    def ras(self) -> tuple[float, float, float]:
        """A point to show it by, RAS mm: in the slice (along k) that holds most of it, on its voxel nearest to its
        center there."""
        return tuple(float(mm) for mm in self._to_ras(np.array([_middle_of_fullest_slice(self.mask)]))[0])

    @property
    def nearest_to_center(self) -> tuple[float, float, float]:
        """Of its voxels the one nearest to its center of mass, RAS mm: the same whichever axis the slices lie along."""
        return tuple(float(mm) for mm in self.points[np.argmin(((self.points - self.center) ** 2).sum(1))])

    def _to_ras(self, voxels: np.ndarray) -> np.ndarray:
        """voxels: (n, 3), (k, j, i) within the mask."""
        return (voxels + self.corner)[:, ::-1] @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3]


def lesion_components(volume: Volume, labels: np.ndarray, min_ml: float = MIN_LESION_ML) -> list[LesionComponent]:
    """Components of at least ``min_ml`` of all labels joined, the largest first; they touch over faces, edges, corners.

    labels: uint8 [k, j, i], 0 none, on the grid of ``volume``, whose voxels are not looked at.
    """
    from scipy import ndimage

    box = bounding_box(labels)
    if box is None:
        return []
    inner = labels[box]
    numbers, sizes = components(inner > 0, volume.voxel_ml, min_ml)
    found = []
    for number, part in enumerate(ndimage.find_objects(numbers), 1):
        mask = numbers[part] == number
        corner = np.array([outer.start + within.start for outer, within in zip(box, part, strict=True)])
        label = 1 + int(np.argmax(np.bincount(inner[part][mask])[1:]))
        ml = float(sizes[number - 1] * volume.voxel_ml)
        found.append(LesionComponent(label, ml, mask, corner, volume.ijk_to_ras))
    return sorted(found, key=lambda component: -component.ml)


def _middle_of_fullest_slice(mask: np.ndarray) -> tuple[int, int, int]:
    k = int(np.argmax(mask.sum(axis=(1, 2))))
    voxels = np.argwhere(mask[k])
    j, i = voxels[np.argmin(((voxels - voxels.mean(0)) ** 2).sum(1))]
    return k, int(j), int(i)
