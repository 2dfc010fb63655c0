"""The chest phantom: one patient per seed whatever the grid, of known volumes, that looks like a CT of a chest."""

from functools import cache

import numpy as np
import pytest

from CovidLungQuantLib.phantoms.chest import make_phantom
from LesionKitLib.imaging.volume import LPS_IN_RAS, reorient_to_lps

LESIONS = ("ggo", "consolidation", "effusion", "ggo")
COARSE = (3.0, 3.0, 4.0)
VALUE = {"ggo": 1, "consolidation": 2, "effusion": 3}


@cache
def phantom(seed=7, spacing=COARSE, turn=((-1, 0, 0), (0, -1, 0), (0, 0, 1)), lesions=LESIONS, noise=12.0):
    return make_phantom(seed, spacing, np.array(turn, float), lesions, noise)


def label_ml(made, key):
    labels = made.lungs > 0 if key == "lung" else made.lesions == VALUE[key]
    return float(np.count_nonzero(labels) * made.volume.voxel_ml)


def centroid_ras(made, mask):
    k, j, i = (float(axis.mean()) for axis in np.nonzero(mask))
    return made.volume.ijk_to_ras[:3, :3] @ (i, j, k) + made.volume.ijk_to_ras[:3, 3]


def oblique(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return tuple(map(tuple, about_z @ about_x @ LPS_IN_RAS))


GRIDS = {
    "finer": {"spacing": (1.8, 1.8, 2.5)},
    "thick slices": {"spacing": (1.5, 1.5, 5.0)},
    "flipped": {"turn": ((1, 0, 0), (0, -1, 0), (0, 0, -1))},
    "sagittal": {"turn": ((0, 0, -1), (-1, 0, 0), (0, -1, 0)), "spacing": (2.5, 2.5, 3.0)},
    "oblique": {"turn": oblique(17.0), "spacing": (2.0, 2.0, 3.0)},
}


def test_the_same_seed_gives_the_same_bytes():
    first, second = (make_phantom(3, (4, 4, 8)) for _ in range(2))
    assert first.volume.array.tobytes() == second.volume.array.tobytes()
    assert first.lesions.tobytes() == second.lesions.tobytes()
    assert (first.lesion_list, first.truth_ml) == (second.lesion_list, second.truth_ml)


def test_another_seed_gives_another_patient():
    assert phantom(7).truth_ml["lung_ml"] != phantom(8).truth_ml["lung_ml"]


def test_arrays_have_the_types_that_the_pipeline_expects():
    made = phantom()
    assert made.volume.array.dtype == np.int16
    assert made.lungs.dtype == made.lesions.dtype == np.uint8
    assert made.lungs.shape == made.lesions.shape == made.volume.array.shape
    assert set(np.unique(made.lungs)) == {0, 1, 2}


def test_the_grid_has_the_spacing_directions_and_field_asked_for():
    turn = np.array(oblique(5.0))
    made = make_phantom(1, (4, 5, 6), turn, (), field_mm=(320, 240, 240))
    assert made.volume.array.shape == (40, 48, 80)
    assert np.allclose(made.volume.spacing, (4, 5, 6))
    assert np.allclose(made.volume.directions, turn)


def test_the_truth_is_the_same_on_every_grid():
    base = phantom()
    for name, grid in GRIDS.items():
        made = phantom(**grid)
        assert made.truth_ml == base.truth_ml, name
        assert made.lesion_list == base.lesion_list, name


@pytest.mark.parametrize("name", GRIDS)
def test_label_volumes_agree_with_the_truth(name):
    made = phantom(**GRIDS[name])
    assert label_ml(made, "lung") == pytest.approx(made.truth_ml["lung_ml"], rel=0.01)
    for key in VALUE:
        assert label_ml(made, key) == pytest.approx(made.truth_ml[f"{key}_ml"], rel=0.04), key


def test_a_lesion_at_one_millimeter_in_plane_is_within_two_percent_of_its_truth():
    made = make_phantom(9, (1.0, 1.0, 2.0), lesions=("ggo",), noise_hu=0)
    assert label_ml(made, "ggo") == pytest.approx(made.lesion_list[0].ml, rel=0.02)


def test_a_flipped_grid_shows_the_same_patient():
    made, base = phantom(**GRIDS["flipped"], noise=0.0), phantom(noise=0.0)
    upright, restore = reorient_to_lps(made.volume)
    assert np.abs(upright.array.astype(int) - base.volume.array).max() <= 2
    back, _ = reorient_to_lps(made.volume.with_array(made.lesions))
    assert np.count_nonzero(back.array != base.lesions) <= 2
    assert (restore(upright.array) == made.volume.array).all()


def test_a_healthy_chest_has_no_lesions():
    made = phantom(lesions=())
    assert not made.lesions.any()
    assert made.lesion_list == ()
    assert made.truth_ml["ggo_ml"] == made.truth_ml["consolidation_ml"] == made.truth_ml["effusion_ml"] == 0


def test_lesions_do_not_change_the_patient():
    healthy, ill = phantom(lesions=()), phantom()
    assert (healthy.lungs == ill.lungs).all()
    outside = ill.lungs == 0
    assert np.abs(healthy.volume.array.astype(int) - ill.volume.array)[outside].mean() < 10


def test_random_lesions_are_two_to_eight_and_of_the_size_promised():
    for seed in range(4):
        made = make_phantom(seed, (5, 5, 10))
        assert 2 <= len(made.lesion_list) <= 8
        for lesion in made.lesion_list:
            assert 3.5 <= lesion.ml <= (210 if lesion.key == "effusion" else 82), (seed, lesion)


def test_the_list_names_the_lesions_asked_for_and_adds_up():
    made = phantom()
    assert sorted(lesion.key for lesion in made.lesion_list) == sorted(LESIONS)
    for key in VALUE:
        assert sum(lesion.ml for lesion in made.lesion_list if lesion.key == key) == made.truth_ml[f"{key}_ml"]


def test_lesions_lie_within_the_lungs():
    for seed in (7, 8, 9):
        made = phantom(seed)
        assert made.lesions.any()
        assert (made.lungs[made.lesions > 0] > 0).all()


def test_the_listed_center_is_where_the_label_is():
    made = phantom(lesions=("consolidation",))
    assert np.allclose(centroid_ras(made, made.lesions == 2), made.lesion_list[0].center_ras, atol=1.0)


def test_unknown_kinds_and_a_third_effusion_are_refused():
    for wanted in (("nodule",), ("effusion",) * 3):
        with pytest.raises(ValueError, match="effusion"):
            make_phantom(0, COARSE, lesions=wanted)


def test_right_is_right_and_the_apex_is_up():
    made = phantom()
    right, left = (centroid_ras(made, made.lungs == side) for side in (1, 2))
    assert right[0] - left[0] > 100
    widths = (made.lungs > 0).sum(axis=(1, 2))
    filled = widths[widths > 0]
    assert filled[len(filled) // 3] > 1.5 * filled[-3]  # k runs to the head, where the lungs taper
    bone = centroid_ras(made, made.volume.array > 350)
    assert bone[1] < (right[1] + left[1]) / 2  # the spine is behind


def test_the_heart_takes_more_of_the_left_lung():
    for seed in range(4):
        made = make_phantom(seed, (5, 5, 8), lesions=())
        assert np.count_nonzero(made.lungs == 1) > np.count_nonzero(made.lungs == 2), seed


def test_effusions_gather_at_the_back_of_a_supine_patient():
    for seed in (7, 8, 9):
        made = phantom(seed)
        fluid = centroid_ras(made, made.lesions == 3)
        assert fluid[1] < centroid_ras(made, made.lungs > 0)[1] - 30


def test_each_tissue_has_its_own_density():
    made = phantom(**GRIDS["finer"])
    hu, healthy = made.volume.array, (made.lungs > 0) & (made.lesions == 0)
    middle = {key: float(np.median(hu[made.lesions == value])) for key, value in VALUE.items()}
    assert -900 < np.median(hu[healthy]) < -760
    assert -760 < middle["ggo"] < -420
    assert -60 < middle["consolidation"] < 70
    assert -15 < middle["effusion"] < 40
    assert np.percentile(hu, 1) < -950  # the air around
    assert np.percentile(hu, 99.8) > 200  # bone


def test_noise_is_what_was_asked_for():
    def spread(noise):
        difference = (
            phantom(lesions=(), noise=noise).volume.array.astype(float) - phantom(lesions=(), noise=0.0).volume.array
        )
        return difference[phantom(lesions=(), noise=0.0).volume.array > -200].std()

    assert spread(12.0) == pytest.approx(12, rel=0.25)
    assert spread(30.0) == pytest.approx(30, rel=0.25)


def test_vessels_remain_visible_in_the_lungs():
    made = phantom(**GRIDS["finer"])
    assert 0.003 < np.mean(made.volume.array[(made.lungs > 0) & (made.lesions == 0)] > -500) < 0.12
