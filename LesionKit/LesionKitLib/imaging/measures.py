"""Measures of label maps that every module shares: volume, mean, mass, connected components.

Definitions are in docs/measurements.md. Arrays are indexed [k, j, i]; volumes are milliliters (1 ml = 1000 mm3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_LESION_ML = 0.1  # a smaller connected component is not counted as a lesion; it still adds to the volumes


@dataclass
class CodeSums:
    """What slices have added up per code: voxels, sum of the values, sum of the densities (g/ml)."""

    voxels: np.ndarray
    values: np.ndarray
    densities: np.ndarray

    @classmethod
    def empty(cls, size: int) -> CodeSums:
        return cls(np.zeros(size, np.int64), np.zeros(size), np.zeros(size))

    def add(self, codes: np.ndarray, values: np.ndarray) -> None:
        """codes: integers 0..size-1; values: numbers of the same shape (HU where the densities are of use)."""
        size = len(self.voxels)
        self.voxels += np.bincount(codes, minlength=size)
        self.values += np.bincount(codes, values, size)
        self.densities += np.bincount(codes, density(values), size)


def density(hu: np.ndarray) -> np.ndarray:
    """g/ml of tissue from its CT number: (HU + 1000) / 1000, never below 0.

    Air (-1000 HU) weighs nothing and water (0 HU) 1 g/ml; HU below air are noise. The usual two-compartment model
    of lung densitometry (Cressoni et al., Critical Care 2013; validated against the balance by Protti et al., 2014).
    """
    return np.maximum(np.asarray(hu, np.float32) + 1000, 0) / 1000


def mean_or_none(total: float, count: int) -> float | None:
    """total / count, and None where there is nothing to take a mean of."""
    return float(total) / int(count) if count else None


def percent_or_none(part: float, whole: float) -> float | None:
    """100 * part / whole, and None where the whole is empty."""
    return 100.0 * float(part) / float(whole) if whole else None


def components(mask: np.ndarray, voxel_ml: float, min_ml: float = MIN_LESION_ML) -> tuple[np.ndarray, np.ndarray]:
    """26-connected components of a mask of at least ``min_ml``.

    Returns (labels: int32 of the mask's shape, 0 none, 1..n the components; sizes: n voxel counts). They touch also
    over edges and corners. A mask with nothing in it gives n = 0.
    """
    from scipy import ndimage

    box = bounding_box(mask)
    if box is None:
        return np.zeros(mask.shape, np.int32), np.zeros(0, np.int64)
    inner, count = ndimage.label(mask[box], np.ones((3, 3, 3)), output=np.int32)
    # plane by plane and in place: bincount and indexing make arrays of up to eight bytes a voxel
    sizes = sum(np.bincount(plane.ravel(), minlength=count + 1) for plane in inner)[1:]
    large = sizes * voxel_ml >= min_ml * (1 - 1e-9)  # a component of exactly min_ml counts, whatever the rounding
    number = np.zeros(count + 1, np.int32)
    number[1:][large] = np.arange(1, large.sum() + 1)
    for plane in inner:
        plane[...] = number[plane]
    if inner.shape == mask.shape:
        return inner, sizes[large]
    labels = np.zeros(mask.shape, np.int32)
    labels[box] = inner
    return labels, sizes[large]


def bounding_box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """The smallest box that holds all that is not 0, as slices for each array axis; None when there is nothing."""
    box = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(n for n in range(mask.ndim) if n != axis)))
        if not len(hit):
            return None
        box.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)
