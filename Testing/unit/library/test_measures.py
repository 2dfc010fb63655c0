import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from LesionKitLib.imaging.measures import bounding_box, components, density, label_measures
from LesionKitLib.imaging.volume import Volume, affine


def test_volume_mean_and_mass_of_a_label_are_those_of_its_voxels():
    hu = np.full((4, 5, 6), -1000, np.int16)
    labels = np.zeros(hu.shape, np.uint8)
    labels[1, :2, :3] = 2
    hu[1, :2, :3] = -500
    measured = label_measures(Volume(hu, affine((10, 10, 5))), labels, (1, 2))
    assert measured[2].ml == pytest.approx(6 * 0.5)
    assert measured[2].mean == -500
    assert measured[2].mass_g == pytest.approx(6 * 0.5 * 0.5)


def test_an_empty_label_has_no_mean_and_no_mass():
    volume = Volume(np.zeros((2, 2, 2)), affine((1, 1, 1)))
    measured = label_measures(volume, np.zeros((2, 2, 2), np.uint8), (7,))
    assert (measured[7].ml, measured[7].mean, measured[7].mass_g) == (0.0, None, 0.0)


def test_labels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        label_measures(Volume(np.zeros((2, 2, 2)), affine((1, 1, 1))), np.zeros((2, 2, 3), np.uint8), (1,))


def test_air_weighs_nothing_water_one_gram_and_noise_below_air_is_not_negative():
    assert density(np.array([-1024, -1000, 0, 40])) == pytest.approx([0, 0, 1, 1.04])


def test_pieces_that_touch_at_a_corner_are_one():
    mask = np.zeros((4, 4, 4), bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True
    labels, sizes = components(mask, voxel_ml=1.0)
    assert list(sizes) == [2]
    assert labels[1, 1, 1] == labels[2, 2, 2] == 1


def test_a_piece_of_exactly_the_smallest_volume_counts_and_a_smaller_one_does_not():
    mask = np.zeros((3, 3, 40), bool)
    mask[1, 1, 2:12] = True  # 10 voxels of 0.01 ml
    mask[1, 1, 20:29] = True  # 9
    labels, sizes = components(mask, voxel_ml=0.01, min_ml=0.1)
    assert list(sizes) == [10]
    assert np.count_nonzero(labels) == 10


def test_an_empty_mask_has_no_pieces():
    labels, sizes = components(np.zeros((3, 3, 3), bool), 1.0)
    assert not labels.any() and len(sizes) == 0
    assert bounding_box(np.zeros((3, 3, 3), bool)) is None


@given(arrays(bool, st.tuples(*[st.integers(1, 6)] * 3)))
def test_the_bounding_box_holds_everything_and_cannot_shrink(mask):
    box = bounding_box(mask)
    if box is None:
        assert not mask.any()
        return
    assert mask[box].sum() == mask.sum()
    for axis in range(3):
        assert mask[box].take(0, axis).any() and mask[box].take(-1, axis).any()
