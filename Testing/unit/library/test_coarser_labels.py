"""Label maps on coarser grids keep their volumes."""

from __future__ import annotations

import numpy as np
import pytest

from LesionKitLib.imaging.coarser_labels import coarser_labels


def volumes(fine, factors):
    coarse = coarser_labels(fine, factors)
    return coarse, [int((coarse == value).sum()) * int(np.prod(factors)) for value in (1, 2)]


def test_whole_voxels_come_out_as_they_are():
    labels = np.random.default_rng(0).integers(0, 3, (5, 6, 7)).astype(np.uint8)
    fine = labels.repeat(2, 0).repeat(3, 1).repeat(2, 2)
    np.testing.assert_array_equal(coarser_labels(fine, (2, 3, 2)), labels)


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("thickness", [1, 2, 3])
def test_a_sheet_thinner_than_a_voxel_keeps_its_volume_wherever_it_lies(first, thickness):
    fine = np.zeros((16, 32, 32), np.uint8)
    fine[4 + first : 4 + first + thickness, 8:24, 8:24] = 1
    coarse, (found, _) = volumes(fine, (4, 1, 1))
    assert found == pytest.approx(int(fine.sum()), rel=0.02)
    middle = np.argwhere(coarse).mean(0)
    np.testing.assert_allclose(middle[1:], 15.5, atol=0.6)


def test_two_sheets_within_one_voxel_both_keep_their_volume():
    fine = np.zeros((8, 20, 20), np.uint8)
    fine[4, 4:16, 4:16], fine[5, 4:16, 4:16] = 1, 2
    assert volumes(fine, (2, 2, 2))[1] == [144, 144]


def test_a_ball_keeps_its_volume_and_its_shape():
    axes = np.meshgrid(*[np.arange(60) - 29.7] * 3, indexing="ij")
    fine = (sum(axis**2 for axis in axes) <= 20**2).astype(np.uint8)
    coarse, (found, _) = volumes(fine, (3, 3, 3))
    assert found == pytest.approx(int(fine.sum()), rel=0.002)
    back = coarse.repeat(3, 0).repeat(3, 1).repeat(3, 2)
    assert 2 * (back & fine).sum() / (back.sum() + fine.sum()) > 0.94


def test_nothing_stays_nothing():
    assert not coarser_labels(np.zeros((4, 4, 4), np.uint8), (2, 2, 2)).any()
