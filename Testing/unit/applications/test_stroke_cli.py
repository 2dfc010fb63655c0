"""``lesionkit stroke segment|experiment``, ``evaluate stroke``, ``train stroke-unet``: files, JSON, exit codes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from stroke_fixtures import BrightNetwork, brain, soop_folder, synthseg_folder

from LesionKitCLI.main import main
from LesionKitLib.imaging.volume import to_sitk
from LesionKitLib.models import registry
from StrokeSynthLib import pipeline

DONE, USAGE, UNUSABLE, MISSING = 0, 2, 3, 4
FILES = ["measurements.csv", "measurements.json", "overlay.png", "report.html", "segmentation.seg.nrrd"]


@pytest.fixture
def bright(monkeypatch):
    """The pipeline runs on a stand-in for the network."""
    model = registry.Model({"name": "stroke-unet", "version": "9.9"}, None)
    monkeypatch.setattr(pipeline, "load_network", lambda: (model, BrightNetwork()))


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.nii.gz"
    sitk.WriteImage(to_sitk(brain(step=3)[0]), str(path))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthseg_folder(soop_folder(tmp_path_factory.mktemp("data")), ("a",))


def test_segment_writes_its_files_and_prints_one_document(bright, scan, tmp_path, capsys):
    assert (
        main(["stroke", "segment", str(scan), "--output", str(tmp_path / "out"), "--device", "cpu", "--json"]) == DONE
    )
    document = json.loads(capsys.readouterr().out)
    assert document["side"] == "left" and document["lesions"] == 1 and document["lesion_ml"] > 3
    assert {"read", "align", "infer", "total"} == set(document["seconds"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    assert json.loads((tmp_path / "out" / "measurements.json").read_text()) == document


def test_segment_says_what_it_found_in_words(bright, scan, tmp_path, capsys):
    assert main(["stroke", "segment", str(scan), "--output", str(tmp_path / "out"), "--device", "cpu"]) == DONE
    text = capsys.readouterr().out
    assert "side: left" in text and "not a medical device" in text


def test_an_image_without_a_brain_is_refused_and_leaves_nothing(bright, tmp_path, capsys):
    array = np.zeros((40, 60, 60), np.int16)
    array[10:20, 20:30, 20:30] = np.random.default_rng(0).integers(100, 300, (10, 10, 10))
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((3, 3, 3))
    sitk.WriteImage(image, str(tmp_path / "none.nii.gz"))
    output = tmp_path / "out"
    assert main(["stroke", "segment", str(tmp_path / "none.nii.gz"), "--output", str(output)]) == UNUSABLE
    assert "No brain was found" in capsys.readouterr().err
    assert not output.exists()


def test_a_four_dimensional_image_is_refused(bright, tmp_path, capsys):
    image = sitk.JoinSeries([sitk.Image(60, 60, 40, sitk.sitkInt16)] * 2)
    sitk.WriteImage(image, str(tmp_path / "four.nii.gz"))
    assert main(["stroke", "segment", str(tmp_path / "four.nii.gz"), "--output", str(tmp_path / "out")]) == UNUSABLE
    assert "4 dimensions" in capsys.readouterr().err


def test_without_the_model_nothing_is_segmented(no_models, scan, tmp_path, capsys):
    assert main(["stroke", "segment", str(scan), "--output", str(tmp_path / "out")]) == MISSING
    assert "stroke-unet" in capsys.readouterr().err


def test_evaluation_prints_dice_per_plane(bright, data, capsys):
    assert main(["evaluate", "stroke", "--data", str(data / "soop"), "--device", "cpu", "--json"]) == DONE
    document = json.loads(capsys.readouterr().out)
    assert (document["task"], document["network"], document["n"]) == ("stroke", "stroke-unet", 2)
    assert document["metrics"]["lesion"]["dice"]["mean"] > 0.9
    assert set(document["per_source"]) == {"soop_flair_axial"}


def test_a_folder_without_slices_is_named(bright, tmp_path, capsys):
    assert main(["evaluate", "stroke", "--data", str(tmp_path)]) == UNUSABLE
    assert "flair_axial.npz" in capsys.readouterr().err
    assert main(["evaluate", "stroke", "--data", str(tmp_path / "none")]) == UNUSABLE


@pytest.mark.parametrize("command", [["train", "stroke-unet"], ["stroke", "experiment"]])
def test_training_without_data_is_refused(command, tmp_path, capsys):
    assert main([*command, "--data", str(tmp_path), "--output", str(tmp_path / "out")]) == UNUSABLE
    assert "soop" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("--sizes", "10,few"), ("--arms", "real,magic")])
def test_an_experiment_of_unknown_sizes_or_arms_is_refused(option, value, data, tmp_path, capsys):
    arguments = ["stroke", "experiment", "--data", str(data), "--output", str(tmp_path / "out"), option, value]
    assert main(arguments) == UNUSABLE
    assert value.split(",")[1] in capsys.readouterr().err


def test_a_sub_command_is_needed(capsys):
    with pytest.raises(SystemExit) as error:
        main(["stroke"])
    assert error.value.code == USAGE
