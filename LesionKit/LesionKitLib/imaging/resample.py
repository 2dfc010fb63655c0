"""Separable linear resampling by small matrices: the same weights bring slices into a frame and results back."""

from __future__ import annotations

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


def apply_plane(rows: np.ndarray, columns: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """Resample planes (..., h, w) with rows (h', h) and columns (w', w) to (..., h', w') float32."""
    return rows @ planes.astype(np.float32, copy=False) @ columns.T
