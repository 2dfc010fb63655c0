"""Truth against prediction."""

from __future__ import annotations

import numpy as np
import pytest

from CovidLungQuantLib.measurement.agreement import OUTCOMES, compare, summary


def test_every_voxel_is_true_positive_false_negative_false_positive_or_nothing():
    truth, predicted = np.array([0, 0, 1, 2, 3]), np.array([0, 1, 0, 1, 3])
    outcome = compare(truth, predicted)
    assert outcome.tolist() == [0, 3, 2, 1, 1] and outcome.dtype == np.uint8
    assert summary(outcome, 0.5) == pytest.approx(
        {"true_positive_ml": 1.0, "false_negative_ml": 0.5, "false_positive_ml": 0.5, "dice": 2 / 3}
    )


def test_nothing_to_find_and_nothing_found_has_no_dice():
    assert summary(compare(np.zeros(4), np.zeros(4)), 1.0)["dice"] is None


def test_segmentations_of_different_images_are_refused():
    with pytest.raises(ValueError, match="not lie on the same image"):
        compare(np.zeros((2, 3)), np.zeros((3, 2)))


def test_the_three_outcomes_have_their_own_colors_and_values():
    assert [c.value for c in OUTCOMES] == [1, 2, 3] and len({c.color for c in OUTCOMES}) == 3
