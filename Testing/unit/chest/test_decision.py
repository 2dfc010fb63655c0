"""From what a network says of slices to a decision: calibration, votes, unusual images."""

from __future__ import annotations

import json

import numpy as np
import pytest

from CovidLungQuantLib.classification.decision import (
    FEWEST_VOTES,
    Calibration,
    SlicePredictions,
    accuracy_sentence,
    decide,
    decision_texts,
    fit_calibration,
    is_unusual,
    study_probability,
)


def test_calibration_finds_the_temperature_and_offset_that_made_the_labels():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, 4000)
    truth = rng.random(4000) < 1 / (1 + np.exp(-(logits / 2.5 + 0.7)))
    found = fit_calibration(truth, logits)
    assert found.temperature == pytest.approx(2.5, rel=0.1) and found.offset == pytest.approx(0.7, abs=0.15)


def test_separable_images_do_not_give_certainty():
    found = fit_calibration([0, 0, 1, 1], [-5.0, -4.0, 4.0, 5.0])
    assert 0.9 < found.probability(5.0) < 0.99999


def test_labels_of_one_kind_calibrate_nothing():
    assert fit_calibration([1, 1], [3.0, 4.0]) == Calibration()


def test_calibration_comes_back_from_a_card():
    calibration = Calibration(2.0, -0.5, 0.4, 0.08, 5.0)
    card = json.loads(json.dumps({"decision": calibration.card()}))
    assert Calibration.of_card(card) == calibration
    assert Calibration.of_card({}) == Calibration()


def test_probabilities_rise_with_the_logit_and_stay_within_their_limits():
    p = Calibration(1.5, 0.2).probability(np.array([-1e9, -1, 0, 1, 1e9]))
    assert (np.diff(p) > 0).all() and p.min() >= 0 and p.max() <= 1


def test_the_most_suspicious_third_of_the_slices_votes():
    assert study_probability([0.1] * 80 + [0.9] * 40) == pytest.approx(0.9)
    assert study_probability([0.1] * 100 + [0.9] * 20) == pytest.approx(0.5)


def test_one_slice_out_of_many_does_not_decide_and_a_single_picture_does():
    assert study_probability([0.0] * 8 + [0.99]) == pytest.approx(0.99 / FEWEST_VOTES)
    assert study_probability([0.8]) == pytest.approx(0.8)
    assert study_probability([]) is None


def predictions(logits, lung=0.3, errors=None) -> SlicePredictions:
    logits = np.asarray(logits, float)
    return SlicePredictions(logits, np.broadcast_to(lung, logits.shape), errors)


def test_slices_without_lung_do_not_vote():
    lung = np.array([0.3] * 10 + [0.0] * 10)
    decision = decide([(predictions([-3.0] * 10 + [9.0] * 10, lung), Calibration())])
    assert not decision["positive"] and decision["covid_probability"] < 0.1 and decision["slices"] == 10


def test_an_ensemble_gives_the_mean_of_its_members():
    one, two = (predictions([x] * 5) for x in (2.0, -1.0))
    first, second = (decide([(a, Calibration())])["covid_probability"] for a in (one, two))
    both = decide([(one, Calibration(threshold=0.6)), (two, Calibration(threshold=0.4))])
    assert both["covid_probability"] == pytest.approx((first + second) / 2) and both["threshold"] == 0.5
    json.dumps(both, allow_nan=False)


def test_the_threshold_is_part_of_the_positive_side_and_stands_in_the_rule():
    decision = decide([(predictions([0.0] * 4), Calibration(threshold=0.5))])
    assert decision["positive"] is True and "0.50" in decision["rule"]


def test_nothing_is_decided_without_a_network_or_without_lung():
    assert decide([]) is None
    assert decide([(predictions([1.0] * 4, lung=0.0), Calibration())]) is None


def test_an_image_redrawn_worse_than_the_limit_is_unusual():
    limit = fit_calibration([0, 1] * 50, [-1.0, 1.0] * 50, np.linspace(0.01, 0.05, 100)).redraw_limit
    assert limit == pytest.approx(0.05, abs=0.001)
    calibration = Calibration(redraw_limit=limit)
    assert is_unusual(predictions([0.0] * 3, errors=np.full(3, 0.09)), calibration)
    assert not is_unusual(predictions([0.0] * 3, errors=np.array([0.02, 0.03, 0.09])), calibration)
    assert not is_unusual(predictions([0.0] * 3), calibration)
    assert not is_unusual(predictions([0.0] * 3, errors=np.full(3, 0.09)), Calibration())


def test_an_unusual_image_gets_no_decision_but_the_reason():
    calibration = Calibration(redraw_limit=0.05)
    unusual = decide([(predictions([3.0] * 4, errors=np.full(4, 0.09)), calibration)])
    assert unusual["covid_probability"] is None and unusual["positive"] is None
    assert decision_texts(unusual)[0] == f"COVID-19 pneumonia: cannot say. {unusual['reason']}"
    usual = decide([(predictions([3.0] * 4, errors=np.full(4, 0.02)), calibration)])
    assert (
        "reason" not in usual
        and decision_texts(usual)[0] == "COVID-19 pneumonia: probability 0.95, positive; not a diagnosis."
    )


def card(mean: float, low: float, high: float) -> dict:
    auc = {"mean": mean, "low": low, "high": high}
    return {"decision_evidence": {"auc": auc, "patients": 105, "n": 400, "network": "JCS"}}


def test_a_weak_decision_is_never_shown_without_its_accuracy_on_an_unseen_hospital():
    sentence = accuracy_sentence([card(0.66, 0.55, 0.76)])
    assert "0.66 [0.55, 0.76] (JCS, 105 patients)" in sentence
    decision = decide([(predictions([2.0] * 4), Calibration())], sentence)
    assert sentence in decision_texts(decision)[1]


def test_the_weaker_of_two_networks_makes_the_accuracy_be_shown():
    assert accuracy_sentence([card(0.95, 0.9, 0.99)]) == "" == accuracy_sentence([{}])
    assert "0.66" in accuracy_sentence([card(0.95, 0.9, 0.99), card(0.66, 0.55, 0.76)])
