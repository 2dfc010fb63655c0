"""The bundled template and the alignment of heads with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stroke_fixtures import brain

from LesionKitLib.imaging.metrics import dice
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.run.errors import MissingResource, UnusableInput
from StrokeSynthLib.labels import TISSUES
from StrokeSynthLib.segmentation import template
from StrokeSynthLib.segmentation.alignment import align, from_standard, to_standard
from StrokeSynthLib.segmentation.template import STANDARD_SHAPE, load_template


def test_the_template_holds_every_tissue_in_plausible_amounts():
    labels = load_template().labels
    assert labels.array.shape == STANDARD_SHAPE
    milliliters = [float((labels.array == c.value).sum()) / 1000 for c in TISSUES]
    assert min(milliliters) > 20 and 1500 < sum(milliliters) < 2100


def test_priors_sum_to_at_most_one():
    priors = load_template().priors
    assert len(priors) == len(TISSUES) and priors.min() >= 0 and priors.sum(0).max() < 1.05


def test_the_template_is_nearly_symmetric():
    labels = load_template().labels.array > 0
    assert dice(labels, labels[:, :, ::-1]) > 0.97


def test_the_public_grid_is_a_part_of_the_standard_one():
    assert load_template().labels.array[template.SOOP_BOX].shape == template.SOOP_SHAPE


def test_a_missing_template_is_a_missing_resource(monkeypatch, tmp_path):
    monkeypatch.setattr(template, "resource", lambda *_: tmp_path / "none.npz")
    load_template.cache_clear()
    with pytest.raises(MissingResource, match="template"):
        load_template()
    load_template.cache_clear()


@pytest.fixture(scope="module")
def moved():
    """A brain turned, moved and made smaller, and the matrix that did it (MNI mm to its mm)."""
    image, _ = brain(step=3)
    turn = np.radians(8)
    matrix = np.eye(4)
    matrix[:3, :3] = 0.92 * np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    matrix[:3, 3] = (7, -12, 20)
    return replace(image, ijk_to_ras=matrix @ image.ijk_to_ras), matrix


def test_alignment_finds_where_the_brain_was_moved_to(moved):
    volume, matrix = moved
    found = align(volume, volume.array > 0)
    points = np.array([[40, 30, 20, 1], [-40, -60, 10, 1], [0, 0, 60, 1.0]]).T
    assert np.linalg.norm((found.to_image @ points - matrix @ points)[:3], axis=0).max() < 5


def test_what_is_taken_to_standard_space_comes_back_in_place(moved):
    volume, _ = moved
    head = volume.array > 0
    alignment = align(volume, head)
    there = to_standard(volume.with_array(head.astype(np.uint8)), alignment, nearest=True)
    back = from_standard(there, alignment, volume, nearest=True) > 0
    assert dice(back, head) > 0.95


def test_a_block_of_noise_is_no_brain():
    rng = np.random.default_rng(0)
    array = np.zeros((40, 40, 40), np.float32)
    array[14:20, 14:20, 14:20] = rng.random((6, 6, 6)) + 1
    volume = Volume(array, affine((4, 4, 4)))
    with pytest.raises(UnusableInput, match="brain"):
        align(volume, array > 0)


def test_the_same_brain_is_aligned_the_same_to_the_last_bit(moved):
    volume, _ = moved
    first, again = (align(volume, volume.array > 0) for _ in range(2))
    assert first.to_image.tobytes() == again.to_image.tobytes()


def test_alignment_does_not_depend_on_the_number_of_processors(moved):
    import SimpleITK as sitk

    volume, _ = moved
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    found = []
    try:
        for threads in (1, 2, 4):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            found.append(align(volume, volume.array > 0).to_image.tobytes())
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert len(set(found)) == 1


def test_a_part_of_a_brain_is_aligned_without_being_sheared(moved):
    volume, matrix = moved
    upper = Volume(volume.array[volume.array.shape[0] // 3 :], volume.ijk_to_ras.copy())
    upper.ijk_to_ras[:3, 3] += volume.ijk_to_ras[:3, 2] * (volume.array.shape[0] // 3)
    linear = align(upper, upper.array > 0, whole=False).to_image[:3, :3]
    gram = linear.T @ linear
    assert np.allclose(gram, gram[0, 0] * np.eye(3), atol=1e-6)
