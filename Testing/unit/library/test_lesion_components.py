"""The lesions of a label map one by one."""

from __future__ import annotations

import numpy as np
import pytest

from LesionKitLib.imaging.lesion_components import lesion_components
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine


@pytest.fixture
def lesions():
    labels = np.zeros((12, 30, 40), np.uint8)
    labels[1:3, 2:6, 3:9] = 1
    labels[6:10, 10:20, 20:30] = 2
    labels[6, 10:12, 20:22] = 3  # touches: one component, mostly of label 2
    labels[11, 28, 38] = 1  # too small
    return labels


@pytest.mark.parametrize("directions", [LPS_IN_RAS, np.eye(3), np.eye(3)[[2, 0, 1]]])
def test_lesions_come_by_size_with_a_point_inside_each(lesions, directions):
    volume = Volume(np.zeros(lesions.shape, np.int16), affine((2.0, 3.0, 4.0), directions, (5.0, -7.0, 11.0)))
    found = lesion_components(volume, lesions)
    assert [lesion.label for lesion in found] == [2, 1]
    assert [lesion.ml for lesion in found] == pytest.approx([400 * 0.024, 48 * 0.024])
    for lesion, classes in zip(found, ((2, 3), (1,)), strict=True):
        i, j, k, _ = np.rint(np.linalg.inv(volume.ijk_to_ras) @ [*lesion.ras, 1]).astype(int)
        assert lesions[k, j, i] in classes


def test_the_point_of_a_ring_lies_on_the_ring():
    labels = np.zeros((1, 40, 40), np.uint8)
    labels[0, 5:35, 5:35] = 1
    labels[0, 12:28, 12:28] = 0
    (lesion,) = lesion_components(Volume(np.zeros(labels.shape, np.int16), affine((1.0, 1.0, 5.0), np.eye(3))), labels)
    i, j, k = np.rint(lesion.ras / np.array([1.0, 1.0, 5.0])).astype(int)
    assert labels[k, j, i] == 1


def test_no_lesion_gives_an_empty_list():
    volume = Volume(np.zeros((2, 3, 4), np.int16), affine((1.0, 1.0, 1.0)))
    assert lesion_components(volume, np.zeros((2, 3, 4), np.uint8)) == []


def test_each_lesion_has_its_mask_and_where_that_lies(lesions):
    volume = Volume(np.zeros(lesions.shape, np.int16), affine((2.0, 3.0, 4.0)))
    rebuilt = np.zeros(lesions.shape, bool)
    for lesion in lesion_components(volume, lesions):
        rebuilt[lesion.box] |= lesion.mask
    lesions[11, 28, 38] = 0  # too small to be one
    np.testing.assert_array_equal(rebuilt, lesions > 0)


def test_center_of_mass_points_and_the_voxel_nearest_to_the_center_are_in_mm_of_the_volume():
    labels = np.zeros((4, 20, 30), np.uint8)
    labels[1, 4:14, 6:10] = 1
    labels[1:3, 12:14, 6:20] = 1  # an L, whose center of mass lies beside it
    volume = Volume(np.zeros(labels.shape, np.int16), affine((2.0, 3.0, 4.0), LPS_IN_RAS, (5.0, -7.0, 11.0)))
    (lesion,) = lesion_components(volume, labels)
    voxels = np.argwhere(labels)[:, ::-1]
    expected = np.c_[voxels, np.ones(len(voxels))] @ volume.ijk_to_ras.T
    np.testing.assert_allclose(lesion.points, expected[:, :3])
    np.testing.assert_allclose(lesion.center, expected[:, :3].mean(0))
    distances = np.linalg.norm(expected[:, :3] - lesion.center, axis=1)
    np.testing.assert_allclose(lesion.nearest_to_center, expected[np.argmin(distances), :3])
