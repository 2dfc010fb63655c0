"""Correcting by strokes: what is drawn stays, what is alike follows, what is far away does not."""

from __future__ import annotations

import numpy as np
import pytest

from LesionKitLib.correction.evidence import evidence_of
from LesionKitLib.correction.influence import NOWHERE, distance_from
from LesionKitLib.correction.online_likelihood import UNMARKED, OnlineLikelihood

SPACING = (1.0, 1.0)


def picture(shape=(96, 96)) -> tuple[np.ndarray, np.ndarray]:
    """A bright disk that a network half missed, and another far away: gray, truth."""
    rows, columns = np.indices(shape)
    disk = (rows - 30) ** 2 + (columns - 30) ** 2 < 15**2
    far = (rows - 75) ** 2 + (columns - 75) ** 2 < 8**2
    noise = np.random.default_rng(0).normal(0, 5, shape)
    return (np.where(disk | far, 200.0, 60.0) + noise).astype(np.float32), disk


def half_missed(truth: np.ndarray) -> np.ndarray:
    """Probabilities (2, h, w) of a network that finds the left half alone."""
    lesion = np.where(truth & (np.indices(truth.shape)[1] < 30), 0.9, 0.15)
    return np.stack([1 - lesion, lesion])


def strokes_at(shape, value: int, *boxes) -> np.ndarray:
    strokes = np.full(shape, UNMARKED, np.int16)
    for box in boxes:
        strokes[box] = value
    return strokes


def online(gray, truth, **settings) -> OnlineLikelihood:
    return OnlineLikelihood(evidence_of(gray, half_missed(truth), spacing=SPACING), **settings)


def overlap(a, b) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_one_stroke_finds_the_rest_of_the_lesion_and_leaves_a_far_one_alone():
    gray, truth = picture()
    correction = online(gray, truth)
    before = overlap(correction.labels > 0, truth)
    found = correction.correct(strokes_at(truth.shape, 1, np.s_[24:36, 34:39]))
    assert overlap(found > 0, truth) > max(0.93, before + 0.2)
    assert not found[60:, 60:].any()


def test_a_stroke_that_says_no_lesion_takes_a_false_one_away():
    gray, truth = picture()
    correction = online(gray, np.zeros_like(truth) | (np.indices(truth.shape)[1] < 10))
    assert correction.labels[:, :10].any()
    found = correction.correct(strokes_at(truth.shape, 0, np.s_[20:70, 3:7]))
    assert found[20:70, :10].mean() < 0.1


def test_what_was_drawn_stays_exactly():
    gray, truth = picture()
    strokes = strokes_at(truth.shape, 1, np.s_[5:7, 60:80])  # on plain background
    strokes[30, 25:28] = 0
    found = online(gray, truth).correct(strokes)
    assert (found[strokes == 1] == 1).all() and (found[strokes == 0] == 0).all()


def test_without_a_stroke_nothing_changes():
    gray, truth = picture()
    correction = online(gray, truth)
    assert (correction.correct(np.full(truth.shape, UNMARKED)) == correction.labels).all()


def test_labels_that_a_person_changed_elsewhere_stay():
    gray, truth = picture()
    mine = np.zeros(truth.shape, np.uint8)
    mine[80:90, 5:15] = 1
    found = online(gray, truth, labels=mine).correct(strokes_at(truth.shape, 1, np.s_[24:36, 34:39]))
    assert found[80:90, 5:15].all()


def test_two_strokes_draw_a_lesion_without_any_network_s_result():
    gray, truth = picture()
    evidence = evidence_of(gray, spacing=SPACING)
    strokes = strokes_at(truth.shape, 1, np.s_[26:34, 24:36])
    strokes[50:54, 10:60] = 0
    found = OnlineLikelihood(evidence, np.zeros(truth.shape, np.uint8)).correct(strokes)
    assert overlap(found > 0, truth) > 0.9


def test_three_classes_are_told_apart():
    gray, truth = picture()
    prior = np.stack([np.where(truth, 0.2, 0.98), np.where(truth, 0.7, 0.01), np.where(truth, 0.1, 0.01)])
    correction = OnlineLikelihood(evidence_of(gray, prior, spacing=SPACING))
    assert set(np.unique(correction.labels)) == {0, 1}
    found = correction.correct(strokes_at(truth.shape, 2, np.s_[22:38, 26:34]))
    assert (found[truth] == 2).mean() > 0.75


def test_a_stroke_works_across_slices():
    gray, truth = picture()
    volume, lesion = np.stack([gray] * 5), np.stack([truth] * 5)
    prior = np.stack([np.stack(part) for part in zip(*[half_missed(truth)] * 5, strict=True)])
    correction = OnlineLikelihood(evidence_of(volume, prior, spacing=(2.0, 1.0, 1.0)))
    strokes = np.full(volume.shape, UNMARKED, np.int16)
    strokes[2, 24:36, 34:39] = 1
    found = correction.correct(strokes)
    assert all(overlap(found[k] > 0, lesion[k]) > 0.9 for k in (1, 2, 3))


def test_the_same_strokes_give_the_same_labels():
    gray, truth = picture()
    strokes = strokes_at(truth.shape, 1, np.s_[24:36, 34:39])
    assert (online(gray, truth).correct(strokes) == online(gray, truth).correct(strokes)).all()


def test_influence_goes_slowly_across_an_edge():
    speed = np.ones((20, 41), np.float32)
    speed[:, 20] = 0.1
    start = np.zeros(speed.shape, bool)
    start[:, 10] = True
    distance = distance_from(start, speed, (1.0, 1.0), 100.0)
    assert distance[10, 15] == pytest.approx(5, abs=0.5) and distance[10, 25] > 22
    assert (distance_from(start, speed, (1.0, 1.0), 3.0)[:, 20] == NOWHERE).all()


@pytest.mark.parametrize("wrong", ["grid", "class"])
def test_strokes_of_another_grid_or_class_are_refused(wrong):
    gray, truth = picture()
    strokes = np.zeros((5, 5)) if wrong == "grid" else np.full(truth.shape, 7)
    with pytest.raises(ValueError, match="grid" if wrong == "grid" else "class"):
        online(gray, truth).correct(strokes)


def test_probabilities_of_another_grid_are_refused():
    with pytest.raises(ValueError, match="grids"):
        evidence_of(np.zeros((4, 4)), np.zeros((2, 5, 5)))
