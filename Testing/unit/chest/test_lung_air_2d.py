"""Lungs found from gray values of one slice."""

from __future__ import annotations

import numpy as np
import pytest
from chest_fixtures import slice_with_lungs

from CovidLungQuantLib.segmentation.lung_air_2d import enclosed_air, largest, lung_box, otsu_threshold


def noisy(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture + np.random.default_rng(0).normal(0, 0.04, picture.shape), 0, 1)


def test_the_threshold_lies_between_two_populations():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.2, 0.03, 3000), rng.normal(0.8, 0.05, 1000)])
    above = values > otsu_threshold(values)
    assert above[:3000].mean() < 0.005 and above[3000:].mean() > 0.995


def test_both_lungs_are_air_in_the_body():
    picture = slice_with_lungs()
    air = enclosed_air(noisy(picture))
    truth = picture == 0.3
    assert 2 * (air & truth).sum() / (air.sum() + truth.sum()) > 0.95


def test_the_air_around_the_body_is_not_in_it():
    air = enclosed_air(noisy(slice_with_lungs()))
    assert not air[:18].any() and not air[-18:].any() and not air[:, :8].any()


def test_small_pockets_of_air_are_left_out():
    picture = slice_with_lungs()
    picture[200:206, 130:136] = 0.0  # 36 of 66,560 pixels
    assert not enclosed_air(noisy(picture))[195:211, 125:141].any()


def test_the_box_goes_around_both_lungs():
    assert lung_box(noisy(slice_with_lungs(60, 180, 40, 220))) == pytest.approx((60, 180, 40, 220), abs=2)


def test_there_is_no_box_where_no_lung_is_seen():
    picture = noisy(np.pad(np.full((160, 200), 0.8), 30))
    assert lung_box(picture) is None


@pytest.mark.parametrize("gray", [0.0, 0.6, 1.0])
def test_there_is_no_box_in_a_picture_of_one_gray_value(gray):
    assert lung_box(np.full((100, 120), gray)) is None


def test_the_largest_component_is_kept_alone():
    mask = np.zeros((20, 20), bool)
    mask[2:5, 2:5] = True
    mask[10:18, 10:18] = True
    assert largest(mask).sum() == 64
    assert not largest(np.zeros((5, 5), bool)).any()
