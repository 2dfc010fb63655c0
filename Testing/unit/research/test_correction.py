"""The robot annotator, the methods that are compared, and the command that prints what strokes gain."""

from __future__ import annotations

import numpy as np
import pytest

from LesionKitCLI.evaluate.correction import METHODS as OFFERED
from LesionKitCLI.main import main
from LesionKitLib.correction.evidence import evidence_of
from LesionKitLib.correction.online_likelihood import UNMARKED
from LesionKitResearch.correction.cases import TYPED, Case, class_probabilities
from LesionKitResearch.correction.evaluation import correct_case, strokes_to
from LesionKitResearch.correction.methods import METHODS, Picture, method_for
from LesionKitResearch.correction.robot_annotator import generator_for, middle_of, next_stroke

SHAPE = (80, 80)


def case(missed: bool = True) -> Case:
    """A square lesion of two halves of other kinds; the network found one half of it, or nothing."""
    rows, columns = np.indices(SHAPE)
    square = (abs(rows - 40) < 16) & (abs(columns - 40) < 16)
    truth = np.where(square, np.where(columns < 40, 1, 2), 0).astype(np.uint8)
    gray = np.array([50, 130, 200])[truth] + np.random.default_rng(0).normal(0, 4, SHAPE)
    found = np.where(missed & (truth == 2), 0, truth)
    prior = np.where(np.eye(3)[found].transpose(2, 0, 1) > 0, 0.96, 0.02)
    evidence = evidence_of(gray.astype(np.float32), prior, spacing=(1.0, 1.0))
    return Case("made", "one", "p", Picture(gray.astype(np.float32), evidence, evidence.labels, 1.0), truth, TYPED)


def test_the_command_offers_the_methods_that_there_are():
    assert OFFERED == METHODS


def test_the_stroke_lies_in_the_largest_error_and_names_its_class():
    one = case()
    stroke = next_stroke(one.picture.labels, one.truth, 3, 1.0, generator_for("one", 0))
    assert stroke.value == 2
    assert (one.truth[stroke.mask] == 2).mean() > 0.95
    assert 0.1 < stroke.mask.sum() / (one.truth == 2).sum() < 0.8  # it does not fill the error


def test_where_nothing_is_wrong_there_is_no_stroke():
    one = case()
    assert next_stroke(one.truth, one.truth, 3, 1.0, generator_for("one", 0)) is None


def test_a_stroke_runs_along_a_long_error_and_has_a_limited_length():
    bar = np.zeros((30, 120), bool)
    bar[12:19, 5:115] = True
    path, radii = middle_of(bar, 50)
    assert len(path) == 50 and abs(path[:, 0] - 15).max() <= 1 and radii.min() > 2


def test_the_robot_s_hand_is_the_same_each_time_and_another_for_another_seed():
    one = case()
    masks = [next_stroke(one.picture.labels, one.truth, 3, 1.0, generator_for("one", s)).mask for s in (0, 0, 1)]
    assert (masks[0] == masks[1]).all() and (masks[0] != masks[2]).any()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_the_stroke_and_gains_from_it(method):
    if method == "growcut":
        pytest.importorskip("slicer")
    one = case()
    course = correct_case(one, method, 3)
    assert all(len(values) == 4 for values in course.dice.values())
    assert course.dice["infection"][3] > course.dice["infection"][0]
    answer = method_for(method, one.picture)
    drawn = np.full(SHAPE, UNMARKED, np.int16)
    drawn[35:45, 44:50] = 2
    assert (answer(drawn, one.picture.labels, drawn == 2)[drawn == 2] == 2).all()


def test_teaching_gains_more_than_painting_the_same_stroke():
    gains = {method: correct_case(case(), method, 1).dice["high_opacity"][1] for method in ("teach", "paint")}
    assert gains["teach"] > gains["paint"] + 0.1


def test_a_picture_without_errors_stays_perfect():
    assert correct_case(case(missed=False), "teach", 2).dice["infection"] == [1.0, 1.0, 1.0]


def test_strokes_to_a_dice_count_only_pictures_that_reach_it():
    table = np.array([[0.5, 0.9, 0.95], [0.2, 0.3, 0.4], [0.5, 0.8, 0.86]])
    assert strokes_to(table, 0.85) == {"share": pytest.approx(2 / 3), "median": 1.5}
    assert strokes_to(table, 0.99) == {"share": 0.0, "median": None}


def test_probabilities_of_kinds_sum_to_one():
    found = np.random.default_rng(0).random((5, 6, 7)).astype(np.float32)
    for typed in (True, False):
        assert np.allclose(class_probabilities(found, typed).sum(0), 1, atol=1e-5)


@pytest.mark.parametrize("text", ["", "1,x", "-1", "0,51", "²"])
def test_numbers_of_strokes_that_are_none_are_told(text, capsys):
    with pytest.raises(SystemExit) as error:
        main(["evaluate", "correction", "--data", ".", f"--strokes={text}"])
    assert error.value.code == 2
    assert "list of whole numbers" in capsys.readouterr().err
