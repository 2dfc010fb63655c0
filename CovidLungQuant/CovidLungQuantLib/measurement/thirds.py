"""The thirds of each lung's own height, towards the patient's superior, in images of any obliqueness.

Arrays are LPS-oriented (``LesionKitLib.imaging.volume.reorient_to_lps``). Lung labels: 0 none, 1 right, 2 left.
"""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.labels import LEFT_LUNG, RIGHT_LUNG

RIGHT, LEFT = RIGHT_LUNG.value, LEFT_LUNG.value
TAIL = 0.001  # of a lung's voxels, at either end, that its height leaves out: stray voxels must not move the thirds
HEIGHT_STEP_MM = 0.25
THIRDS = ("lower", "middle", "upper")


def heights(ijk_to_ras: np.ndarray, shape) -> tuple[np.ndarray, np.ndarray | None]:
    """Height in mm (towards superior, from voxel 0) of LPS-oriented voxels as slice part (K) + in-slice part (J, I).

    The in-slice part is None when axial slices are level, as they mostly are.
    """
    i_step, j_step, k_step = (float(x) for x in ijk_to_ras[2, :3])
    by_slice = k_step * np.arange(shape[0])
    if max(abs(i_step) * shape[2], abs(j_step) * shape[1]) < HEIGHT_STEP_MM:
        return by_slice, None
    return by_slice, j_step * np.arange(shape[1])[:, None] + i_step * np.arange(shape[2])


def third_limits(lungs: np.ndarray, ijk_to_ras: np.ndarray) -> dict[int, tuple[float, float]]:
    """For each lung present (1, 2) the heights, as in ``heights``, where its middle and its upper third begin.

    Each lung is divided by its own extent from bottom to top (a raised diaphragm must not empty a lower third),
    without the outermost 0.1 % of its voxels at either end.
    """
    by_slice, in_slice = heights(ijk_to_ras, lungs.shape)
    if in_slice is None:
        return level_third_limits(np.array([np.bincount(codes.ravel(), minlength=3)[:3] for codes in lungs]), by_slice)
    low, high = by_slice.min() + in_slice.min(), by_slice.max() + in_slice.max()
    counts = _empty_bins(low, high)
    for k, codes in enumerate(lungs):
        for value in (RIGHT, LEFT):
            bins = np.rint((by_slice[k] + in_slice[codes == value] - low) / HEIGHT_STEP_MM).astype(int)
            counts[value] += np.bincount(bins, minlength=counts.shape[1])
    return {value: _cuts(counts[value], low) for value in (RIGHT, LEFT) if counts[value].any()}


def level_third_limits(voxels: np.ndarray, by_slice: np.ndarray) -> dict[int, tuple[float, float]]:
    """third_limits where axial slices are level: voxels (K, 3) of each label in each slice, and the slices' heights."""
    low = by_slice.min()
    counts = _empty_bins(low, by_slice.max())
    bins = [round((height - low) / HEIGHT_STEP_MM) for height in by_slice]
    np.add.at(counts.T, bins, voxels)
    return {value: _cuts(counts[value], low) for value in (RIGHT, LEFT) if counts[value].any()}


def _empty_bins(low: float, high: float) -> np.ndarray:
    return np.zeros((3, int((high - low) / HEIGHT_STEP_MM) + 2), np.int64)


def _cuts(counts: np.ndarray, low: float) -> tuple[float, float]:
    share = np.cumsum(counts) / counts.sum()
    bottom = int(np.searchsorted(share, TAIL, side="right"))
    top = int(np.searchsorted(share, 1 - TAIL, side="left"))
    height = (top - bottom) * HEIGHT_STEP_MM
    start = low + bottom * HEIGHT_STEP_MM
    return start + height / 3, start + 2 * height / 3


def third_index(height, cuts: tuple[float, float]) -> np.ndarray:
    """0 lower, 1 middle, 2 upper. A voxel on a cut belongs to the higher third."""
    height = np.asarray(height)
    return (height >= cuts[0] - 1e-6).astype(np.intp) + (height >= cuts[1] - 1e-6)
