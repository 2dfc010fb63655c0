"""The lesions of a label map one by one: connected components with their class, volume and a point inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .measures import MIN_LESION_ML, bounding_box, components
from .volume import Volume


@dataclass(frozen=True, eq=False)
class LesionComponent:
    """One lesion. label: the value that most of its voxels have; ras: a point inside it, mm.

    mask: bool [k, j, i], the smallest box that holds it; corner: where that box begins in the volume (k, j, i).
    """

    label: int
    ml: float
    ras: tuple[float, float, float]
    mask: np.ndarray
    corner: np.ndarray


def lesion_components(volume: Volume, labels: np.ndarray, min_ml: float = MIN_LESION_ML) -> list[LesionComponent]:
    """Components of at least ``min_ml`` of all labels joined, the largest first; they touch over faces, edges, corners.

    labels: uint8 [k, j, i], 0 none, on the grid of ``volume``, whose voxels are not looked at. The point lies in the
    slice (along k) that holds most of the component, on its voxel nearest to the component's center there.
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
        kji = np.add(_middle(mask), corner)
        ras = volume.ijk_to_ras @ [*kji[::-1], 1.0]
        label = 1 + int(np.argmax(np.bincount(inner[part][mask])[1:]))
        ml = float(sizes[number - 1] * volume.voxel_ml)
        found.append(LesionComponent(label, ml, tuple(float(mm) for mm in ras[:3]), mask, corner))
    return sorted(found, key=lambda component: -component.ml)


def _middle(mask: np.ndarray) -> tuple[int, int, int]:
    """Index (k, j, i) of a voxel of the mask: in its fullest slice, nearest to the center of the mask there."""
    k = int(np.argmax(mask.sum(axis=(1, 2))))
    voxels = np.argwhere(mask[k])
    j, i = voxels[np.argmin(((voxels - voxels.mean(0)) ** 2).sum(1))]
    return k, int(j), int(i)
