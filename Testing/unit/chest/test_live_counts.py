"""Counting what changed gives what measuring everything gives."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CovidLungQuantLib.labels import lungs_with_lesions
from CovidLungQuantLib.measurement.live import LiveCounts, is_alike, overwritten_lung
from CovidLungQuantLib.measurement.measurements import measure
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine

SHAPE = (10, 14, 18)
SPACING = (3.0, 3.5, 4.0)


def chest(seed=0, directions=LPS_IN_RAS, kind=np.int16):
    """(volume, lungs, lesions): two boxes, lesions of all classes in and outside them, noise for HU."""
    random = np.random.default_rng(seed)
    hu = random.normal(-700, 300, SHAPE)
    lungs = np.zeros(SHAPE, np.uint8)
    lungs[1:9, 2:12, 1:8] = 1
    lungs[2:10, 2:12, 10:17] = 2
    lesions = np.zeros(SHAPE, np.uint8)
    lesions[3:6, 4:8, 3:7] = 1
    lesions[2:5, 6:11, 12:15] = 2
    lesions[8:10, 9:13, 12:17] = 3
    return Volume(hu.astype(kind), affine(SPACING, directions)), lungs, lesions


def expected(volume, lungs, lesions):
    clipped = volume.with_array(np.clip(volume.array, -1024, 3071))
    return measure(clipped, lungs_with_lesions(lungs, lesions, volume.spacing), lesions)


def boxes(draw):
    """A random box as slices."""
    result = []
    for size in SHAPE:
        start = draw(st.integers(0, size - 1))
        result.append(slice(start, draw(st.integers(start + 1, size))))
    return tuple(result)


@st.composite
def edits(draw):
    """Boxes of a random value in the lungs or the lesions, some of them speckled."""
    return [
        (draw(st.booleans()), boxes(draw), draw(st.integers(0, 3)), draw(st.sampled_from([None, 1, 2])))
        for _ in range(draw(st.integers(1, 4)))
    ]


def apply(edit, lungs, lesions):
    """New label maps with one edit made."""
    on_lungs, box, value, speckles = edit
    target = (lungs if on_lungs else lesions).copy()
    part = target[box]
    where = np.ones(part.shape, bool)
    if speckles is not None:
        where = np.random.default_rng(speckles).random(part.shape) < 0.3
    part[where] = min(value, 2) if on_lungs else value
    return (target, lesions) if on_lungs else (lungs, target)


@settings(max_examples=150, deadline=None)
@given(edits())
def test_after_any_edits_the_numbers_are_those_of_measuring_everything(changes):
    volume, lungs, lesions = chest()
    live = LiveCounts(volume, (lungs, lesions))
    live.update(lungs, lesions)
    for edit in changes:
        lungs, lesions = apply(edit, lungs, lesions)
        live.update(lungs, lesions)
        if lungs.any():
            assert live.measurements() == expected(volume, lungs, lesions)


@pytest.mark.parametrize(("order", "signs"), list(product(permutations(range(3)), product((1, -1), repeat=3))))
def test_axis_order_and_flips_of_the_input_do_not_matter(order, signs):
    directions = (LPS_IN_RAS @ np.diag(signs))[:, list(order)]
    volume, lungs, lesions = chest(directions=directions)
    live = LiveCounts(volume)
    live.update(lungs, lesions)
    for edit in ((False, np.s_[0:10, 1:3, 5:12], 2, 1), (True, np.s_[2:4, 3:9, 9:12], 1, None)):
        lungs, lesions = apply(edit, lungs, lesions)
        live.update(lungs, lesions)
        assert live.measurements() == expected(volume, lungs, lesions)


@pytest.mark.parametrize("kind", [np.int16, np.float32, np.float64])
def test_an_image_of_any_number_type_gives_the_same_sums(kind):
    volume, lungs, lesions = chest(kind=kind)
    live = LiveCounts(volume)
    live.update(lungs, np.zeros_like(lesions))
    live.update(lungs, lesions)
    assert live.measurements() == expected(volume, lungs, lesions)


def test_slices_that_are_not_level_are_measured_too():
    tilt = np.radians(20)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    volume, lungs, lesions = chest(directions=turn @ LPS_IN_RAS)
    live = LiveCounts(volume, (lungs, lesions))
    live.update(lungs, lesions)
    lungs, lesions = apply((False, np.s_[2:5, 2:5, 2:5], 3, None), lungs, lesions)
    live.update(lungs, lesions)
    assert live.measurements() == expected(volume, lungs, lesions)


def test_only_changed_slices_are_counted_again():
    volume, lungs, lesions = chest()
    live = LiveCounts(volume, (lungs, lesions))
    assert live.update(lungs, lesions).slices == 9
    changed = lesions.copy()
    changed[4, 5, 5] = 2
    changes = live.update(lungs, changed)
    assert (changes.slices, changes.values) == (1, (frozenset(), {1, 2}))
    assert live.update(lungs, changed.copy()).slices == 0


def test_without_a_lung_there_is_nothing_to_measure_against():
    volume, lungs, lesions = chest()
    live = LiveCounts(volume)
    live.update(np.zeros_like(lungs), lesions)
    with pytest.raises(ValueError, match="holds no lung"):
        live.measurements()
    live.update(lungs, lesions)
    assert live.measurements() == expected(volume, lungs, lesions)


def test_lesion_outside_changes_sides_when_the_lungs_do():
    volume, lungs, lesions = chest()
    lesions[5, 6, 8:10] = 1  # between the lungs
    live = LiveCounts(volume)
    live.update(lungs, lesions)
    fewer = lungs.copy()
    fewer[:, :, 12:17] = 0  # the left lung's center moves nearer
    assert live.update(fewer, lesions).slices >= 8
    assert live.measurements() == expected(volume, fewer, lesions)


def test_comparison_tells_volumes_dice_and_burden_of_both():
    volume, lungs, lesions = chest()
    lesions[lesions == 3] = 0  # so that nothing lies outside the lungs
    live = LiveCounts(volume, (lungs, lesions))
    corrected = lesions.copy()
    corrected[3] = np.where(corrected[3] == 1, 0, corrected[3])
    corrected[6:8, 4:8, 3:7] = 1
    live.update(lungs, corrected)
    rows = {row["key"]: row for row in live.comparison()}
    assert list(rows) == ["lung", "ggo", "consolidation", "effusion", "high_opacity", "lesion"]
    ml = volume.voxel_ml
    ggo, a, b = rows["ggo"], lesions == 1, corrected == 1
    assert ggo["ai_ml"] == pytest.approx(a.sum() * ml)
    assert ggo["corrected_ml"] == pytest.approx(b.sum() * ml)
    assert ggo["delta_ml"] == pytest.approx((int(b.sum()) - int(a.sum())) * ml)
    assert ggo["dice"] == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
    assert rows["consolidation"]["dice"] == 1
    assert rows["effusion"]["dice"] is None
    assert rows["lesion"]["ai_percent"] == measure(volume, lungs, lesions)["total"]["burden_percent"]
    assert rows["lesion"]["corrected_percent"] == live.measurements()["total"]["burden_percent"]
    assert rows["lung"]["dice"] == 1
    assert live.changed_since_original() == (frozenset(), {1})


def test_corrected_volumes_of_the_comparison_are_the_measured_ones():
    volume, lungs, lesions = chest()
    live = LiveCounts(volume, (lungs, lesions))
    lungs, lesions = apply((False, np.s_[0:10, 1:4, 1:18], 3, 1), lungs, lesions)
    live.update(lungs, lesions)
    total = live.measurements()["total"]
    rows = {row["key"]: row for row in live.comparison()}
    assert rows["lung"]["corrected_ml"] == total["lung_ml"]
    for key in ("ggo", "consolidation", "effusion", "high_opacity"):
        assert rows[key]["corrected_ml"] == total[f"{key}_ml"]
        assert rows[key]["corrected_percent"] == total[f"{key}_percent"]


def test_without_an_original_only_the_present_is_told():
    volume, lungs, lesions = chest()
    live = LiveCounts(volume)
    live.update(lungs, lesions)
    row = live.comparison()[1]
    assert (row["ai_ml"], row["delta_ml"], row["dice"], row["ai_percent"]) == (None,) * 4
    assert row["corrected_ml"] == live.measurements()["total"]["ggo_ml"]
    assert live.changed_since_original() == (frozenset(), frozenset())


def test_going_back_to_the_original_leaves_no_difference():
    volume, lungs, lesions = chest()
    live = LiveCounts(volume, (lungs, lesions))
    live.update(*apply((True, np.s_[2:4, 2:4, 2:4], 0, None), lungs, lesions))
    assert live.changed_since_original() == ({1}, frozenset())
    live.update(lungs, lesions)
    assert live.changed_since_original() == (frozenset(), frozenset())
    assert all(row["dice"] == 1 for row in live.comparison())


def test_lung_painted_over_with_lesion_is_found():
    _, lungs, lesions = chest()
    painted, carved = lesions.copy(), lungs.copy()
    painted[5:7, 9:11, 2:5] = 1
    carved[5:7, 9:11, 2:5] = 0
    voxels, values = overwritten_lung((lungs, lesions), (carved, painted))
    carved[tuple(voxels.T)] = values
    np.testing.assert_array_equal(carved, lungs)


def test_lung_that_was_erased_is_not_called_painted_over():
    _, lungs, lesions = chest()
    carved, painted = lungs.copy(), lesions.copy()
    carved[5, 9:11, 2:5] = 0
    painted[5, 3, 3] = 2  # elsewhere in the same slice
    assert overwritten_lung((lungs, lesions), (carved, lesions)) is None
    assert overwritten_lung((lungs, lesions), (carved, painted)) is None


def test_lung_taken_from_under_a_lesion_that_was_rewritten_is_found():
    _, lungs, lesions = chest()
    grown = lesions.copy()
    grown[5, 3, 3] = 2
    carved = np.where(grown > 0, 0, lungs).astype(np.uint8)
    voxels, values = overwritten_lung((lungs, lesions), (carved, grown))
    carved[tuple(voxels.T)] = values
    np.testing.assert_array_equal(carved, lungs)


@pytest.mark.parametrize("shape", [(8, 16), (7, 9)])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("signs", list(product([1, -1], repeat=2)))
def test_a_single_changed_voxel_is_seen_in_any_axis_order_and_flip(shape, order, signs):
    before = np.random.default_rng(0).integers(0, 4, shape, np.uint8)
    turned = tuple(slice(None, None, sign) for sign in signs)
    assert is_alike(before.transpose(order)[turned], before.copy().transpose(order)[turned])
    for at in ((0, 0), (shape[0] - 1, shape[1] - 1), (3, 4)):
        after = before.copy()
        after[at] ^= 1
        assert not is_alike(before.transpose(order)[turned], after.transpose(order)[turned])


def test_views_whose_memory_runs_differently_are_compared_by_value():
    labels = np.random.default_rng(0).integers(0, 4, (8, 16), np.uint8)
    flipped_twice = labels[:, ::-1].copy()[:, ::-1]
    assert is_alike(labels, flipped_twice) and not is_alike(labels, labels[:, ::-1])
