"""Voxel grids as 4 x 4 matrices from (i, j, k, 1) to RAS millimeters: are their axes square, where do they lie."""

from __future__ import annotations

import numpy as np

SHEAR_TOLERANCE = 1e-3  # cosine between two axes; a gantry tilt of 0.06 degrees
SAME_PLACE_MM = 0.5  # two descriptions of one grid agree when no corner differs by more (float32 quaternions: 0.1 mm)
SAME_SPACING = 0.01  # relative
_ROUNDING = 1e-6  # cosine; axes off by less are as square as float32 can say
_SIDES = ("RL", "AP", "SI")


def spacing_of(matrix: np.ndarray) -> np.ndarray:
    """mm between voxel centers along (i, j, k)."""
    return np.linalg.norm(matrix[:3, :3], axis=0)


def shear_of(matrix: np.ndarray) -> float:
    """Largest cosine between two of the grid's axes: 0 for a straight grid. Infinity where an axis has no length."""
    spacing = spacing_of(matrix)
    if not np.isfinite(matrix).all() or spacing.min() <= 0:
        return float("inf")
    directions = matrix[:3, :3] / spacing
    return float(np.abs(directions.T @ directions - np.eye(3)).max())


def squared(matrix: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The grid with its axes turned to the nearest rotation (or rotation and mirroring); spacing and middle stay.

    shape: of the array, (k, j, i). The nearest orthogonal matrix is the orthogonal factor of the polar decomposition
    (Fan and Hoffman, Proc. Amer. Math. Soc. 1955). A matrix that is square already comes back unchanged.
    """
    if shear_of(matrix) <= _ROUNDING:
        return matrix
    spacing = spacing_of(matrix)
    left, _, right = np.linalg.svd(matrix[:3, :3] / spacing)
    middle = middle_of(matrix, shape)
    result = np.eye(4)
    result[:3, :3] = (left @ right) * spacing
    result[:3, 3] = middle - result[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    return result


def middle_of(matrix: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """RAS position of the middle of a grid of this shape (k, j, i), mm."""
    return (matrix @ [*(np.array(shape[::-1]) - 1) / 2, 1])[:3]


def largest_distance(one: np.ndarray, other: np.ndarray, shape: tuple[int, int, int]) -> float:
    """How far corresponding corner voxels of two grids of this shape (k, j, i) lie apart at most, mm."""
    far = np.array(shape[::-1]) - 1
    corners = np.array([[*(far * (i, j, k)), 1] for k in (0, 1) for j in (0, 1) for i in (0, 1)])
    return float(np.linalg.norm(((one - other) @ corners.T)[:3], axis=0).max())


def position_text(point: np.ndarray) -> str:
    """A RAS position as radiologists write it: R 12, P 3, S 40 mm."""
    sides = (letters[0] if value >= 0 else letters[1] for letters, value in zip(_SIDES, point, strict=True))
    return ", ".join(f"{side} {abs(value):.0f}" for side, value in zip(sides, point, strict=True)) + " mm"


def axes_text(matrix: np.ndarray) -> str:
    """Where the grid's axes i, j, k run, each as the letter of the nearest direction: LPS, RAS, ..."""
    directions = matrix[:3, :3] / spacing_of(matrix)
    nearest = np.abs(directions).argmax(0)
    return "".join(_SIDES[axis][int(directions[axis, n] < 0)] for n, axis in enumerate(nearest))


def spacing_text(spacing: np.ndarray) -> str:
    """2 x 2 x 4 mm."""
    return " x ".join(f"{float(f'{length:.3g}'):g}" for length in spacing) + " mm"
