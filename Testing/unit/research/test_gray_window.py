"""Pictures that were stored in a wide or dark window are brought to the lung window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LesionKitResearch.datasets.gray_window import LUNG_GRAY, TISSUE_GRAY, as_lung_window, series_levels, window_levels


def chest(lung: float = 0.3, tissue: float = 0.9, lesion: float | None = None) -> np.ndarray:
    """Gray 0..1 (200, 240): two lungs in a body in black air, with a little noise; a lesion in the left lung."""
    picture = np.zeros((200, 240))
    picture[20:180, 10:230] = tissue
    picture[60:150, 30:105] = lung
    picture[60:150, 135:210] = lung
    if lesion is not None:
        picture[110:140, 150:190] = lesion
    return np.clip(picture + np.random.default_rng(0).normal(0, 0.005, picture.shape), 0, 1)


def test_lung_and_tissue_are_found():
    lung, tissue = window_levels(chest(0.1, 0.5))
    assert lung == pytest.approx(0.1, abs=0.02) and tissue == pytest.approx(0.5, abs=0.02)


def test_a_picture_in_the_lung_window_stays_as_it_is():
    picture = chest()
    assert as_lung_window(picture) is picture


@settings(max_examples=20, deadline=None)
@given(lung=st.floats(0.02, 0.12), tissue=st.floats(0.3, 0.7), kind=st.floats(0.3, 0.8))
def test_a_dark_picture_comes_to_the_grays_of_the_lung_window_lesions_too(lung, tissue, kind):
    picture = as_lung_window(chest(lung, tissue, lung + kind * (tissue - lung)))
    assert np.median(picture[70:100, 40:90]) == pytest.approx(LUNG_GRAY, abs=0.05)
    assert np.median(picture[30:50, 50:200]) == pytest.approx(TISSUE_GRAY, abs=0.05)
    expected = LUNG_GRAY + kind * (TISSUE_GRAY - LUNG_GRAY)
    assert np.median(picture[115:135, 155:185]) == pytest.approx(expected, abs=0.06)


def test_half_filled_lungs_are_not_taken_for_air():
    lung, _ = window_levels(chest(0.1, 0.6, lesion=0.4))
    assert lung == pytest.approx(0.1, abs=0.02)


def test_a_picture_without_lungs_stays_as_it_is():
    picture = np.full((100, 120), 0.4)
    assert window_levels(picture) is None and as_lung_window(picture) is picture


def test_all_slices_of_a_series_are_changed_alike():
    whole, cut = chest(0.1, 0.5), np.full((200, 240), 0.5)
    levels = series_levels([whole, cut])
    np.testing.assert_allclose(as_lung_window(cut, levels), TISSUE_GRAY, atol=0.03)
    assert series_levels([cut, cut]) is None
