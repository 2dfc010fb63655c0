"""Correcting a label map of a volume by strokes, with a network's probabilities or without."""

from __future__ import annotations

import numpy as np
import pytest

from LesionKitLib.correction.online_likelihood import UNMARKED, Settings
from LesionKitLib.correction.probability_map import ProbabilityMap
from LesionKitLib.correction.teaching import MOST_CELLS, steps_for, teach
from LesionKitLib.imaging.volume import Volume, affine

SHAPE = (12, 64, 64)
SPACING = (1.0, 1.0, 3.0)


def lesions() -> tuple[np.ndarray, np.ndarray]:
    """A ball, and another far away (bool)."""
    k, j, i = np.indices(SHAPE)
    near, far = (((k - 6) * 3) ** 2 + (j - at) ** 2 + (i - at) ** 2 < radius**2 for at, radius in ((20, 12), (54, 6)))
    return near, far


def volume() -> Volume:
    near, far = lesions()
    noise = np.random.default_rng(0).normal(0, 20, SHAPE)
    return Volume((np.where(near | far, -300.0, -850.0) + noise).astype(np.int16), affine(SPACING))


def half_found() -> ProbabilityMap:
    """Of a network that finds the left half of the ball, on a grid of half the resolution."""
    near, _ = lesions()
    lesion = np.where(near & (np.indices(SHAPE)[2] < 20), 0.9, 0.15)[:, ::2, ::2]
    matrix = affine((2.0, 2.0, 3.0), origin=(-0.5, -0.5, 0))
    return ProbabilityMap.of(lesion[None], matrix)


def strokes(*marked: tuple[int, tuple]) -> np.ndarray:
    result = np.full(SHAPE, UNMARKED, np.int16)
    for value, box in marked:
        result[box] = value
    return result


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * (a & b).sum() / (a.sum() + b.sum())


RIGHT_HALF = np.s_[6, 15:25, 24:29]


def test_a_stroke_in_one_slice_finds_the_rest_of_the_lesion_in_its_neighbors():
    near, far = lesions()
    kept = half_found()
    before = kept.on_grid(SHAPE, volume().ijk_to_ras).argmax(0).astype(np.uint8)
    after = teach(volume(), before, strokes((1, RIGHT_HALF)), probabilities=kept)
    assert overlap(after > 0, near) > max(0.85, overlap(before > 0, near) + 0.15)
    assert not after[far].any()


def test_two_strokes_draw_a_lesion_where_no_network_has_run():
    near, far = lesions()
    drawn = strokes((1, np.s_[6, 17:24, 16:25]), (0, np.s_[6, 40:44, 5:60]))
    after = teach(volume(), np.zeros(SHAPE, np.uint8), drawn)
    assert overlap(after > 0, near) > 0.85
    assert not after[far].any()


def test_voxels_that_may_not_change_stay():
    allowed = np.indices(SHAPE)[2] < 27
    before = np.zeros(SHAPE, np.uint8)
    before[:, :, 40:44] = 1  # another reader's
    drawn = strokes((1, RIGHT_HALF))
    after = teach(volume(), before, drawn, probabilities=half_found(), allowed=allowed)
    assert (after[~allowed] == before[~allowed]).all()
    assert after[6, 20, 25] == 1


def test_only_what_lies_near_the_newest_stroke_is_learned_anew():
    _, far = lesions()
    drawn = strokes((1, RIGHT_HALF), (1, np.s_[6, 52:56, 52:56]))
    newest = strokes((1, RIGHT_HALF)) > UNMARKED
    start, settings = np.zeros(SHAPE, np.uint8), Settings(reach_mm=(2.0, 4.0))
    assert teach(volume(), start, drawn, settings=settings)[far].mean() > 0.5
    after = teach(volume(), start, drawn, newest=newest, settings=settings)
    assert after[6, 20, 26] == 1 and not after[far].any()


def test_a_large_part_is_answered_on_cells_of_some_voxels_with_smooth_rims(monkeypatch):
    monkeypatch.setattr("LesionKitLib.correction.teaching.MOST_CELLS", 12_000)
    monkeypatch.setattr("LesionKitLib.correction.teaching.steps_for", lambda s, mm: steps_for(s, mm, 12_000))
    near, far = lesions()
    kept = half_found()
    before = kept.on_grid(SHAPE, volume().ijk_to_ras).argmax(0).astype(np.uint8)
    drawn = strokes((1, RIGHT_HALF))
    after = teach(volume(), before, drawn, probabilities=kept)
    assert overlap(after > 0, near) > 0.8
    assert (after[drawn == 1] == 1).all() and not after[far].any()


def test_cells_become_about_cubes():
    steps = steps_for((120, 512, 512), np.array([2.5, 0.7, 0.7]))
    assert np.prod(np.ceil(np.array((120, 512, 512)) / steps)) <= MOST_CELLS
    sizes = np.array([2.5, 0.7, 0.7]) * steps
    assert sizes.max() / sizes.min() < 1.5
    assert steps_for((10, 30, 30), np.array([2.5, 0.7, 0.7])) == (1, 1, 1)


def test_without_strokes_nothing_changes_and_the_labels_given_are_never_written():
    before = np.zeros(SHAPE, np.uint8)
    before[2:4] = 1
    kept = before.copy()
    assert (teach(volume(), before, strokes()) == kept).all()
    teach(volume(), before, strokes((1, RIGHT_HALF)))
    assert (before == kept).all()


@pytest.mark.parametrize("wrong", ["grid", "class"])
def test_strokes_that_do_not_fit_are_refused(wrong):
    drawn = np.zeros((2, 2, 2), np.int16) if wrong == "grid" else strokes((5, RIGHT_HALF))
    with pytest.raises(ValueError, match="grid" if wrong == "grid" else "class"):
        teach(volume(), np.zeros(SHAPE, np.uint8), drawn)


def test_probabilities_lie_where_their_grid_says_whatever_the_image_s_axes():
    kept = ProbabilityMap.of(np.eye(3, 4)[None, None].astype(np.float32) * [[[[1.0]]]], affine((2.0, 2.0, 3.0)))
    same = kept.on_grid((1, 3, 4), kept.ijk_to_ras)
    assert np.allclose(same[1, 0], np.eye(3, 4)) and np.allclose(same.sum(0), 1)
    flipped = kept.ijk_to_ras @ np.array([[-1, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    assert np.allclose(kept.on_grid((1, 3, 4), flipped)[1, 0], np.eye(3, 4)[:, ::-1])
    finer = kept.ijk_to_ras @ np.diag([0.5, 0.5, 1, 1])
    assert kept.on_grid((1, 5, 7), finer)[1, 0, 1, 1] == pytest.approx(0.5)


def test_probabilities_of_another_form_are_refused():
    with pytest.raises(ValueError, match="8-bit"):
        ProbabilityMap(np.zeros((1, 2, 2, 2)), np.eye(4))
