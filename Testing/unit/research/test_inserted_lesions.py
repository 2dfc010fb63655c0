"""Lesions computed into healthy slices: labels match what was changed."""

import numpy as np
import pytest

from LesionKitResearch.augmentation.covid import change_intensity, random_view
from LesionKitResearch.augmentation.inserted_lesions import CONSOLIDATION, EFFUSION, GGO, insert_lesions
from LesionKitResearch.datasets.covid import Sequence

SHAPE = (3, 120, 160)


@pytest.fixture
def healthy():
    """Two air-filled boxes in soft tissue, HU with noise, and their lungs."""
    rng = np.random.default_rng(0)
    lung = np.zeros(SHAPE, np.uint8)
    lung[:, 20:100, 15:70] = lung[:, 20:100, 90:145] = 1
    hu = np.where(lung > 0, -860, 45) + rng.normal(0, 12, SHAPE)
    return hu.astype(np.int16), lung


def many(healthy, count=24):
    return [insert_lesions(*healthy, np.random.default_rng(seed)) for seed in range(count)]


def test_lesions_lie_in_the_lungs_and_all_three_kinds_occur(healthy):
    made = many(healthy)
    assert all(not (m.lesion[healthy[1] == 0]).any() for m in made)
    assert set(np.unique(np.stack([m.lesion for m in made]))) == {0, GGO, CONSOLIDATION, EFFUSION}


def test_each_kind_has_its_density(healthy):
    made = many(healthy)
    values = {kind: np.concatenate([m.hu[m.lesion == kind] for m in made]) for kind in (GGO, CONSOLIDATION, EFFUSION)}
    assert -850 < np.median(values[GGO]) < -350
    assert -60 < np.median(values[CONSOLIDATION]) < 70
    assert -10 < np.median(values[EFFUSION]) < 35


def test_what_is_far_from_a_lesion_keeps_its_hounsfield_units(healthy):
    from scipy.ndimage import binary_dilation

    for made in many(healthy, 6):
        far = ~binary_dilation(made.lesion > 0, iterations=4)
        np.testing.assert_array_equal(made.hu[far], healthy[0][far])


def test_fluid_lies_behind(healthy):
    rows = np.concatenate([np.nonzero(m.lesion == EFFUSION)[1] for m in many(healthy)])
    assert rows.mean() > 75


def test_without_lungs_nothing_is_inserted(healthy):
    made = insert_lesions(healthy[0], np.zeros_like(healthy[1]), np.random.default_rng(0))
    assert not made.lesion.any()


def test_a_view_of_healthy_slices_says_which_slices_got_lesions(healthy):
    hu, lung = healthy
    sequence = Sequence("made", hu, np.zeros_like(lung), lung, np.zeros(3, int))
    views = [random_view(sequence, 3, np.random.default_rng(seed), (96, 128)) for seed in range(10)]
    assert any(v["lesion"].any() for v in views) and not all(v["lesion"].any() for v in views)
    for view in views:
        held = view["lesion"].flatten(1).any(1)
        assert not (held & (view["infected"] == 0)).any()


def test_a_black_second_channel_stays_black_when_intensities_change():
    import torch

    gray = torch.cat([torch.rand(2, 1, 32, 32), torch.zeros(2, 1, 32, 32)], 1)
    for seed in range(12):
        changed = change_intensity(gray, np.random.default_rng(seed))
        assert changed[:, 1].abs().max() < 1e-6 and changed.min() >= 0 and changed.max() <= 1
