"""Which voxels are brain is decided from the image: any contrast, size, noise, field of view; with skull or without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stroke_fixtures import CONTRASTS, brain, head

from LesionKitLib.imaging.metrics import dice
from LesionKitLib.imaging.volume import Volume, affine, reorient_to_lps, resample_like
from LesionKitLib.run.errors import UnusableInput
from StrokeSynthLib.segmentation.brain_extraction import extract_brain, load_network
from StrokeSynthLib.segmentation.input_check import notes_on_brain


@pytest.fixture(scope="module")
def network():
    return load_network()[1]


def milliliters(volume: Volume, network) -> float:
    lps, _ = reorient_to_lps(volume)
    return float(extract_brain(lps, network).mask.sum()) * volume.voxel_ml


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("noise", [0, 1, 12])
def test_a_brain_is_measured_through_skull_and_scalp_whatever_the_contrast_and_noise(contrast, noise, network):
    volume, truth = head(contrast, noise=noise)
    assert milliliters(volume, network) == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("scale", [0.8, 0.92, 1.05])
def test_a_smaller_or_larger_head_has_a_smaller_or_larger_brain(scale, network):
    volume, truth = head("t2")
    scaled = replace(volume, ijk_to_ras=volume.ijk_to_ras @ np.diag([scale, scale, scale, 1]))
    assert milliliters(scaled, network) == pytest.approx(truth * scale**3, rel=0.1)


def test_a_bias_field_moves_no_border(network):
    volume, truth = head("t1", bias=0.4)
    assert milliliters(volume, network) == pytest.approx(truth, rel=0.1)


def test_thick_slices_give_the_same_brain(network):
    volume, truth = head("flair", noise=3)
    thick = Volume(volume.array[::3], volume.ijk_to_ras @ np.diag([1, 1, 3, 1.0]))
    assert milliliters(thick, network) == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("flip", [(0,), (1,), (2,), (0, 2)])
def test_the_order_of_the_voxels_in_the_file_does_not_matter(flip, network):
    volume, _ = head("t2", noise=2)
    matrix = volume.ijk_to_ras.copy()
    for axis in flip:
        column = 2 - axis
        matrix[:3, 3] += matrix[:3, column] * (volume.array.shape[axis] - 1)
        matrix[:3, column] *= -1
    turned = Volume(np.ascontiguousarray(np.flip(volume.array, flip)), matrix)
    assert milliliters(turned, network) == milliliters(volume, network)


@pytest.mark.parametrize("degrees", [-25, 15, 30])
def test_a_head_that_lies_oblique_in_the_image_is_found(degrees, network):
    volume, truth = head("t2", noise=2)
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    moved = Volume(volume.array, turn @ volume.ijk_to_ras)
    middle = (moved.ijk_to_ras @ [*(np.array(volume.array.shape[::-1]) / 2), 1])[:3]
    grid = Volume(np.zeros((70, 70, 70), np.int16), affine((4, 4, 4), origin=middle + [140, 140, -140]))
    assert milliliters(grid.with_array(resample_like(moved, grid)), network) == pytest.approx(truth, rel=0.1)


def test_an_empty_margin_around_the_head_changes_little(network):
    volume, truth = head("t2", noise=2)
    wide = Volume(np.pad(volume.array, 25), volume.ijk_to_ras)
    assert milliliters(wide, network) == pytest.approx(truth, rel=0.1)


def test_the_border_of_a_stripped_brain_is_kept(network):
    volume, _ = brain(step=2)
    assert dice(extract_brain(volume, network).mask, volume.array > 0) > 0.99


def test_a_stripped_brain_in_noisy_air_is_found(network):
    volume, _ = brain(step=2)
    noisy = volume.array + np.abs(np.random.default_rng(0).normal(0, 8, volume.array.shape))
    assert dice(extract_brain(volume.with_array(noisy), network).mask, volume.array > 0) > 0.93


def test_an_image_that_ends_within_the_brain_says_at_which_side(network):
    volume, _ = head("t2")
    rows = np.flatnonzero((volume.array > 0).any((1, 2)))
    upper = Volume(volume.array[rows[-1] - 55 :], volume.ijk_to_ras)
    assert extract_brain(volume, network).cut == ()
    assert extract_brain(upper, network).cut == ("bottom",)


def test_the_command_line_leaves_the_same_files_twice_but_for_the_seconds(tmp_path):
    import json

    from LesionKitCLI.main import main
    from LesionKitLib.io.images import write_volume

    write_volume(tmp_path / "head.nii.gz", head("flair", step=3, noise=2)[0])
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        assert (
            main(["stroke", "segment", str(tmp_path / "head.nii.gz"), "--device", "cpu", "--output", str(folder)]) == 0
        )
    for name in ("segmentation.seg.nrrd", "overlay.png", "measurements.csv"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    documents = [json.loads((folder / "measurements.json").read_text("utf-8")) for folder in folders]
    assert [document.pop("seconds").keys() for document in documents][0] == {"read", "align", "infer", "total"}
    assert documents[0] == documents[1]


def test_air_alone_holds_no_brain(network):
    with pytest.raises(UnusableInput, match="No brain"):
        extract_brain(Volume(np.zeros((40, 60, 60), np.float32), affine((4, 4, 4))), network)


@pytest.mark.parametrize("ml", [500, 2300])
def test_a_brain_that_no_head_holds_is_noted(ml):
    (note,) = notes_on_brain(ml, ())
    assert f"{ml} ml" in note and "700 to 2000" in note
    assert notes_on_brain(1400, ()) == ()


def test_a_cut_brain_is_noted_with_its_side():
    (note,) = notes_on_brain(600, ("bottom", "front"))
    assert "bottom and front" in note
