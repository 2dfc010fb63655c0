"""The Workbench's undo: each step is the voxels that an edit changed, and takes back just them."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

pytest.importorskip("LesionKitWorkbench.editing.history", exc_type=ImportError)
from LesionKitWorkbench.editing.history import EditHistory

GGO = "ggo"


@pytest.fixture
def result(logic, chest, scene):
    node = slicer.util.addVolumeFromArray(chest.hu, chest.ijk_to_ras, "CT")
    return logic.process(node), node


@pytest.fixture
def history(logic, result):
    history = EditHistory(*result, logic.liveGroups(), most=3)
    history.note(labels(logic, result))
    return history


def labels(logic, result):
    from LesionKitLib.mrml.segmentations import read_labels

    return tuple(read_labels(*result, group) for group in logic.liveGroups())


def paint(result, box, value=1):
    segmentation, volume = result
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, GGO, volume)
    mask[box] = value
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, GGO, volume)


def same(first, second) -> bool:
    return all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


@pytest.mark.parametrize("value", [1, 0])
def test_an_undone_edit_leaves_what_was_there_before_and_redo_brings_it_back(logic, result, history, value):
    before = labels(logic, result)
    paint(result, np.s_[5:9, 3:9, 3:8], value)
    painted = labels(logic, result)
    assert not same(before, painted)
    history.note(painted)
    history.undo()
    assert same(labels(logic, result), before)
    history.note(labels(logic, result))
    history.redo()
    assert same(labels(logic, result), painted)


def test_a_new_edit_after_an_undo_ends_what_could_be_redone(logic, result, history):
    paint(result, np.s_[6, 5, 5])
    paint(result, np.s_[2:4, 4:6, 4:6])
    history.note(labels(logic, result))
    history.undo()
    history.note(labels(logic, result))
    assert history.can_redo
    paint(result, np.s_[8, 6, 6:8], 0)
    history.note(labels(logic, result))
    assert history.can_undo and not history.can_redo


def test_only_so_many_steps_are_kept(logic, result, history):
    for k in range(1, 6):
        paint(result, np.s_[k, 9:12, 3:5])
        history.note(labels(logic, result))
    steps = 0
    while history.can_undo:
        history.undo()
        history.note(labels(logic, result))
        steps += 1
    assert steps == 3


def test_nothing_changed_is_no_step(logic, result, history):
    history.note(labels(logic, result))
    assert not history.can_undo


def test_the_answer_to_a_stroke_is_one_step_with_it(logic, result, history):
    before = labels(logic, result)
    paint(result, np.s_[5:7, 8:10, 3:6])
    painted = labels(logic, result)
    assert history.note(painted) is not None
    answer = painted[1].copy()
    answer[5:8, 8:11, 3:7] = 1
    history.replace(1, answer)
    now = labels(logic, result)
    assert np.array_equal(now[1], answer)
    assert history.note(now) is None  # no stroke of a person
    history.undo()
    assert same(labels(logic, result), before)
    history.note(labels(logic, result))
    assert not history.can_undo
    history.redo()
    assert same(labels(logic, result), now)


def test_a_stroke_teaches_what_is_alike_near_it_and_never_outside_the_lungs(logic, result, chest):
    from LesionKitWorkbench.editing.teaching import Teacher

    before = labels(logic, result)
    paint(result, np.s_[7, 5:7, 4:6], 0)  # "this is not", in the middle of a lesion
    answer = Teacher(logic, *result).answer(before, labels(logic, result))
    drawn = np.s_[7, 5:7, 4:6]
    assert (answer[drawn] == 0).all()
    assert not answer[(before[0] == 0) & (before[1] == 0)].any()


def test_no_change_teaches_nothing(logic, result):
    from LesionKitWorkbench.editing.teaching import Teacher

    now = labels(logic, result)
    assert Teacher(logic, *result).answer(now, now) is None
