"""Reading the public stroke sets: orientation, splits, exclusions."""

from __future__ import annotations

import numpy as np
import pytest
from stroke_fixtures import soop_folder, synthseg_folder

from LesionKitLib.run.errors import UnusableInput
from LesionKitResearch.datasets.stroke import read_label_maps, read_masks, read_slices
from StrokeSynthLib.labels import LABEL_COUNT
from StrokeSynthLib.segmentation.slice_views import PUBLIC_INDEX, plane_slice


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthseg_folder(soop_folder(tmp_path_factory.mktemp("data"), ("axial", "coronal", "sagittal")))


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_slices_mask_is_the_slice_of_the_patients_three_dimensional_mask(data, plane):
    slices, masks = read_slices(data / "soop", plane, "all"), read_masks(data / "soop", "all")
    assert list(slices.ids) == list(masks.ids)
    assert slices.areas.min() > 20
    for truth, volume in zip(slices.masks, masks, strict=True):
        assert (plane_slice(volume.array, plane, PUBLIC_INDEX[plane]) == truth).all()


def test_validation_patients_are_only_given_out_when_asked_for(data):
    train, val = (read_slices(data / "soop", "axial", split) for split in ("train", "val"))
    assert len(train) == 4 and len(val) == 2 and not set(train.ids) & set(val.ids)
    assert set(read_masks(data / "soop", "train").ids) == set(train.ids)


def test_patients_whose_masks_look_wrong_are_left_out(data, tmp_path):
    with np.load(data / "soop" / "flair_axial.npz") as file:
        table = dict(file)
    table["ids"][0] = "sub-303"
    np.savez(tmp_path / "flair_axial.npz", **table)
    assert "sub-303" not in read_slices(tmp_path, "axial", "all").ids


def test_a_split_or_a_file_that_is_not_there_is_named(data, tmp_path):
    with pytest.raises(UnusableInput, match="split 'test'"):
        read_slices(data / "soop", "axial", "test")
    with pytest.raises(UnusableInput, match=r"flair_axial\.npz"):
        read_slices(tmp_path)
    (tmp_path / "masks3d.npz").write_bytes(b"not numpy")
    with pytest.raises(UnusableInput, match=r"masks3d\.npz"):
        read_masks(tmp_path)


def test_label_maps_come_in_semantic_numbers(data):
    (first, *_) = read_label_maps(data / "synthseg_labels")
    assert first.array.dtype == np.uint8 and first.array.max() < LABEL_COUNT
    with pytest.raises(UnusableInput, match="nothing of the split 'val'"):
        next(read_label_maps(data / "synthseg_labels", "val"))
