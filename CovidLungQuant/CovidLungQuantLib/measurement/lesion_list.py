"""The lesions of a result one by one, the largest first, so that a reader can go from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from CovidLungQuantLib.labels import LESIONS
from LesionKitLib.imaging.measures import MIN_LESION_ML, bounding_box, components
from LesionKitLib.imaging.volume import Volume


@dataclass(frozen=True)
class LesionPlace:
    """One connected piece of lesion. key: the class that most of it is; ras: a point inside it, mm."""

    key: str
    ml: float
    ras: tuple[float, float, float]


def list_lesions(volume: Volume, lesions: np.ndarray) -> list[LesionPlace]:
    """Pieces of at least MIN_LESION_ML of all classes joined, by size; pieces touch over faces, edges and corners.

    lesions: uint8 [k, j, i] on the grid of ``volume``, whose voxels are not looked at. The point lies in the slice
    (along k) that holds most of the piece, on the voxel of it that is nearest to the piece's center there.
    """
    return sorted((place for place, _, _ in lesion_pieces(volume, lesions)), key=lambda place: -place.ml)


def lesion_pieces(volume: Volume, lesions: np.ndarray) -> Iterator[tuple[LesionPlace, np.ndarray, np.ndarray]]:
    """The pieces of list_lesions in any order, each with its mask [k, j, i] and that mask's corner in the volume."""
    from scipy import ndimage

    box = bounding_box(lesions)
    if box is None:
        return
    inner = lesions[box]
    labels, sizes = components(inner > 0, volume.voxel_ml, MIN_LESION_ML)
    for number, part in enumerate(ndimage.find_objects(labels), 1):
        mask = labels[part] == number
        corner = np.array([outer.start + within.start for outer, within in zip(box, part, strict=True)])
        kji = np.add(_middle(mask), corner)
        ras = volume.ijk_to_ras @ [*kji[::-1], 1.0]
        counts = np.bincount(inner[part][mask], minlength=len(LESIONS) + 1)[1:]
        key, ml = LESIONS[int(np.argmax(counts))].key, float(sizes[number - 1] * volume.voxel_ml)
        yield LesionPlace(key, ml, tuple(float(mm) for mm in ras[:3])), mask, corner


def _middle(mask: np.ndarray) -> tuple[int, int, int]:
    """Index (k, j, i) of a voxel of the mask: in its fullest slice, nearest to the center of the mask there."""
    k = int(np.argmax(mask.sum(axis=(1, 2))))
    voxels = np.argwhere(mask[k])
    j, i = voxels[np.argmin(((voxels - voxels.mean(0)) ** 2).sum(1))]
    return k, int(j), int(i)
