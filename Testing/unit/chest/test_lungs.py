import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CovidLungQuantLib.segmentation.left_right import LEFT, RIGHT, split_left_right
from CovidLungQuantLib.segmentation.lungs import drop_islands, fill_lungs, label_lungs

SPACING = (2.0, 2.0, 3.0)
SHAPE = (70, 100, 150)  # k, j, i: 300 x 200 x 210 mm
MIDDLE = (SHAPE[2] - 1) / 2


def ellipsoid(center_mm, radii_mm, shape=SHAPE, spacing=SPACING):
    """Center and radii along i, j, k in mm from the middle of the array."""
    z, y, x = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape, spacing[::-1], strict=True)],
        indexing="ij",
        sparse=True,
    )
    return sum(((a - c) / r) ** 2 for a, c, r in zip((x, y, z), center_mm, radii_mm, strict=True)) < 1


def two_lungs(right_x=-68.0, left_x=68.0):
    return ellipsoid((right_x, 0, 0), (55, 80, 95)), ellipsoid((left_x, 0, 0), (52, 76, 90))


def bridge(half_width_mm, depth_mm, height_mm):
    box = np.zeros(SHAPE, bool)
    i, k = round(half_width_mm / SPACING[0]), round(height_mm / SPACING[2] / 2)
    box[35 - k : 35 + k, 28 : 28 + round(depth_mm / SPACING[1]), 75 - i : 75 + i] = True
    return box


def wrong_ml(labels, right, left):
    voxel_ml = np.prod(SPACING) / 1000
    return (np.sum(labels[right & ~left] != RIGHT) + np.sum(labels[left & ~right] != LEFT)) * voxel_ml


def test_separate_lungs_are_told_apart_without_a_voxel_wrong():
    right, left = two_lungs()
    labels = split_left_right(right | left, SPACING)
    assert wrong_ml(labels, right, left) == 0
    assert labels[~(right | left)].max() == 0


@pytest.mark.parametrize("depth_mm", [6, 12, 24])
def test_lungs_that_touch_at_the_anterior_junction_are_cut_in_the_neck(depth_mm):
    right, left = two_lungs(-60, 60)
    neck = bridge(20, depth_mm, 60)
    labels = split_left_right(right | left | neck, SPACING)
    assert wrong_ml(labels, right, left) < 1.0
    columns = np.nonzero(neck & ~right & ~left & (labels == LEFT))[2]
    assert columns.min() >= MIDDLE - 4  # the cut runs within 8 mm of the middle of the neck


def test_the_cut_follows_the_neck_and_not_the_middle_of_the_picture():
    right, left = two_lungs(-90, 30)
    right, left = right & ~left, left
    neck = np.roll(bridge(24, 10, 50), -15, axis=2)
    labels = split_left_right(right | left | neck, SPACING)
    assert wrong_ml(labels, right, left) < 2.0


def test_a_small_lung_fused_with_a_large_one_keeps_its_side():
    right = ellipsoid((-55, 0, 0), (75, 85, 95))
    left = ellipsoid((88, 20, -40), (22, 35, 40)) & ~right
    neck = np.zeros(SHAPE, bool)
    neck[20:24, 48:53, 80:112] = True
    labels = split_left_right(right | left | neck, SPACING)
    assert wrong_ml(labels, right, left) < 4.0


@pytest.mark.parametrize("side", [RIGHT, LEFT])
def test_a_single_lung_stays_whole_and_on_its_side(side):
    lung = two_lungs()[side - 1]
    labels = split_left_right(lung, SPACING)
    assert set(np.unique(labels)) == {0, side}
    assert np.array_equal(labels > 0, lung)


def test_a_single_lung_that_bulges_over_the_midline_stays_whole():
    lung = ellipsoid((-40, 0, 0), (62, 80, 95))
    labels = split_left_right(lung, SPACING)
    assert set(np.unique(labels)) == {0, RIGHT}


