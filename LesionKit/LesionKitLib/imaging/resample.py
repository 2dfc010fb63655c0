"""Separable linear resampling: the same weights bring slices into a frame and results back."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def linear_weights(size_in: int, size_out: int, start: float, step: float, outside: str = "edge") -> np.ndarray:
    """Weights (size_out, size_in) float32 that sample a line of pixels at start + (n + 0.5) * step - 0.5, n = 0...

    With step > 1 the triangle is as wide as the step, so nothing between the samples is lost (anti-aliasing).
    outside: beyond the line is its "edge" pixel, or "zero".
    """
    centers = start + (np.arange(size_out) + 0.5) * step - 0.5
    reach = max(1.0, step)
    first = np.floor(centers - reach).astype(int)
    taps = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)[None]
    weights = np.clip(1 - np.abs(taps - centers[:, None]) / reach, 0, None)
    weights /= weights.sum(1, keepdims=True)
    inside = (taps >= 0) & (taps < size_in)
    if outside == "zero":
        weights = weights * inside
    matrix = np.zeros((size_out, size_in), np.float32)
    np.add.at(matrix, (np.arange(size_out)[:, None], np.clip(taps, 0, size_in - 1)), weights)
    return matrix


class SparseWeights:
    """A weight matrix without its zeros. size: of the output line; seen: the part of the input line with any weight.

    The weights are multiplied in a fixed order: linear weights hold two to four values a row, and the result does not
    depend on how many threads a matrix product would use.
    """

    def __init__(self, matrix: np.ndarray):
        from scipy.sparse import csr_array

        used = np.flatnonzero(matrix.any(0))
        self.size = len(matrix)
        self.seen = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
        self.weights = csr_array(matrix[:, self.seen])


@lru_cache(maxsize=32)
def sparse_linear_weights(size_in: int, size_out: int, start: float, step: float, outside: str = "edge"):
    """linear_weights as SparseWeights. All slices of a volume share them, so the last few stay in memory."""
    return SparseWeights(linear_weights(size_in, size_out, start, step, outside))


def apply_plane(
    rows: np.ndarray | SparseWeights, columns: np.ndarray | SparseWeights, planes: np.ndarray
) -> np.ndarray:
    """Resample planes (..., h, w) with rows (h', h) and columns (w', w) to (..., h', w') float32."""
    rows, columns = (w if isinstance(w, SparseWeights) else SparseWeights(w) for w in (rows, columns))
    flat = planes.reshape(-1, *planes.shape[-2:])
    result = np.empty((len(flat), rows.size, columns.size), np.float32)
    for out, plane in zip(result, flat, strict=True):
        seen = plane[rows.seen, columns.seen].astype(np.float32, copy=False)
        # the axis that becomes shorter first, so that less is left for the other
        if rows.size <= seen.shape[0]:
            out[:] = (columns.weights @ _transposed(rows.weights @ seen)).T
        else:
            out[:] = rows.weights @ _transposed(columns.weights @ _transposed(seen))
    return result.reshape(*planes.shape[:-2], rows.size, columns.size)


def _transposed(plane: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(plane.T)
