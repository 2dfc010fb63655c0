"""Numbers that no body can have are flagged."""

from __future__ import annotations

from itertools import product

import pytest

from CovidLungQuantLib.measurement.coverage import Coverage
from CovidLungQuantLib.measurement.plausibility import plausibility_notes


def measured(right=2500.0, left=2300.0, **total) -> dict:
    """Measurements of sound lungs with three sound lesions, but for what is given."""
    means = {"ggo_mean_hu": -600.0, "consolidation_mean_hu": -40.0, "effusion_mean_hu": 12.0}
    volumes = {"ggo_ml": 20.0, "consolidation_ml": 10.0, "effusion_ml": 30.0, "lung_ml": right + left}
    sides = {"both": right + left, "right": right, "left": left}
    rows = [{"side": s, "third": t, "lung_ml": sides[s]} for s, t in product(sides, ("all", "upper"))]
    return {"total": means | volumes | total, "regions": rows}


def test_sound_lungs_get_no_note():
    assert plausibility_notes(measured(), Coverage()) == []


@pytest.mark.parametrize(
    ("key", "hu", "name"),
    [
        ("effusion", 300.0, "effusion"),
        ("effusion", -350.0, "effusion"),
        ("consolidation", 600.0, "consolidation"),
        ("consolidation", -800.0, "consolidation"),
        ("ggo", 60.0, "ground-glass opacity"),
    ],
)
def test_a_mean_that_a_class_cannot_have_is_flagged_with_its_value(key, hu, name):
    (note,) = plausibility_notes(measured(**{f"{key}_mean_hu": hu}), Coverage())
    assert name in note and f"{hu:.0f} HU" in note


def test_a_few_voxels_are_not_judged_by_their_mean():
    assert plausibility_notes(measured(effusion_mean_hu=300.0, effusion_ml=0.4), Coverage()) == []
    assert plausibility_notes(measured(effusion_mean_hu=None, effusion_ml=0.0), Coverage()) == []


@pytest.mark.parametrize(
    ("right", "left", "words"), [(13000.0, 12000.0, "more than a body has"), (150.0, 130.0, "less than an adult has")]
)
def test_lung_volumes_that_no_adult_has_are_said(right, left, words):
    (note,) = plausibility_notes(measured(right, left), Coverage())
    assert words in note and "voxel size" in note


def test_little_lung_in_a_cut_image_says_nothing_of_the_body():
    assert plausibility_notes(measured(150.0, 130.0), Coverage(("lower",), True))[1:] == []


@pytest.mark.parametrize(("right", "left", "side"), [(0.0, 3000.0, "right"), (2800.0, 40.0, "left")])
def test_a_missing_lung_is_said(right, left, side):
    (note,) = plausibility_notes(measured(right, left), Coverage())
    assert f"Of the {side} lung" in note and "not given" in note


@pytest.mark.parametrize(("right", "left", "small"), [(1100.0, 2300.0, "right"), (2900.0, 1500.0, "left")])
def test_a_lung_of_which_much_may_not_have_been_found_is_said(right, left, small):
    (note,) = plausibility_notes(measured(right, left), Coverage())
    assert note.startswith(f"The {small} lung that was found has") and "without air" in note


@pytest.mark.parametrize("coverage", [Coverage(("left",), False), Coverage(halved="left")])
def test_lungs_cut_by_the_field_of_view_may_be_unequal(coverage):
    assert not any("without air" in note for note in plausibility_notes(measured(2900.0, 1500.0), coverage))


def test_a_lung_outside_the_field_of_view_is_not_called_removed():
    (note,) = plausibility_notes(measured(0.0, 2000.0), Coverage(halved="right"))
    assert note.startswith("The right lung is not in the field of view")


def test_all_that_is_cut_is_named_in_one_sentence_each():
    notes = plausibility_notes(measured(), Coverage(("lower", "upper", "front", "left"), False))
    assert notes[0].startswith("The lungs are cut off at the lower end and at the upper end of the scan")
    assert "(in front and on the left)" in notes[1] and len(notes) == 3
