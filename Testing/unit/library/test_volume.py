"""The grid of an image: where voxels lie, and moves between the input's layout and the model's axes."""

from __future__ import annotations

import numpy as np
import pytest
from chest_fixtures import WAYS, rotation, turned
from hypothesis import given, settings
from hypothesis import strategies as st
from sitk_volumes import from_sitk

from LesionKitLib.imaging.volume import (
    LPS_IN_RAS,
    OBLIQUE_LIMIT_DEGREES,
    Volume,
    affine,
    obliquity_degrees,
    reorient_to_lps,
    resample_like,
    straighten,
    to_sitk,
)
from LesionKitLib.run.errors import UnusableInput

SLIGHTLY_OBLIQUE = rotation((1, 2, 3), 7) @ LPS_IN_RAS
SLOPE = np.array([1.0, -2.0, 0.5])  # of a field that grows linearly through the room, per mm in RAS


def numbered(directions=SLIGHTLY_OBLIQUE) -> Volume:
    """Every voxel has a value of its own."""
    array = np.arange(4 * 5 * 6, dtype=np.int32).reshape(4, 5, 6)
    return Volume(array, affine((0.7, 0.9, 2.5), directions, (12.0, -34.0, 56.0)), "case", ("a note",))


def positions(volume: Volume) -> np.ndarray:
    """RAS mm of every voxel (k, j, i, 3)."""
    k, j, i = np.indices(volume.array.shape)
    return np.stack([i, j, k, np.ones_like(i)], -1) @ volume.ijk_to_ras[:3].T


def position_of_values(volume: Volume) -> np.ndarray:
    """RAS of each voxel in the order of the voxels' values."""
    return positions(volume).reshape(-1, 3)[np.argsort(volume.array.ravel())]


def ramp(volume: Volume) -> Volume:
    """The same grid holding a field that grows linearly through the room."""
    return volume.with_array((positions(volume) @ SLOPE).astype(np.float32))


def inside(volume: Volume, points: np.ndarray) -> np.ndarray:
    """Which RAS points lie between voxel centers of the volume, not at its very rim."""
    ijk = np.concatenate([points, np.ones_like(points[..., :1])], -1) @ np.linalg.inv(volume.ijk_to_ras)[:3].T
    return ((ijk > 1e-3) & (ijk < np.array(volume.array.shape[::-1]) - 1 - 1e-3)).all(-1)


# --- the 48 ways of storing the same image


@pytest.mark.parametrize(("order", "flips"), WAYS)
def test_reorienting_brings_every_way_of_storing_to_the_same_array_and_place(order, flips):
    original = numbered()
    lps, _ = reorient_to_lps(turned(original, order, flips))
    np.testing.assert_array_equal(lps.array, original.array)
    np.testing.assert_allclose(lps.ijk_to_ras, original.ijk_to_ras, atol=1e-9)


@pytest.mark.parametrize(("order", "flips"), WAYS)
def test_labels_go_back_to_the_way_the_input_was_stored(order, flips):
    volume = turned(numbered(), order, flips)
    lps, restore = reorient_to_lps(volume)
    restored = restore(lps.array)
    np.testing.assert_array_equal(restored, volume.array)
    assert restored.flags.c_contiguous


@pytest.mark.parametrize(("order", "flips"), WAYS)
def test_every_voxel_keeps_its_place_in_the_patient(order, flips):
    volume = turned(numbered(), order, flips)
    lps, _ = reorient_to_lps(volume)
    np.testing.assert_allclose(position_of_values(lps), position_of_values(volume), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: np.linalg.norm(a) > 0.1),
    degrees=st.floats(0, 180),
    spacing=st.tuples(*[st.floats(0.3, 6)] * 3),
)
def test_any_rotation_reorients_to_axes_near_the_patients_without_moving_a_voxel(axis, degrees, spacing):
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    volume = Volume(array, affine(spacing, rotation(axis, degrees), (1, 2, 3)))
    lps, restore = reorient_to_lps(volume)
    np.testing.assert_allclose(position_of_values(lps), position_of_values(volume), atol=1e-6)
    np.testing.assert_array_equal(restore(lps.array), array)
    # at least a third of every axis' length goes the right way (the worst case is the diagonal of a cube)
    assert (np.diag(LPS_IN_RAS.T @ lps.directions) > 1 / 3 - 1e-6).all()


def test_reorienting_copies_nothing():
    volume = numbered()
    lps, _ = reorient_to_lps(turned(volume, (2, 0, 1), (True, False, True)))
    assert np.shares_memory(lps.array, volume.array)


def test_name_and_notes_stay_with_the_volume():
    lps, _ = reorient_to_lps(numbered())
    straight = straighten(numbered(rotation((0, 0, 1), 30) @ LPS_IN_RAS))
    assert (lps.name, lps.notes) == (straight.name, straight.notes) == ("case", ("a note",))


# --- oblique grids


