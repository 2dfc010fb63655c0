"""Synthesis and database: from labels to an image, files, same seed same bytes, resuming, cancelling, bad input."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from LesionKitCLI.main import main
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.io.images import read_volume, write_labelmap
from LesionKitLib.models.inference import Runtime
from LesionKitLib.run.errors import Cancelled, MissingResource, UnusableInput
from LesionKitLib.run.progress import Progress
from StrokeSynthLib.labels import BACKGROUND, GRAY, LESION, WHITE
from StrokeSynthLib.synthesis import database, synthesis
from StrokeSynthLib.synthesis.lesion_sampling import SampledLesion

torch = pytest.importorskip("torch")


class Painter(torch.nn.Module):
    """A translator that gives every label its own gray, and the noise a little."""

    def forward(self, labels, noise, style=None):
        grays = torch.linspace(-0.9, 0.9, labels.shape[1]).reshape(1, -1, 1, 1)
        return (labels * grays).sum(1, keepdim=True) + 0.02 * noise.tanh()


def labels_volume(spacing=(1.0, 1.0, 1.0)):
    array = np.zeros((24, 40, 36), np.uint8)
    array[4:20, 5:35, 4:32] = GRAY.value
    array[6:18, 8:32, 7:29] = WHITE.value
    return Volume(array, affine(spacing, origin=(17.0, 20.0, -10.0)), "labels")


def a_lesion(volume):
    array = np.zeros(volume.array.shape, np.uint8)
    array[9:14, 14:22, 20:26] = 1
    return volume.with_array(array)


@pytest.fixture
def painter(monkeypatch):
    """The painter in place of every translator, and a fixed lesion in place of the mask GAN."""

    def load(name):
        if name not in ("pix2pix", "spade", "cyclegan"):
            raise UnusableInput("The translator is not known.")
        return Painter(), f"stroke-{name} 0"

    def draw(semantic, seed, volume_ml, side, hemispheres):
        mask = np.zeros(semantic.array.shape, bool)
        first = 10 + seed % 5
        mask[9:13, first : first + 6, 20:25] = True
        return SampledLesion(mask, float(mask.sum()) * semantic.voxel_ml, "left", seed, "stroke-mask-gan 0")

    monkeypatch.setattr(synthesis, "load_translator", load)
    monkeypatch.setattr(synthesis, "sample_lesion", draw)


def test_planes_of_an_array_come_back_as_they_were():
    array = np.random.default_rng(0).random((4, 5, 6))
    for plane in synthesis.PLANE_WEIGHTS:
        pictures = synthesis._as_pictures(array, plane)
        np.testing.assert_array_equal(synthesis._as_pictures(pictures, plane, back=True), array)


def test_slices_are_shown_as_the_public_ones():
    from StrokeSynthLib.segmentation.slice_views import plane_slice

    array = np.random.default_rng(0).random((4, 5, 6))
    for plane in synthesis.PLANE_WEIGHTS:
        np.testing.assert_array_equal(synthesis._as_pictures(array, plane)[2], plane_slice(array, plane, 2))


def test_slices_left_out_are_interpolated():
    whole = np.arange(8.0)[:, None, None] * np.ones((1, 2, 2))
    rows = np.array([0, 2, 4, 6, 7])
    np.testing.assert_allclose(synthesis._between(whole[rows], rows, 8), whole)


def test_the_plane_weights_sum_to_one():
    assert sum(synthesis.PLANE_WEIGHTS.values()) == 1


def test_each_label_gets_its_gray_and_the_background_none():
    volume = synthesis.with_given_lesion(labels_volume(), a_lesion(labels_volume()))
    image = synthesis.translate(volume, Painter(), 0)
    assert image.array.dtype == np.int16
    assert (image.array[volume.array == BACKGROUND] == 0).all() and (image.array[volume.array > 0] > 0).all()
    means = [image.array[volume.array == label].mean() for label in (GRAY.value, WHITE.value, LESION.value)]
    assert means[0] < means[1] < means[2]


@pytest.mark.parametrize("flip", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_flipped_label_map_gives_the_same_image_at_the_same_place(flip):
    from LesionKitLib.imaging.volume import reorient_to_lps

    volume = labels_volume()
    matrix = volume.ijk_to_ras.copy()
    for axis in flip:
        column = 2 - axis
        matrix[:3, 3] += matrix[:3, column] * (volume.array.shape[axis] - 1)
        matrix[:3, column] *= -1
    flipped = Volume(np.flip(volume.array, flip), matrix)
    first, second = (synthesis.translate(v, Painter(), 3) for v in (volume, flipped))
    difference = first.array.astype(int) - reorient_to_lps(second)[0].array
    assert np.abs(difference).max() <= 1  # positions differ by rounding
    np.testing.assert_allclose(second.ijk_to_ras, matrix)


def test_a_map_of_thick_slices_keeps_its_grid():
    volume = labels_volume((1.5, 1.5, 4.0))
    image = synthesis.translate(volume, Painter(), 0)
    assert image.array.shape == volume.array.shape
    np.testing.assert_array_equal(image.ijk_to_ras, volume.ijk_to_ras)


def test_batches_do_not_change_the_image():
    one, eight = (synthesis.translate(labels_volume(), Painter(), 0, Runtime("cpu", "fp32", n)).array for n in (1, 8))
    assert np.abs(one.astype(int) - eight).max() <= 1


def test_the_lesion_of_a_synthesis_is_aligned_with_its_image(painter):
    result = synthesis.synthesize(labels_volume(), a_lesion(labels_volume()), device="cpu")
    np.testing.assert_array_equal(result.lesion_mask, a_lesion(labels_volume()).array > 0)
    about = result.summary()
    assert about["lesions"] == 1 and about["lesion_ml"] == pytest.approx(0.24) and about["side"] == "left"
    assert "FLAIR" in about["notes"][0] and about["mask_model"] is None


@pytest.mark.parametrize(("inside", "outside"), [(0.9, 1e-6), (1.05, -0.05)])
def test_a_probability_map_or_a_resampled_mask_is_cut_at_one_half_with_a_note(painter, inside, outside):
    volume = labels_volume()
    values = np.where(a_lesion(volume).array > 0, inside, outside).astype(np.float32)
    result = synthesis.synthesize(volume, volume.with_array(values), device="cpu")
    np.testing.assert_array_equal(result.lesion_mask, a_lesion(volume).array > 0)
    assert "cut at 0.5" in result.notes[0] and len(result.notes) == 2


def test_several_labels_in_a_lesion_mask_are_refused_with_their_names(painter):
    volume = labels_volume()
    lesion = a_lesion(volume)
    lesion.array[9] *= 4
    with pytest.raises(UnusableInput, match=r"lesion mask holds several labels \(1, 4\)"):
        synthesis.synthesize(volume, lesion, device="cpu")


def test_what_of_a_lesion_mask_lies_outside_the_brain_is_told(painter):
    volume = labels_volume()
    lesion = a_lesion(volume)
    lesion.array[0, :5, :5] = 1
    result = synthesis.synthesize(volume, lesion, device="cpu")
    assert "0.03 ml of the lesion mask lie outside the brain" in result.notes[0]


def test_notes_of_the_label_file_reach_the_result(painter):
    volume = replace(labels_volume(), notes=("Left-right may be wrong.",))
    assert "Left-right may be wrong." in synthesis.synthesize(volume, a_lesion(volume), device="cpu").notes


def test_none_adds_no_lesion_and_the_gan_adds_one(painter):
    without = synthesis.synthesize(labels_volume(), None, device="cpu")
    assert not without.lesion_mask.any() and without.summary()["side"] == "none"
    drawn = synthesis.synthesize(labels_volume(), "gan", device="cpu")
    assert drawn.lesion_mask.sum() == 120 and drawn.summary()["mask_model"] == "stroke-mask-gan 0"


def test_the_same_seed_gives_the_same_image_and_another_seed_another(painter):
    first, again, other = (synthesis.synthesize(labels_volume(), "gan", seed=s, device="cpu").image for s in (4, 4, 5))
    np.testing.assert_array_equal(first.array, again.array)
    assert (first.array != other.array).any()


def test_unusable_maps_and_lesions_are_refused_with_a_sentence(painter):
    volume = labels_volume()
    with pytest.raises(UnusableInput, match="empty"):
        synthesis.synthesize(volume.with_array(np.zeros_like(volume.array)), None)
    with pytest.raises(UnusableInput, match="labels that are not known: 99"):
        synthesis.synthesize(volume.with_array(np.where(volume.array > 0, 99, 0)), None)
    moved = Volume(a_lesion(volume).array, affine((1.0, 1.0, 1.0)))
    smaller = Volume(a_lesion(volume).array[1:], volume.ijk_to_ras)
    for lesion in (moved, smaller):
        with pytest.raises(UnusableInput, match="another grid"):
            synthesis.synthesize(volume, lesion)
    with pytest.raises(UnusableInput, match="outside the brain"):
        synthesis.synthesize(volume, volume.with_array((volume.array == 0).astype(np.uint8)))


def test_a_translator_that_is_not_installed_is_missing(no_models):
    with pytest.raises(MissingResource, match="stroke-spade"):
        synthesis.load_translator("spade")
    with pytest.raises(UnusableInput, match="not known"):
        synthesis.load_translator("dream")


def test_the_command_writes_files_that_fit_together(painter, tmp_path, capsys):
    volume = labels_volume()
    write_labelmap(tmp_path / "labels.nii.gz", volume.array, volume)
    write_labelmap(tmp_path / "lesion.nii.gz", a_lesion(volume).array, volume)
    arguments = ["--labels", f"{tmp_path / 'labels.nii.gz'}", "--lesion", f"{tmp_path / 'lesion.nii.gz'}"]
    out = tmp_path / "out"
    assert main(["stroke", "synthesize", *arguments, "--device", "cpu", "--output", str(out), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["lesion_ml"] == pytest.approx(0.24) and about["translator"] == "stroke-pix2pix 0"
    names = {"image.nii.gz", "labels.nii.gz", "lesion.nii.gz", "segmentation.seg.nrrd", "synthesis.json", "report.html"}
    assert {path.name for path in out.iterdir()} == names
    image, labels, lesion = (read_volume(out / f"{name}.nii.gz") for name in ("image", "labels", "lesion"))
    np.testing.assert_array_equal(lesion.array > 0, labels.array == LESION.value)
    np.testing.assert_allclose(image.ijk_to_ras, volume.ijk_to_ras, atol=1e-4)
    assert ((image.array > 0) == (labels.array > 0)).all()


@pytest.mark.parametrize("arguments", [["synthesize"], ["database", "--cases", "1"]])
def test_a_missing_model_is_exit_code_4(no_models, tmp_path, arguments, capsys):
    assert main(["stroke", *arguments, "--output", str(tmp_path / "out")]) == 4
    assert "not installed" in capsys.readouterr().err


def test_a_wrong_lesion_file_or_seed_ends_in_a_sentence_and_leaves_nothing(painter, tmp_path, capsys):
    assert main(["stroke", "synthesize", "--lesion", str(tmp_path / "no.nii"), "--output", str(tmp_path / "o")]) == 3
    with pytest.raises(SystemExit) as usage:
        main(["stroke", "synthesize", "--seed", "-1", "--output", str(tmp_path / "o")])
    assert usage.value.code == 2
    assert not (tmp_path / "o").exists() and "Traceback" not in capsys.readouterr().err


# the database


def make(folder, cases, progress=None, **setting):
    return database.make_database(
        folder, cases, database.DatabaseSetting(**setting), [labels_volume], "cpu", progress
    )  # fmt: skip


def bytes_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_database_has_the_layout_of_bids(painter, tmp_path):
    rows = make(tmp_path / "db", 3, seed=2)
    anat = tmp_path / "db" / "sub-0002" / "anat"
    assert sorted(path.name for path in anat.iterdir()) == [
        "sub-0002_FLAIR.json", "sub-0002_FLAIR.nii.gz", "sub-0002_dseg.nii.gz", "sub-0002_label-lesion_mask.nii.gz",
    ]  # fmt: skip
    about = json.loads((tmp_path / "db" / "dataset_description.json").read_text())
    assert about["BIDSVersion"] and about["DatasetType"] == "derivative" and about["Name"]
    lines = (tmp_path / "db" / "participants.tsv").read_text().splitlines()
    assert lines[0].split("\t") == list(database.COLUMNS) and len(lines) == 4
    assert [row["seed"] for row in rows] == [2 * database.SEED_STEP + n for n in (1, 2, 3)]
    mask = read_volume(anat / "sub-0002_label-lesion_mask.nii.gz")
    assert rows[1]["lesion_ml"] == pytest.approx(mask.array.sum() * mask.voxel_ml, abs=0.001)


def test_the_same_seed_gives_the_same_bytes(painter, tmp_path):
    make(tmp_path / "a", 2, seed=1)
    make(tmp_path / "b", 2, seed=1)
    make(tmp_path / "c", 2, seed=9)
    first = bytes_of(tmp_path / "a")
    assert first == bytes_of(tmp_path / "b")
    name = "sub-0001/anat/sub-0001_FLAIR.nii.gz"
    assert first[name] != bytes_of(tmp_path / "c")[name]


def test_a_stopped_run_goes_on_and_gives_what_an_unbroken_one_gives(painter, tmp_path):
    progress = Progress(lambda stage, fraction, remaining: progress.cancel() if fraction > 0.4 else None)
    with pytest.raises(Cancelled):
        make(tmp_path / "a", 4, progress)
    cases = sorted(path.name for path in (tmp_path / "a").iterdir() if path.is_dir())
    assert cases and all(name.startswith("sub-") for name in cases) and len(cases) < 4
    assert all(len(list((tmp_path / "a" / name / "anat").iterdir())) == 4 for name in cases)
    made = {name: (tmp_path / "a" / name / "anat" / f"{name}_FLAIR.nii.gz").stat().st_mtime_ns for name in cases}
    make(tmp_path / "a", 4)
    assert made == {n: (tmp_path / "a" / n / "anat" / f"{n}_FLAIR.nii.gz").stat().st_mtime_ns for n in cases}
    make(tmp_path / "b", 4)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_another_setting_or_other_files_in_the_folder_are_refused(painter, tmp_path):
    make(tmp_path / "a", 1)
    with pytest.raises(UnusableInput, match="another setting"):
        make(tmp_path / "a", 1, seed=5)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("mine")
    with pytest.raises(UnusableInput, match="other files"):
        make(tmp_path / "b", 1)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("cases", [0, -3, 10**6])
def test_an_impossible_number_of_cases_is_refused(painter, tmp_path, cases):
    with pytest.raises(UnusableInput, match="number of cases"):
        make(tmp_path / "a", cases)
    assert not (tmp_path / "a").exists()


def test_the_database_command_prints_its_cases(painter, tmp_path, capsys):
    volume = labels_volume()
    write_labelmap(tmp_path / "brain.nii.gz", volume.array, volume)
    arguments = ["--cases", "2", "--labels", str(tmp_path / "brain.nii.gz"), "--output", str(tmp_path / "db")]
    assert main(["stroke", "database", *arguments, "--device", "cpu", "--json"]) == 0
    cases = json.loads(capsys.readouterr().out)["cases"]
    assert [case["participant_id"] for case in cases] == ["sub-0001", "sub-0002"]
    assert cases[0]["label_map"] == "brain.nii.gz"
