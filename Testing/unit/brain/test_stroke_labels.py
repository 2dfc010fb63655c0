"""The semantic labels, and what other label maps become."""

from __future__ import annotations

import numpy as np
import pytest

from LesionKitLib.run.errors import UnusableInput
from StrokeSynthLib.labels import (
    BACKGROUND,
    DEEP_GRAY,
    GRAY,
    LABEL_COUNT,
    LABELS,
    LESION,
    SKULL_FIRST,
    VENTRICLES,
    WHITE,
    one_hot,
    semantic_from_freesurfer,
    semantic_from_labels,
    with_lesion,
)


def test_labels_are_numbered_from_one_with_the_lesion_last():
    assert [c.value for c in LABELS] == list(range(1, LABEL_COUNT))
    assert LABELS[-1] is LESION


def test_freesurfers_numbers_become_semantic_ones_whatever_the_side():
    found = semantic_from_freesurfer(np.array([[0, 2, 41], [3, 42, 4], [10, 1003, 57]]))
    assert found.tolist() == [
        [BACKGROUND, WHITE.value, WHITE.value],
        [GRAY.value, GRAY.value, VENTRICLES.value],
        [DEEP_GRAY.value, GRAY.value, LESION.value],
    ]
    assert found.dtype == np.uint8


def test_skull_is_background_unless_it_is_wanted():
    labels = np.array([2, 507, 516])
    assert semantic_from_freesurfer(labels).tolist() == [WHITE.value, BACKGROUND, BACKGROUND]
    assert (semantic_from_freesurfer(labels, skull=True)[1:] >= SKULL_FIRST).all()


def test_a_label_that_is_not_known_is_named():
    with pytest.raises(UnusableInput, match="not known: 999"):
        semantic_from_freesurfer(np.array([0, 2, 999]))


def test_a_map_in_our_numbers_stays_as_it_is():
    labels = np.arange(LABEL_COUNT).reshape(1, -1)
    assert semantic_from_labels(labels).tolist() == labels.tolist()
    with pytest.raises(UnusableInput, match=r"1\.5"):
        semantic_from_labels(np.array([0.0, 1.5]))


def test_one_hot_has_one_channel_for_each_label():
    channels = one_hot(np.array([[[0, 1], [6, 3]]]))
    assert channels.shape == (1, LABEL_COUNT, 2, 2)
    assert (channels.sum(1) == 1).all() and channels[0, 6, 1, 0] == 1


def test_a_lesion_is_drawn_over_tissue_only():
    semantic = np.array([[0, 3], [4, 4]], np.uint8)
    drawn = with_lesion(semantic, np.array([[True, True], [False, True]]))
    assert drawn.tolist() == [[0, LESION.value], [4, LESION.value]]
    assert semantic.tolist() == [[0, 3], [4, 4]]
