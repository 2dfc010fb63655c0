"""Slices of a tilted gantry on a straight grid: each is shifted within its own plane, so that volumes stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shear:
    """columns, rows: how far each slice lies beside the first, in pixels along i and along j."""

    columns: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, aside: np.ndarray, along: np.ndarray, rotation: np.ndarray, spacing: tuple[float, float]) -> Shear:
        """aside: LPS mm, see slice_stack.StackPlan. along: mm of each slice along the normal, rising.

        rotation: 3 x 3, LPS, unit vectors along a row, a column and the normal. spacing: mm along i and j.
        """
        share = (along - along[0]) / (along[-1] - along[0])
        return cls(*(share * float(aside @ rotation[:, axis]) / spacing[axis] for axis in (0, 1)))

    @property
    def corner(self) -> tuple[int, int]:
        """Where the first slice's first pixel lies in the straight grid: column, row."""
        return tuple(int(np.ceil(-moves.min())) for moves in (self.columns, self.rows))

    def shape(self, slice_shape: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of the straight grid, which holds all slices whole."""
        columns, rows = self.corner
        return (
            slice_shape[0] + rows + int(np.ceil(self.rows.max())),
            slice_shape[1] + columns + int(np.ceil(self.columns.max())),
        )

    def straightened(self, values: np.ndarray, index: int) -> np.ndarray:
        """A slice [j, i] in the straight grid, its surroundings filled with its lowest value; linear interpolation."""
        from scipy import ndimage

        (i, j), low = self.corner, values.min()
        wide = np.full(self.shape(values.shape), low, np.float32)
        wide[j : j + values.shape[0], i : i + values.shape[1]] = values
        by = (self.rows[index], self.columns[index])
        moved = ndimage.shift(wide, by, order=1, mode="constant", cval=float(low))
        return np.rint(moved).astype(np.int32) if values.dtype.kind in "iu" else moved
