"""Left and right are the patient's, and the midline is a midline."""

from __future__ import annotations

import numpy as np
import pytest
from stroke_fixtures import brain

from LesionKitLib.imaging.volume import Volume, affine, resample_like
from StrokeSynthLib.labels import lateral_from_freesurfer
from StrokeSynthLib.measurement.side import (
    LEFT,
    MIDLINE,
    RIGHT,
    hemispheres_by_alignment,
    hemispheres_of_labels,
    side_of,
)
from StrokeSynthLib.segmentation.template import load_template
from StrokeSynthLib.synthesis.lesion_sampling import sample_lesion


def test_x_rises_to_the_right_and_the_plane_s_voxels_are_neither():
    found = hemispheres_by_alignment((1, 1, 3), affine((1, 1, 1), origin=(1.0, 0, 0)))
    assert found.ravel().tolist() == [RIGHT, MIDLINE, LEFT]


def test_nine_tenths_of_a_lesion_make_its_side():
    assert side_of(np.array([LEFT] * 9 + [RIGHT])) == "left"
    assert side_of(np.array([RIGHT] * 9 + [MIDLINE])) == "right"
    assert side_of(np.array([RIGHT] * 8 + [LEFT] * 2)) == "both"
    assert side_of(np.array([])) == "none"


def test_freesurfer_s_numbers_tell_the_side_of_every_lateral_structure():
    found = lateral_from_freesurfer(np.array([2, 41, 1005, 2005, 16, 24]))
    assert found.tolist() == [LEFT, RIGHT, LEFT, RIGHT, MIDLINE, MIDLINE]
    assert lateral_from_freesurfer(np.array([0, 3, 6])) is None


def turned_template(degrees: float, shift_mm: float) -> tuple[Volume, np.ndarray]:
    """The template's labels turned about the long axis and moved, and the true hemispheres."""
    labels = load_template().labels
    angle = np.radians(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[0, 3] = shift_mm
    grid = labels.ijk_to_ras @ np.diag([2, 2, 2, 1.0])
    moved = Volume(labels.array, matrix @ labels.ijk_to_ras)
    there = Volume(np.zeros((79, 100, 95), np.uint8), grid)
    return there.with_array(resample_like(moved, there, nearest=True)), hemispheres_by_alignment(
        there.array.shape, np.linalg.inv(matrix) @ grid
    )


@pytest.mark.parametrize(("degrees", "shift"), [(0, 0), (10, 6), (-12, -9)])
def test_the_midline_of_a_turned_and_moved_map_is_found_in_the_map(degrees, shift):
    labels, truth = turned_template(degrees, shift)
    found = hemispheres_of_labels(labels)
    judged = (labels.array > 0) & (found != MIDLINE) & (truth != MIDLINE)
    assert np.mean(found[judged] != truth[judged]) < 0.003


def test_where_labels_name_their_side_the_labels_decide():
    volume, _ = brain(step=2)
    labels = volume.with_array((volume.array > 0).astype(np.uint8) * 4)
    left = hemispheres_by_alignment(labels.array.shape, labels.ijk_to_ras) == LEFT
    lateral = np.where(labels.array == 0, MIDLINE, np.where(left, RIGHT, LEFT)).astype(np.uint8)  # as if mirrored
    found = hemispheres_of_labels(labels, lateral)
    assert (found[lateral != MIDLINE] == lateral[lateral != MIDLINE]).all()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("seed", range(3))
def test_a_large_lesion_of_one_side_never_crosses_the_midline(side, seed):
    labels, truth = turned_template(8, 5)
    drawn = sample_lesion(labels, seed, (100.0, 250.0), side)
    other = RIGHT if side == "left" else LEFT
    assert drawn.side == side and drawn.ml > 60
    assert np.mean(truth[drawn.mask] == other) < 0.002
    assert not (hemispheres_of_labels(labels)[drawn.mask] != (LEFT if side == "left" else RIGHT)).any()


@pytest.mark.parametrize("seed", range(6))
def test_a_lesion_of_any_side_lies_on_one(seed):
    labels = load_template().labels
    drawn = sample_lesion(labels, seed, standard=True)
    assert drawn.side in ("left", "right")
    own = hemispheres_by_alignment(labels.array.shape, labels.ijk_to_ras)[drawn.mask]
    assert len(np.unique(own)) == 1 and own[0] != MIDLINE
