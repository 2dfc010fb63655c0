"""Lesion masks as the mask GAN sees them: occupancy of a grid of cells over the lesion's bounding box.

Positions are millimeters in standard space along L, P, S (x and y of RAS negated); arrays are indexed [k, j, i], that
is [S, P, L]. Lesions of the right side are mirrored to the left: the brain is taken as symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.measures import bounding_box, components
from LesionKitLib.imaging.volume import Volume
from StrokeSynthLib.networks.shapes import CELLS

MIN_VOXELS = 20  # smaller lesions and components are left out, as in the paper
MIN_SHARE = 0.02  # of the largest component; a smaller one is left out
MAX_ML = 300.0  # a larger mask covers more than one artery's territory, and many of them look wrong
MIN_SIDE_MM = 16.0
MARGIN = 1.15  # a box's side, of the lesion's extent


@dataclass(frozen=True)
class LesionBox:
    """low, high: mm along L, P, S."""

    low: np.ndarray
    high: np.ndarray

    @property
    def center(self) -> np.ndarray:
        return (self.low + self.high) / 2

    @property
    def sides(self) -> np.ndarray:
        return self.high - self.low


def largest_components(mask: np.ndarray) -> np.ndarray:
    """The 26-connected components of at least MIN_VOXELS voxels and MIN_SHARE of the largest one (bool, same shape)."""
    labels, sizes = components(mask, 1.0, MIN_VOXELS)
    if not len(sizes):
        return np.zeros(mask.shape, bool)
    keep = np.concatenate([[False], sizes >= MIN_SHARE * sizes.max()])
    return keep[labels]


def lesion_box(mask: np.ndarray, grid: Volume, margin: float = MARGIN) -> LesionBox:
    """The box around a mask that is not empty. grid: the mask's, in LPS order."""
    parts = bounding_box(mask)[::-1]
    half = grid.spacing / 2
    low = np.array([_centers(grid, axis)[part.start] for axis, part in enumerate(parts)]) - half
    high = np.array([_centers(grid, axis)[part.stop - 1] for axis, part in enumerate(parts)]) + half
    sides = np.maximum((high - low) * margin, MIN_SIDE_MM)
    return LesionBox((low + high - sides) / 2, (low + high + sides) / 2)


def to_occupancy(mask: np.ndarray, grid: Volume, box: LesionBox) -> np.ndarray:
    """How much of each cell the mask fills: float32 (32, 32, 32) in 0..1, exact by areas."""
    weights = [_overlaps(grid, box, axis) for axis in (2, 1, 0)]
    return _separable(mask.astype(np.float32), weights)


def from_occupancy(occupancy: np.ndarray, box: LesionBox, grid: Volume) -> np.ndarray:
    """Occupancy at the grid's voxel centers, linear between the cells' centers and 0 outside the box (float32)."""
    return _separable(occupancy.astype(np.float32), [_linear(grid, box, axis) for axis in (2, 1, 0)])


def conditions_of(box: LesionBox, volume_ml: float) -> np.ndarray:
    """The seven numbers by which the networks know a box; see networks/mask_gan.py."""
    return np.concatenate([box.center, np.log(box.sides), [np.log(volume_ml)]]).astype(np.float32)


def box_of_conditions(conditions: np.ndarray) -> LesionBox:
    """The box of conditions_of."""
    half = np.exp(np.asarray(conditions[3:6], float)) / 2
    return LesionBox(conditions[:3] - half, conditions[:3] + half)


def _centers(grid: Volume, axis: int) -> np.ndarray:
    """mm of the voxel centers along L, P or S (0, 1, 2). The grid must be in LPS order."""
    sign = (-1.0, -1.0, 1.0)[axis]
    return sign * grid.ijk_to_ras[axis, 3] + np.arange(grid.array.shape[2 - axis]) * grid.spacing[axis]


def _overlaps(grid: Volume, box: LesionBox, axis: int) -> np.ndarray:
    """(CELLS, voxels): share of each cell that each voxel covers along one axis."""
    edges = np.linspace(box.low[axis], box.high[axis], CELLS + 1)
    centers, half = _centers(grid, axis), grid.spacing[axis] / 2
    upper = np.minimum(edges[1:, None], centers + half)
    lower = np.maximum(edges[:-1, None], centers - half)
    return (np.maximum(upper - lower, 0) / (edges[1] - edges[0])).astype(np.float32)


def _linear(grid: Volume, box: LesionBox, axis: int) -> np.ndarray:
    """(voxels, CELLS): weights of linear interpolation along one axis."""
    width = box.sides[axis] / CELLS
    at = (_centers(grid, axis) - box.low[axis]) / width - 0.5
    return np.maximum(1 - np.abs(at[:, None] - np.arange(CELLS)), 0).astype(np.float32)


def _separable(array: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Weights applied along each axis; only where they are not 0, which saves the time."""
    for axis, weight in enumerate(weights):
        used = np.flatnonzero(weight.any(axis=0))
        part = np.take(array, used, axis=axis)
        array = np.moveaxis(np.tensordot(weight[:, used], part, axes=(1, axis)), 0, axis)
    return array
