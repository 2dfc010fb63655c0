"""Agreement and its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate

from LesionKitLib.imaging.metrics import (
    INTERVAL,
    area_under_curve,
    correlation,
    dice,
    expected_calibration_error,
    reliability,
    roc_curve,
    with_interval,
)


def test_dice_is_the_overlap_over_the_mean_size():
    a, b = np.zeros(10, bool), np.zeros(10, bool)
    a[:4], b[2:8] = True, True
    assert dice(a, b) == pytest.approx(2 * 2 / (4 + 6))
    assert dice(a, a) == 1 and dice(a, ~a) == 0
    assert np.isnan(dice(a & False, b & False))


def test_correlation_needs_three_different_values():
    assert correlation(np.array([1, 2, 3]), np.array([2, 4, 6.0])) == pytest.approx(1)
    assert correlation(np.array([1, 2, 3]), np.array([6, 4, 2.0])) == pytest.approx(-1)
    assert np.isnan(correlation(np.array([1, 2]), np.array([1, 2])))
    assert np.isnan(correlation(np.array([1, 1, 1]), np.array([1, 2, 3])))


def mean_of(values):
    return lambda rows: float(np.mean(np.asarray(values)[rows]))


def test_no_patients_have_no_figure_and_no_interval():
    assert with_interval(mean_of([]), []) == {"mean": None, "low": None, "high": None}


def test_the_mean_lies_in_its_interval_and_more_patients_make_it_narrower():
    values = np.random.default_rng(0).normal(10, 2, 400)
    few = with_interval(mean_of(values[:20]), [str(n) for n in range(20)])
    many = with_interval(mean_of(values), [str(n) for n in range(400)])
    for found, part in ((few, values[:20]), (many, values)):
        assert found["mean"] == pytest.approx(part.mean()) and found["low"] < found["mean"] < found["high"]
    assert many["high"] - many["low"] < 0.5 * (few["high"] - few["low"])
    # the normal approximation to a mean's 95 % interval
    assert many["high"] - many["low"] == pytest.approx(2 * 1.96 * 2 / np.sqrt(400), rel=0.2)
    assert INTERVAL == (2.5, 97.5)


def test_whole_patients_are_drawn_so_that_many_slices_of_one_do_not_feign_certainty():
    values = np.repeat(np.random.default_rng(0).normal(10, 2, 8), 50)
    by_slice = with_interval(mean_of(values), [str(n) for n in range(400)])
    by_patient = with_interval(mean_of(values), [str(n // 50) for n in range(400)])
    assert by_patient["mean"] == by_slice["mean"]
    assert by_patient["high"] - by_patient["low"] > 3 * (by_slice["high"] - by_slice["low"])


def test_the_same_results_give_the_same_interval():
    values = np.random.default_rng(1).normal(size=30)
    patients = [str(n // 3) for n in range(30)]
    assert with_interval(mean_of(values), patients) == with_interval(mean_of(values), patients)


def test_figures_that_are_not_numbers_become_none():
    found = with_interval(lambda rows: float("nan"), ["a", "b"])
    assert found == {"mean": None, "low": None, "high": None}


def test_one_patient_has_a_figure_and_an_interval_of_no_width():
    assert with_interval(mean_of([0.5, 0.7]), ["a", "a"]) == pytest.approx({"mean": 0.6, "low": 0.6, "high": 0.6})


def test_the_area_under_the_curve_counts_pairs_in_the_right_order():
    assert area_under_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == pytest.approx(0.75)
    assert area_under_curve([0, 1], [0.5, 0.5]) == pytest.approx(0.5)
    assert np.isnan(area_under_curve([1, 1], [0.1, 0.2]))


def test_the_area_below_the_roc_curve_is_the_area_under_the_curve():
    rng = np.random.default_rng(1)
    truth = rng.random(200) < 0.4
    score = np.round(rng.normal(size=200) + truth, 1)  # with ties
    false, true = roc_curve(truth, score)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert integrate.trapezoid(true, false) == pytest.approx(area_under_curve(truth, score))


def test_probabilities_that_come_true_as_often_as_they_say_have_no_calibration_error():
    truth = np.array([0] * 9 + [1] + [1] * 9 + [0])
    probability = np.array([0.1] * 10 + [0.9] * 10)
    assert expected_calibration_error(truth, probability) == pytest.approx(0)
    assert expected_calibration_error(1 - truth, probability) == pytest.approx(0.8)
    assert [row["n"] for row in reliability(truth, probability)] == [10, 10]
