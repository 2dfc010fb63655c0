"""What partial volume makes is no lesion, and what is higher than it is."""

from __future__ import annotations

import numpy as np
import pytest

from CovidLungQuantLib.segmentation.partial_volume import drop_partial_volume

SPACING = (1.5, 1.5, 2.0)
SHAPE = (40, 60, 80)


def chest(spacing=SPACING):
    """One lung over a dome of 40 HU: a ball of soft tissue that rises into its base."""
    k, j, i = np.indices(SHAPE, sparse=True)
    lungs = np.zeros(SHAPE, np.uint8)
    lungs[5:35, 10:50, 10:70] = 1
    dome = ((k - 5) * spacing[2]) ** 2 + ((j - 30) * 1.5) ** 2 + ((i - 40) * 1.5) ** 2 < 16**2
    lungs[dome] = 0
    hu = np.where(lungs > 0, -850, 40).astype(np.int16)
    return hu, lungs, np.zeros(SHAPE, np.uint8)


def with_lesion(box, value=1, hu=-500, spacing=SPACING):
    image, lungs, lesions = chest(spacing)
    lesions[box] = value
    lungs[box] = 1
    image[box] = hu
    return drop_partial_volume(image, lungs, lesions, spacing), lesions, lungs


DOME = (slice(13, 15), slice(26, 34), slice(36, 44))  # where the dome ends between two slices
APEX = (slice(33, 35), slice(12, 30), slice(12, 30))


@pytest.mark.parametrize("box", [DOME, APEX], ids=["dome", "apex"])
def test_a_sheet_of_two_thin_slices_at_the_lungs_border_is_no_lesion_and_stays_lung(box):
    (lungs, lesions), before, lung_before = with_lesion(box)
    assert not lesions.any()
    np.testing.assert_array_equal(lungs, lung_before)
    assert before.any()  # the input is left alone


def test_a_sheet_beside_the_heart_is_no_lesion():
    (_, lesions), _, _ = with_lesion((slice(20, 22), slice(10, 20), slice(10, 22)))
    assert not lesions.any()


@pytest.mark.parametrize(
    ("box", "hu"),
    [
        ((slice(20, 22), slice(25, 35), slice(30, 40)), -500),  # inside the lung
        ((slice(20, 26), slice(10, 20), slice(10, 20)), -500),  # as high as it is wide
        (DOME, -50),  # dense: consolidation on the diaphragm
    ],
    ids=["inside", "high", "dense"],
)
def test_other_lesions_stay(box, hu):
    (lungs, lesions), before, lung_before = with_lesion(box, hu=hu)
    np.testing.assert_array_equal(lesions, before)
    np.testing.assert_array_equal(lungs, lung_before)


@pytest.mark.parametrize(("slice_mm", "stays"), [(2.0, False), (5.0, False), (8.0, True)])
def test_one_slice_on_the_dome_is_partial_volume_unless_slices_are_thick(slice_mm, stays):
    spacing = (1.5, 1.5, slice_mm)
    top = 5 + int(16 / slice_mm)
    (_, lesions), _, _ = with_lesion((slice(top, top + 1), slice(29, 32), slice(39, 42)), spacing=spacing)
    assert lesions.any() == stays


@pytest.mark.parametrize(("hu", "stays"), [(-110, False), (15, True)])
def test_effusion_with_the_density_of_fat_is_neither_effusion_nor_lung(hu, stays):
    box = (slice(8, 16), slice(50, 53), slice(20, 50))
    (lungs, lesions), _, _ = with_lesion(box, 3, hu)
    assert (lesions[box] == 3).all() == stays and (lungs[box] == 1).all() == stays


def test_a_thin_effusion_whose_rims_are_mixed_with_fat_and_lung_stays():
    box = (slice(8, 16), slice(48, 53), slice(20, 50))
    image, lungs, lesions = chest()
    lesions[box], lungs[box] = 3, 1
    image[box] = np.array([-300, -90, 10, -80, -90])[:, None]  # a fifth of it is fluid
    found = drop_partial_volume(image, lungs, lesions, SPACING)
    np.testing.assert_array_equal(found[1], lesions)


def test_much_effusion_of_a_strange_density_is_left_to_the_reader():
    box = (slice(8, 30), slice(38, 50), slice(20, 60))  # 47 ml
    (_, lesions), before, _ = with_lesion(box, 3, -110)
    np.testing.assert_array_equal(lesions, before)


def test_without_lesions_nothing_is_done():
    hu, lungs, lesions = chest()
    found = drop_partial_volume(hu, lungs, lesions, SPACING)
    assert found[0] is lungs and found[1] is lesions
