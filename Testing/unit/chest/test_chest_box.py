"""Where the lungs lie in a scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from chest_fixtures import AIR_LUNG, BODY, block_chest

from CovidLungQuantLib.phantoms.chest import make_phantom
from CovidLungQuantLib.segmentation.chest_box import FRAME_MULTIPLE, find_chest
from CovidLungQuantLib.segmentation.frames import MODEL_MM, MODEL_SLICE_MM
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.run.errors import UnusableInput


@pytest.fixture(scope="module")
def patient():
    return make_phantom(3, (4.0, 4.0, 6.0), lesions=("ggo", "consolidation"))


def share_inside(volume: Volume, mask: np.ndarray) -> float:
    """Share of a mask's voxels that the network sees."""
    box = find_chest(volume)
    rows, columns = box.plane.covered(mask.shape[1:])
    return mask[box.slices[0] : box.slices[1], rows, columns].sum() / mask.sum()


def changed(volume: Volume, where: np.ndarray, hu: float) -> Volume:
    array = volume.array.copy()
    array[where] = hu
    return replace(volume, array=array)


def test_both_lungs_lie_in_the_box(patient):
    assert share_inside(patient.volume, patient.lungs > 0) == 1


@pytest.mark.parametrize("side", [1, 2])
def test_a_white_lung_lies_in_the_box_too(patient, side):
    white = changed(patient.volume, patient.lungs == side, 30)
    assert share_inside(white, patient.lungs == side) > 0.99


def test_lungs_whose_lower_half_is_white_lie_in_the_box(patient):
    lung = patient.lungs > 0
    height = np.flatnonzero(lung.any((1, 2)))
    lung[(height[0] + height[-1]) // 2 :] = False
    white = changed(patient.volume, lung & (np.indices(lung.shape)[1] > np.median(np.nonzero(lung)[1])), 30)
    assert share_inside(white, patient.lungs > 0) > 0.95


def test_the_box_does_not_grow_with_what_lies_far_below_the_chest(patient):
    volume = patient.volume
    legs = np.repeat(volume.array[:1], 60, axis=0)
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] -= 60 * matrix[:3, 2]
    longer = Volume(np.concatenate([legs, volume.array]), matrix)
    alone, with_legs = find_chest(volume), find_chest(longer)
    assert with_legs.slices[1] - 60 == alone.slices[1]
    assert with_legs.slices[0] >= 60 - 40 / 6 - 1
    assert with_legs.plane.shape == alone.plane.shape


def test_bowel_gas_does_not_stretch_the_box(patient):
    volume = patient.volume
    belly = np.full((60, *volume.array.shape[1:]), -1000, np.int16)
    belly[:, 15:-15, 15:-15] = 40
    belly[5:20, 30:50, 30:60] = -950
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] -= 60 * matrix[:3, 2]
    longer = Volume(np.concatenate([belly, volume.array]), matrix)
    assert find_chest(longer).slices[0] > 20


def test_an_abdomen_is_refused_with_a_sentence():
    array = np.full((40, 80, 90), -1000, np.int16)
    array[:, 10:-10, 10:-10] = 40
    array[10:20, 30:36, 30:40] = -900  # 30 ml of bowel gas
    with pytest.raises(UnusableInput, match="No air-filled lungs were found; this does not look like a chest CT[.]"):
        find_chest(Volume(array, affine((4, 4, 4))))


@pytest.mark.parametrize("hu", [40, -1000])
def test_a_scan_of_nothing_is_refused(hu):
    array = np.full((20, 64, 64), hu, np.int16)
    with pytest.raises(UnusableInput, match="No air-filled lungs"):
        find_chest(Volume(array, affine((4, 4, 5))))


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 8.0), (1.0, 2.0, 5.0), (3.0, 3.0, 1.0)])
def test_frames_have_the_models_pixels_and_a_size_that_networks_take(spacing):
    volume = block_chest(spacing).volume
    box = find_chest(volume)
    assert all(size % FRAME_MULTIPLE == 0 for size in box.plane.shape)
    np.testing.assert_allclose(box.model_spacing(volume)[:2], MODEL_MM)


@pytest.mark.parametrize(("slice_mm", "model_mm"), [(5.0, 5.0), (2.0, 2.0), (1.6, 1.6), (1.0, 2.0), (0.5, 2.0)])
def test_thin_slices_are_joined_and_thick_ones_are_taken_as_they_are(slice_mm, model_mm):
    volume = block_chest((4.0, 4.0, slice_mm)).volume
    box = find_chest(volume)
    assert box.model_spacing(volume)[2] == pytest.approx(model_mm, rel=0.03)
    assert box.model_slices * box.step == pytest.approx(box.slices[1] - box.slices[0])
    assert model_mm > 0.75 * MODEL_SLICE_MM


def test_a_body_that_fills_the_picture_is_found():
    chest = block_chest()
    assert share_inside(chest.volume, chest.lungs > 0) == 1
    assert set(np.unique(chest.volume.array)) >= {BODY, AIR_LUNG}


