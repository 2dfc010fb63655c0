"""What is taken for a mask, what is cut, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from LesionKitLib.imaging.masks import labels_of, mask_of
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.io.images import write_volume
from LesionKitLib.io.mask_files import read_mask
from LesionKitLib.io.seg_nrrd import SegmentRecord, write_seg_nrrd
from LesionKitLib.run.errors import UnusableInput

BLOCK = np.zeros((20, 20, 20), bool)
BLOCK[5:15, 5:15, 5:15] = True
RANDOM = np.random.default_rng(0).random(BLOCK.shape)


def refusal(values) -> str:
    with pytest.raises(UnusableInput) as caught:
        mask_of(np.asarray(values), "lesion mask")
    assert str(caught.value).endswith(".") and "lesion mask" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("value", [1, 2, 255, 1000])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_one_value_beside_0_is_the_mask_without_a_note(value, dtype):
    mask, notes = mask_of((BLOCK * value).astype(dtype))
    np.testing.assert_array_equal(mask, BLOCK)
    assert notes == ()


def test_booleans_and_bytes_are_masks_and_an_empty_one_stays_empty():
    np.testing.assert_array_equal(mask_of(BLOCK)[0], BLOCK)
    np.testing.assert_array_equal(mask_of(BLOCK.astype(np.uint8))[0], BLOCK)
    mask, notes = mask_of(np.zeros((3, 3, 3), np.uint8))
    assert not mask.any() and notes == ()


@pytest.mark.parametrize(
    ("inside", "outside"), [(0.9, 1e-6), (1.05, -0.05), (1.0, 1e-12), (0.5, 0.49), (1.4, -0.3), (1.0, 0.2)]
)
def test_probabilities_and_splines_are_cut_at_one_half_with_a_note(inside, outside):
    mask, notes = mask_of(np.where(BLOCK, inside, outside).astype(np.float32))
    np.testing.assert_array_equal(mask, BLOCK)
    (note,) = notes
    assert "cut at 0.5" in note


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (100 * RANDOM, "values from"),
        (np.rint(100 * RANDOM).astype(np.uint8), "101 different values from 0 to 100"),
        (np.where(BLOCK, 255.5, 0.5), "values from 0.5 to 256"),
        (np.where(BLOCK, 0.3, 0.0), "highest value is 0.3"),
        (np.where(BLOCK, 1, -1), "labels (-1, 1)"),
        (np.where(BLOCK, 2, 1), "labels (1, 2)"),
        (np.where(BLOCK, 4, 0) + np.where(np.roll(BLOCK, 8), 3, 0), "labels (3, 4, 7)"),
        (np.where(BLOCK, 1 + 1j, 0), "numbers"),
    ],
)
def test_what_is_no_mask_is_refused_by_what_it_holds(values, said):
    assert said in refusal(values)


def test_voxels_that_are_no_numbers_are_outside_with_a_note():
    for dtype in (np.float32, np.float64):
        mask, notes = mask_of(np.where(BLOCK, 1, np.nan).astype(dtype))
        np.testing.assert_array_equal(mask, BLOCK)
        assert "no numbers" in notes[0]


def test_labels_that_are_not_known_are_named():
    np.testing.assert_array_equal(labels_of(np.array([0.0, 1, 3]), (1, 2, 3)), [0, 1, 3])
    with pytest.raises(UnusableInput, match="not known: 2.5, 7; known are 1, 2, 3"):
        labels_of(np.array([0, 1, 7, 2.5]), (1, 2, 3))


# --- files


GRID = Volume(np.zeros(BLOCK.shape, np.uint8), affine((1, 1, 2)), "grid")


def test_a_probability_map_in_a_file_is_cut_with_a_note(tmp_path):
    write_volume(tmp_path / "p.nii.gz", GRID.with_array(np.where(BLOCK, 0.9, 1e-6).astype(np.float32)))
    volume = read_mask(tmp_path / "p.nii.gz")
    np.testing.assert_array_equal(volume.array, BLOCK)
    assert volume.array.dtype == np.uint8 and "cut at 0.5" in volume.notes[0] and volume.source.file == "p.nii.gz"


def test_a_segmentation_of_one_segment_is_a_mask_and_one_of_several_is_refused_with_their_names(tmp_path):
    labels = BLOCK * np.uint8(3)
    lesion, lung = (SegmentRecord(name, name, 0, n, (1, 2, 3)) for name, n in (("Lesion", 3), ("Lung", 1)))
    write_seg_nrrd(tmp_path / "one.seg.nrrd", [labels], [lesion], GRID)
    np.testing.assert_array_equal(read_mask(tmp_path / "one.seg.nrrd").array, BLOCK)
    write_seg_nrrd(tmp_path / "two.seg.nrrd", [labels], [lung, lesion], GRID)
    with pytest.raises(UnusableInput, match=r"2 segments \('Lung', 'Lesion'\)"):
        read_mask(tmp_path / "two.seg.nrrd")
