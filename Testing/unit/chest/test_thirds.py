"""Each lung divided by its own height."""

from __future__ import annotations

import numpy as np
import pytest

from CovidLungQuantLib.measurement.thirds import LEFT, RIGHT, heights, third_index, third_limits
from LesionKitLib.imaging.volume import LPS_IN_RAS, affine


def thirds(lungs: np.ndarray, ijk_to_ras: np.ndarray) -> np.ndarray:
    """As measure sorts voxels: 0 outside, 1 lower, 2 middle, 3 upper third of the lung the voxel belongs to."""
    limits = third_limits(lungs, ijk_to_ras)
    by_slice, in_slice = heights(ijk_to_ras, lungs.shape)
    result = np.zeros(lungs.shape, np.uint8)
    for k, codes in enumerate(lungs):
        for value, cuts in limits.items():
            height = np.broadcast_to(by_slice[k] + (0 if in_slice is None else in_slice), codes.shape)
            inside = codes == value
            result[k][inside] = third_index(height[inside], cuts) + 1
    return result


def test_each_lung_is_divided_by_its_own_height():
    lungs = np.zeros((30, 4, 10), np.uint8)
    lungs[0:30, :, :4] = RIGHT
    lungs[12:30, :, 6:] = LEFT
    matrix = affine((1, 1, 2.5))
    labeled = thirds(lungs, matrix)
    assert [labeled[k, 0, 0] for k in (0, 9, 10, 19, 20, 29)] == [1, 1, 2, 2, 3, 3]
    assert [labeled[k, 0, 9] for k in (12, 17, 18, 23, 24, 29)] == [1, 1, 2, 2, 3, 3]
    assert labeled[0, 0, 9] == 0


def test_a_stray_voxel_does_not_move_the_thirds():
    lungs = np.zeros((60, 20, 20), np.uint8)
    lungs[10:40] = RIGHT
    before = third_limits(lungs, affine((1, 1, 2)))
    lungs[58, 3, 3] = RIGHT
    assert third_limits(lungs, affine((1, 1, 2))) == before


def test_thirds_follow_the_patients_height_in_a_tilted_grid():
    angle = np.radians(20)
    tilt = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    matrix = affine((1, 1, 1), tilt @ LPS_IN_RAS)
    lungs = np.full((40, 40, 3), LEFT, np.uint8)
    labeled = thirds(lungs, matrix)
    k, j, i = np.indices(lungs.shape)
    height = matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k
    assert height[labeled == 1].max() <= height[labeled == 2].min()
    assert height[labeled == 2].max() <= height[labeled == 3].min()
    assert np.ptp(height[labeled == 2]) == pytest.approx(np.ptp(height) / 3, rel=0.1)
