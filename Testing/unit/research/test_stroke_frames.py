"""Public slices that stand in no standard space: which pixels are brain, and the frame that the network sees."""

from __future__ import annotations

import numpy as np
import pytest
from stroke_fixtures import BrightNetwork, head

from LesionKitLib.models.inference import Runtime
from LesionKitLib.models.registry import Model
from LesionKitLib.run.errors import UnusableInput
from LesionKitResearch.datasets.stroke import SliceSet, read_slices
from LesionKitResearch.datasets.stroke_frames import FRAME, LARGEST, in_frame, is_standard, out_of_frame
from LesionKitResearch.evaluation.stroke_slices import predict_slices
from LesionKitResearch.training.recipes.stroke_recipe import fine_tuned_card
from LesionKitResearch.training.stroke import FINE_TUNE_PLAN, Sources, split_held_back
from LesionKitResearch.training.weight_interpolation import Interpolation


def stripped(size: int, offset: int = 0, background: int = 0, shape=(256, 256)) -> SliceSet:
    """One slice with a round brain of that many pixels across and a square lesion, which is brighter."""
    y, x = np.indices(shape)
    center = np.array(shape) / 2 + offset
    brain = np.hypot(y - center[0], x - center[1]) < size / 2
    image = np.where(brain, 100 + 20 * (x % 2), background).astype(np.uint8)
    mask = np.zeros(shape, bool)
    row, column = (center + size / 6).astype(int)
    mask[row : row + 16, column : column + 16] = True
    image[mask] = 250
    return SliceSet("axial", image[None], mask[None], np.array(["a"]), np.array(["val"]), brain[None])


def write_slices(folder, images, **more):
    masks = np.packbits(np.zeros(images.shape, bool), -1)
    count = len(images)
    ids, split = np.full(count, "a"), np.full(count, "val")
    np.savez(folder / "flair_axial.npz", images=images, masks_packed=masks, ids=ids, split=split, **more)


@pytest.mark.parametrize("size", [150, 240])
def test_a_brain_of_any_pixel_size_comes_to_the_middle_of_the_frame_and_back(size):
    slices = stripped(size, offset=-7)
    framed = in_frame(slices)
    assert framed.images.shape[1:] == FRAME and is_standard(framed) and not is_standard(slices)
    rows = np.flatnonzero(framed.brains[0].any(1))
    assert rows[-1] - rows[0] + 1 <= LARGEST[0] + 1 and abs((rows[0] + rows[-1] - FRAME[0] + 1) / 2) <= 1
    back = out_of_frame(framed.masks.astype(np.float32), slices.brains) > 0.5
    assert 2 * (back & slices.masks).sum() / (back.sum() + slices.masks.sum()) > 0.9


def test_a_lesion_of_a_slice_in_no_standard_space_is_found_at_its_own_place():
    slices = stripped(240, offset=5)
    found = predict_slices(BrightNetwork(), slices, Runtime("cpu", batch=4)) > 0.5
    assert found.shape == slices.masks.shape
    assert 2 * (found & slices.masks).sum() / (found.sum() + slices.masks.sum()) > 0.85


def test_a_blank_background_above_zero_is_no_brain(tmp_path):
    own = stripped(160, background=8)
    write_slices(tmp_path, own.images)
    read = read_slices(tmp_path, split="val")
    assert (read.brains[0] == own.brains[0]).mean() > 0.99


def test_in_slices_of_a_head_with_skull_the_brain_is_extracted(tmp_path):
    volume, _ = head("flair", step=1, noise=4.0)
    own = volume.array[::5, :256, :216].astype(np.uint8)
    write_slices(tmp_path, own, slice=np.arange(len(own)))
    read = read_slices(tmp_path, split="val")
    share = read.brains.mean((1, 2))
    assert share[len(own) // 2 + 3] > 0.15 and share.max() < 0.6
    scalp = np.flatnonzero(own[len(own) // 2 + 3, 128] > 60)[0]
    assert not read.brains[len(own) // 2 + 3, 128, scalp]


def test_slices_in_which_no_brain_is_seen_have_no_brain_pixels(tmp_path, monkeypatch):
    from StrokeSynthLib.segmentation import brain_extraction

    def fail(*_):
        raise UnusableInput("No brain was found.")

    monkeypatch.setattr(brain_extraction, "extract_brain", fail)
    noise = np.random.default_rng(0).integers(0, 250, (6, 64, 64)).astype(np.uint8)
    write_slices(tmp_path, noise, slice=np.arange(6))
    assert not read_slices(tmp_path, split="val").brains.any()


def test_patients_held_back_for_the_curve_are_not_trained_on():
    ids = np.array([f"p{n:02}" for n in range(25) for _ in range(2)])
    images = np.full((50, 8, 8), 9, np.uint8)
    slices = SliceSet("axial", images, images > 5, ids, np.full(50, "train"))
    trained, left = split_held_back(Sources({"isles_dwi": slices, "negatives": slices}))
    assert set(left) == {"isles_dwi"} and sorted(set(left["isles_dwi"].ids)) == ["p00", "p10", "p20"]
    assert not set(left["isles_dwi"].ids) & set(trained.real["isles_dwi"].ids)
    assert len(trained.real["isles_dwi"]) == 44 and len(trained.real["negatives"]) == 50


def test_the_card_of_a_fine_tuning_names_its_start_its_data_and_where_it_stopped(tmp_path):
    start = Model({"name": "stroke-unet", "version": "2.0.0", "sha256": "ab" * 32}, tmp_path)
    mixed = Interpolation(None, 0.6, {0.0: 0.5, 0.6: 0.59, 1.0: 0.6})
    card = fine_tuned_card(FINE_TUNE_PLAN, start, 80, {}, 0.3, mixed)
    assert "stroke-unet 2.0.0" in card["training"]["command"] and card["training"]["steps"] == 80
    assert f"step 80 of {FINE_TUNE_PLAN.steps}" in card["training"]["selection"]
    assert "0.6 parts" in card["training"]["selection"] and "0.6: 0.590" in card["training"]["selection"]
    assert any("ISLES" in part["name"] for part in card["training_data"])
    assert not any("stroke-spade drew" in part["name"] for part in card["training_data"])