def test_an_open_mouth_does_not_join_the_lungs_to_the_room(patient):
    """Air that leads from a lung up to the neck and there out of the body."""
    array = patient.volume.array.copy()
    lung = patient.lungs == 1
    k, j, i = (int(np.median(axis)) for axis in np.nonzero(lung))
    array[k:, j - 2 : j + 2, i - 2 : i + 2] = -990
    array[-2:, : j + 2, i - 2 : i + 2] = -990
    opened = replace(patient.volume, array=array)
    assert share_inside(opened, patient.lungs > 0) == 1


# --- gas, cut lungs, sizes


def trunk(hu_of_gas: float, noise: float = 15.0) -> Volume:
    """An abdomen: a trunk of water with 1.3 l of gas in one bowel."""
    k, j, i = np.ogrid[-150:150:50j, -160:160:80j, -190:190:95j]
    hu = np.where((j / 120) ** 2 + (i / 160) ** 2 < 1, 40.0, -1000.0) + 0 * k
    hu[(k / 75) ** 2 + ((j + 20) / 60) ** 2 + (i / 72) ** 2 < 1] = hu_of_gas
    hu += np.random.default_rng(0).normal(0, noise, hu.shape)
    return Volume(np.clip(hu, -1024, 3071).astype(np.int16), affine((4.0, 4.0, 6.0)))


@pytest.mark.parametrize(("hu", "noise"), [(-990, 15), (-990, 60), (-940, 15)])
def test_gas_in_the_bowel_is_not_lung(hu, noise):
    with pytest.raises(UnusableInput, match="No air-filled lungs"):
        find_chest(trunk(hu, noise))


def test_severe_emphysema_is_lung_all_the_same(patient):
    """Parenchyma of -960 HU throughout; the vessels are left."""
    hu = patient.volume.array.astype(float)
    thin = (patient.lungs > 0) & (hu < -750)
    hu[thin] = -960 + 0.15 * (hu[thin] + 850)
    emphysema = replace(patient.volume, array=np.rint(hu).astype(np.int16))
    assert share_inside(emphysema, patient.lungs > 0) == 1


def test_gas_in_the_bowel_below_lungs_does_not_stretch_the_box(patient):
    volume = patient.volume
    belly = np.full((60, *volume.array.shape[1:]), -1000, np.int16)
    belly[:, 15:-15, 15:-15] = 40
    belly[50:58, 30:50, 25:75] = -990  # 770 ml, up to the lungs' level
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] -= 60 * matrix[:3, 2]
    assert find_chest(Volume(np.concatenate([belly, volume.array]), matrix)).slices[0] > 20


@pytest.mark.parametrize("side", ["both", "left"])
def test_lungs_that_the_field_of_view_cuts_lie_in_the_box(patient, side):
    inside = np.flatnonzero((patient.lungs > 0).any((0, 1)))
    columns = slice(inside[0] + 3, inside[-1] - 2) if side == "both" else slice(0, inside[-1] - 4)
    volume = Volume(patient.volume.array[:, :, columns], patient.volume.ijk_to_ras)
    assert find_chest(volume).is_cut
    assert share_inside(volume, patient.lungs[:, :, columns] > 0) > 0.99


def test_lungs_within_the_field_of_view_are_not_cut(patient):
    assert not find_chest(patient.volume).is_cut


def test_foam_that_reaches_the_side_of_the_picture_is_not_lung(patient):
    array = patient.volume.array.copy()
    array[:, -14:-4] = -920  # a mattress from side to side
    assert not find_chest(replace(patient.volume, array=array)).is_cut


def test_clothes_beside_a_body_whose_surroundings_were_emptied_are_not_lung(patient):
    """The picture is padded slice by slice around the body, and something soft lies between arm and padding."""
    body = patient.volume.array > -300
    reach = np.array([np.flatnonzero(plane.any(0))[[0, -1]] for plane in body])
    columns = np.arange(body.shape[2])
    outside = (columns < reach[:, :1]) | (columns > reach[:, 1:])
    array = np.where(outside[:, None], np.int16(-1024), patient.volume.array)
    array[-12:, 20:34, :12] = -830
    assert not find_chest(replace(patient.volume, array=array)).is_cut


@pytest.mark.parametrize("factor", [0.4, 1.5])
def test_small_and_large_chests_are_found(patient, factor):
    volume = Volume(patient.volume.array, affine(np.array([4.0, 4.0, 6.0]) * factor))
    assert share_inside(volume, patient.lungs > 0) == 1


def test_a_chest_wider_than_any_body_is_refused_for_its_voxel_size(patient):
    with pytest.raises(UnusableInput, match="mm wide, which no body is; the voxel size"):
        find_chest(Volume(patient.volume.array, affine((16.0, 16.0, 6.0))))


def test_lungs_too_small_to_measure_are_said_with_their_volume(patient):
    with pytest.raises(UnusableInput, match="Only [0-9]+ ml of air-filled lung"):
        find_chest(Volume(patient.volume.array, affine((0.6, 0.6, 0.9))))