def test_components_of_one_lung_all_go_to_its_side():
    right, left = two_lungs()
    right[30:36] = False  # an upper and a lower component, parted by what the mask missed
    labels = split_left_right(right | left, SPACING)
    assert wrong_ml(labels, right, left) == 0


def test_a_patient_off_the_middle_of_the_picture_is_split_at_his_own_midline():
    right, left = two_lungs(-34, 92)
    right &= ~left
    labels = split_left_right(right | left, SPACING)
    assert wrong_ml(labels, right, left) == 0


def test_a_known_midline_decides_for_a_single_lung():
    lung = ellipsoid((-10, 0, 0), (50, 80, 95))
    assert set(np.unique(split_left_right(lung, SPACING, midline=110))) == {0, RIGHT}
    assert set(np.unique(split_left_right(lung, SPACING, midline=30))) == {0, LEFT}


def test_lungs_without_any_neck_between_them_are_cut_at_the_midline():
    block = np.zeros(SHAPE, bool)
    block[20:50, 30:70, 35:115] = True
    labels = split_left_right(block, SPACING)
    assert np.all(labels[block & (np.arange(150) < 74)] == RIGHT)
    assert np.all(labels[block & (np.arange(150) > 75)] == LEFT)


def test_an_empty_mask_has_no_lungs():
    empty = np.zeros((5, 6, 7), bool)
    assert not label_lungs(empty, SPACING).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.6), st.floats(0.5, 9), st.floats(0.5, 9))
def test_every_voxel_of_any_mask_gets_a_side_and_none_outside_it(seed, share, in_plane, between):
    mask = np.random.default_rng(seed).random((6, 11, 13)) < share
    labels = split_left_right(mask, (in_plane, in_plane, between))
    assert np.array_equal(labels > 0, mask)


def test_small_islands_are_dropped_unless_they_lie_near_a_lung():
    right, left = two_lungs()
    lungs = right | left
    far, near = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    far[1:4, 1:5, 1:5] = True
    near[35:37, 8:10, 39:41] = True  # 2 voxels before the right lung
    assert not (near & lungs).any()
    cleaned = drop_islands(lungs | far | near, SPACING)
    assert np.array_equal(cleaned, lungs | near)


def test_a_mask_of_nothing_but_small_components_is_kept():
    mask = np.zeros((10, 20, 20), bool)
    mask[2, 2:4, 2:4] = mask[7, 15:17, 15:17] = True
    assert np.array_equal(drop_islands(mask, SPACING), mask)


def test_vessels_and_enclosed_lesions_become_lung():
    right, left = two_lungs()
    vessel = ellipsoid((-68, 10, 0), (5, 5, 200)) & right
    lesion = ellipsoid((68, 0, 0), (30, 30, 30))
    labels = np.where(right, RIGHT, 0) + np.where(left, LEFT, 0)
    holed = np.where(vessel | lesion, 0, labels).astype(np.uint8)
    filled = fill_lungs(holed, SPACING)
    assert np.array_equal(filled[8:-8], labels[8:-8])  # towards the poles the vessel leaves the lung


def test_the_dome_of_the_diaphragm_is_not_filled():
    right, _ = two_lungs()
    dome = ellipsoid((-68, 0, -95), (35, 50, 90))
    lung = right & ~dome
    assert any(not (dome & right)[k].all() and (dome & right)[k].any() for k in range(SHAPE[0]))
    filled = fill_lungs(lung, SPACING)
    assert (filled & ~lung).sum() * np.prod(SPACING) / 1000 < 2.0


def test_what_both_lungs_enclose_together_is_not_filled():
    ring = ellipsoid((0, 0, 0), (120, 90, 90)) & ~ellipsoid((0, 0, 0), (60, 50, 300))
    labels = np.where(ring, np.where(np.arange(SHAPE[2]) < MIDDLE, RIGHT, LEFT), 0).astype(np.uint8)
    assert np.array_equal(fill_lungs(labels, SPACING), labels)