@pytest.mark.parametrize("degrees", [0, 3, OBLIQUE_LIMIT_DEGREES, 30])
def test_the_angle_to_the_patients_axes_is_found_however_the_image_is_stored(degrees):
    tilted = numbered(rotation((1, 0, 0), degrees) @ LPS_IN_RAS)
    for order, flips in WAYS[::7]:
        assert obliquity_degrees(turned(tilted, order, flips)) == pytest.approx(degrees, abs=1e-5)


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (1, 2, 3)])
def test_straightening_keeps_every_value_at_its_place(axis):
    grid = Volume(np.zeros((9, 12, 10)), affine((2.0, 1.5, 3.0), rotation(axis, 25) @ LPS_IN_RAS, (5, 6, 7)))
    oblique = ramp(grid)
    straight = straighten(oblique)
    points = positions(straight)
    known = inside(oblique, points)
    assert known.sum() > 100
    np.testing.assert_allclose(straight.array[known], (points @ SLOPE)[known], atol=1e-3)


def test_the_straight_grid_is_parallel_to_the_patient_and_holds_the_whole_image():
    oblique = ramp(Volume(np.zeros((9, 12, 10)), affine((2.0, 1.5, 3.0), rotation((1, 2, 3), 25) @ LPS_IN_RAS)))
    straight = straighten(oblique)
    np.testing.assert_allclose(straight.directions, LPS_IN_RAS, atol=1e-12)
    np.testing.assert_allclose(straight.spacing, oblique.spacing)
    ijk = np.linalg.inv(straight.ijk_to_ras) @ np.append(positions(oblique).reshape(-1, 3), np.ones((1080, 1)), 1).T
    assert ijk[:3].min() > -1e-6
    assert (ijk[:3].max(1) < np.array(straight.array.shape[::-1]) - 1 + 1e-6).all()


def test_outside_the_oblique_image_is_its_darkest_value():
    array = np.full((9, 12, 10), 40, np.int16)
    array[0, 0, 0] = -777
    straight = straighten(Volume(array, affine((2, 2, 3), rotation((1, 2, 3), 25) @ LPS_IN_RAS)))
    assert straight.array[0, 0, 0] == -777 and straight.array.dtype == np.int16


def test_an_image_laid_on_its_own_grid_does_not_change():
    volume = numbered()
    for nearest in (True, False):
        same = resample_like(volume.with_array(volume.array.astype(np.float32)), volume, nearest=nearest)
        np.testing.assert_allclose(same, volume.array, atol=1e-3)


def test_an_image_laid_on_another_grid_keeps_its_places_and_is_filled_outside():
    volume = ramp(Volume(np.zeros((9, 12, 10)), affine((2.0, 1.5, 3.0), SLIGHTLY_OBLIQUE)))
    grid = Volume(np.zeros((7, 30, 25)), affine((1.0, 0.9, 2.1), origin=(10, 8, 2)))
    values = resample_like(volume, grid, fill=-5000)
    points = positions(grid)
    known = inside(volume, points)
    assert 50 < known.sum() < known.size
    np.testing.assert_allclose(values[known], (points @ SLOPE)[known], atol=1e-3)
    assert (values == -5000).any()


# --- what is refused


@pytest.mark.parametrize("degrees", [0.2, 15])
def test_sheared_slices_are_refused_with_a_sentence_that_names_the_gantry_tilt(degrees):
    matrix = affine((0.7, 0.7, 2.5))
    matrix[1, 2] = np.tan(np.radians(degrees)) * matrix[2, 2]
    with pytest.raises(UnusableInput, match="gantry tilt.*[.]$"):
        Volume(np.zeros((3, 3, 3)), matrix)


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4, 5)])
def test_an_array_that_is_not_three_dimensional_is_refused(shape):
    with pytest.raises(UnusableInput, match=f"has {len(shape)} dimensions"):
        Volume(np.zeros(shape), np.eye(4))


@pytest.mark.parametrize("matrix", [np.diag([1, 0, 1, 1]), np.full((4, 4), np.nan), np.eye(3)])
def test_a_grid_without_a_valid_place_is_refused(matrix):
    with pytest.raises(UnusableInput, match="where its voxels lie"):
        Volume(np.zeros((2, 2, 2)), matrix)


def test_values_of_another_shape_do_not_fit_the_grid():
    with pytest.raises(ValueError, match="does not fit the grid"):
        numbered().with_array(np.zeros((4, 5, 7)))


# --- SimpleITK


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32])
def test_a_volume_survives_simpleitk(dtype):
    volume = turned(numbered(), (1, 2, 0), (True, False, False))
    volume = volume.with_array(volume.array.astype(dtype))
    back = from_sitk(to_sitk(volume), volume.name, volume.notes)
    np.testing.assert_array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.ijk_to_ras, volume.ijk_to_ras, atol=1e-9)
    assert back.array.dtype == dtype and back.name == "case"


def test_simpleitk_puts_a_voxel_where_the_volume_says():
    volume = numbered()
    lps = to_sitk(volume).TransformIndexToPhysicalPoint((5, 4, 3))
    np.testing.assert_allclose(LPS_IN_RAS @ lps, positions(volume)[3, 4, 5], atol=1e-9)


def test_masks_become_bytes_in_simpleitk():
    mask = np.zeros((2, 3, 4), bool)
    mask[1, 2, 3] = True
    assert from_sitk(to_sitk(Volume(mask, np.eye(4)))).array.sum() == 1


def test_a_voxel_has_the_volume_that_its_spacing_says():
    assert numbered().voxel_ml == pytest.approx(0.7 * 0.9 * 2.5 / 1000)
    np.testing.assert_allclose(numbered().spacing, (0.7, 0.9, 2.5))
