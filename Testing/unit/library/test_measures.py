import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from LesionKitLib.imaging.measures import bounding_box, components, density


def test_air_weighs_nothing_water_one_gram_and_noise_below_air_is_not_negative():
    assert density(np.array([-1024, -1000, 0, 40])) == pytest.approx([0, 0, 1, 1.04])


def test_components_that_touch_at_a_corner_are_one():
    mask = np.zeros((4, 4, 4), bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True
    labels, sizes = components(mask, voxel_ml=1.0)
    assert list(sizes) == [2]
    assert labels[1, 1, 1] == labels[2, 2, 2] == 1


def test_a_component_of_exactly_the_smallest_volume_counts_and_a_smaller_one_does_not():
    mask = np.zeros((3, 3, 40), bool)
    mask[1, 1, 2:12] = True  # 10 voxels of 0.01 ml
    mask[1, 1, 20:29] = True  # 9
    labels, sizes = components(mask, voxel_ml=0.01, min_ml=0.1)
    assert list(sizes) == [10]
    assert np.count_nonzero(labels) == 10


def test_an_empty_mask_has_no_components():
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
