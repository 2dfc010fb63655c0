"""Slices as the network sees them, images from label maps, the training recipe, scores, the experiment."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from stroke_fixtures import BrightNetwork, soop_folder, synthseg_folder

from LesionKitLib.models.inference import Runtime
from LesionKitLib.run.errors import MissingResource, UnusableInput
from LesionKitResearch.augmentation.label_map_randomization import bias_field, coarse, random_image, random_means
from LesionKitResearch.augmentation.stroke import CANVAS
from LesionKitResearch.datasets.anatomies import random_lesion_slice, read_anatomies, to_standard
from LesionKitResearch.datasets.stroke import read_masks, read_slices
from LesionKitResearch.datasets.stroke_translated_slices import translated_slices
from LesionKitResearch.evaluation.stroke import metrics_of, score_slices, scores_of
from LesionKitResearch.evaluation.stroke_slices import predict_slices
from LesionKitResearch.experiments.stroke_summary import as_markdown, summarize
from LesionKitResearch.experiments.stroke_synthetic_data import (
    ALL,
    Setting,
    choose_cases,
    mixture_of,
    parse_sizes,
    run_experiment,
    run_folder,
)
from LesionKitResearch.training import stroke
from LesionKitResearch.training.loop import TrainingPlan
from LesionKitResearch.training.recipes import stroke_recipe
from LesionKitResearch.training.stroke import Mixture, draw_batch, read_sources, train_stroke_unet
from StrokeSynthLib.labels import LESION, SKULL_FIRST, WHITE, semantic_from_labels
from StrokeSynthLib.segmentation.slice_prediction import mirrored_probabilities
from StrokeSynthLib.segmentation.slice_views import channels, normalized, template_slice
from StrokeSynthLib.segmentation.template import load_template

CPU = Runtime("cpu", batch=4)
TINY = Setting((2, ALL), ("real", "randomized"), (0,), steps=1, batch=2, added=2, synthetic=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthseg_folder(soop_folder(tmp_path_factory.mktemp("data"), ("axial", "coronal", "sagittal"), 9), ("a",))


@pytest.fixture(scope="module")
def sources(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stroke, "TRANSLATED", 3)
        return read_sources(data, Mixture())


def test_gray_values_are_normalized_whatever_the_scanners_scale():
    image = np.random.default_rng(0).random((30, 30))
    brain = image > 0.1
    one, other = normalized(image, brain), normalized(700 * image + 90, brain)
    assert np.allclose(one, other, atol=1e-4) and (one[~brain] == -1).all() and np.abs(one).max() <= 1
    assert (normalized(image, np.zeros_like(brain)) == -1).all()


def test_the_second_channel_is_the_other_hemisphere_but_not_in_sagittal_slices():
    slices = np.arange(12, dtype=np.float32).reshape(1, 3, 4) / 12
    template = np.zeros((3, 4), np.float32)
    assert (channels(slices, template)[0, 1] == slices[0, :, ::-1]).all()
    assert (channels(slices, template, "sagittal")[0, 1] == -1).all()


def test_the_templates_slice_is_only_shown_where_the_shape_fits():
    assert (template_slice("axial", (189, 157)) > -1).mean() > 0.3
    assert (template_slice("axial", (50, 60)) == -1).all()


def test_a_lesions_gray_differs_from_tissue_or_follows_a_sequence():
    rng = np.random.default_rng(1)
    draws = np.stack([random_means(rng, SKULL_FIRST + 4) for _ in range(50)])
    assert (draws[:, 0] == 0).all() and len(np.unique(draws[:, LESION.value])) == 50


def test_random_images_are_never_alike_nor_negative():
    labels = np.zeros((40, 40), np.uint8)
    labels[5:35, 5:35], labels[10:16, 10:16] = 4, LESION.value
    rng = np.random.default_rng(2)
    one, other = random_image(labels, rng), random_image(labels, rng)
    assert one.min() >= 0 and np.isfinite(one).all() and not np.allclose(one, other)


def test_bias_fields_are_smooth_and_positive_and_coarsening_keeps_the_mean():
    field = bias_field((50, 60), np.random.default_rng(0), 0.3)
    assert field.shape == (50, 60) and field.min() > 0 and np.abs(np.diff(field, axis=0)).max() < 0.1
    image = np.random.default_rng(0).random((50, 60)).astype(np.float32)
    assert coarse(image, (2.0, 3.0)).mean() == pytest.approx(image.mean(), abs=0.02)


def test_an_anatomy_comes_to_the_templates_place_and_size():
    labels = load_template().labels.array
    smaller = np.pad(labels[::2, ::2, ::2], 9)
    found = to_standard(smaller)
    tissue, wanted = np.isin(found, (3, 4, 5)), np.isin(labels, (3, 4, 5))
    assert 2 * (tissue & wanted).sum() / (tissue.sum() + wanted.sum()) > 0.9


def test_slices_made_from_label_maps_hold_lesions_of_training_patients(data):
    anatomies, masks = read_anatomies(data / "synthseg_labels"), read_masks(data / "soop")
    rng = np.random.default_rng(0)
    drawn = [random_lesion_slice(anatomies, masks, rng) for _ in range(12)]
    held = [(labels == LESION.value).sum() >= 20 for labels, _, _ in drawn]
    assert sum(held) >= 7 and len(anatomies) == 2
    again = random_lesion_slice(anatomies, masks, np.random.default_rng(0))
    assert (again[0] == drawn[0][0]).all()


def test_lesions_of_the_label_maps_themselves_are_no_strokes_to_learn_from(data):
    import SimpleITK as sitk

    own = sitk.GetArrayFromImage(sitk.ReadImage(str(data / "synthseg_labels" / "a.nii.gz")))
    changed = np.where(own == 2, 25, own)  # FreeSurfer's 25 is a lesion: here all white matter
    assert LESION.value in semantic_from_labels(changed)
    image = sitk.GetImageFromArray(changed.astype(np.int16))
    image.CopyInformation(sitk.ReadImage(str(data / "synthseg_labels" / "a.nii.gz")))
    other = synthseg_folder(data / "other", ("a",)) / "synthseg_labels"
    sitk.WriteImage(image, str(other / "a.nii.gz"))
    (labels, _template) = read_anatomies(other)
    assert not (labels == LESION.value).any() and (labels == WHITE.value).sum() > 1000


def test_a_mean_with_the_mirror_image_prefers_no_side():
    def prefers_left(images):
        import torch

        answer = torch.zeros(len(images), 2, *images.shape[-2:])
        answer[..., : images.shape[-1] // 2] = 4
        return answer

    found = mirrored_probabilities(prefers_left, np.zeros((1, 3, 4, 6), np.float32), CPU)
    assert np.allclose(found, found[..., ::-1]) and found.min() > 0.5


def test_a_batch_has_every_sources_slices_on_the_canvas(sources):
    batch = draw_batch(sources, Mixture(), np.random.default_rng(0))
    assert batch["image"].shape == (8, 3, *CANVAS) and batch["lesion"].shape == (8, *CANVAS)
    assert float(batch["image"].abs().max()) <= 1.001
    assert set(np.unique(batch["lesion"])) <= {0.0, 1.0} and float(batch["lesion"].sum()) > 0
    again = draw_batch(sources, Mixture(), np.random.default_rng(0))
    assert bool((again["image"] == batch["image"]).all())


def test_training_goes_on_where_it_stopped_and_can_be_described_as_it_is(data, sources, tmp_path):
    plan = TrainingPlan(2, warmup=1, save_every=1, check_every=2)
    small = Mixture(axial=1, coronal=0, sagittal=0, translated=0, randomized=1)
    network = train_stroke_unet(sources, tmp_path, plan, small, pretrained=False)
    reached, steps = stroke_recipe.averaged_network(tmp_path)
    assert steps == 2
    for name, value in network.state_dict().items():
        assert bool((reached.state_dict()[name] == value).all()), name
    model = stroke_recipe.train_and_describe(data, tmp_path, plan, as_it_is=True)
    assert model.card["training"]["steps"] == 2 and model.weights_path.stat().st_size < 6e6
    assert {"soop_flair_axial", "soop_flair_coronal", "soop_flair_sagittal"} == set(model.card["metrics"])
    with pytest.raises(UnusableInput, match="no training"):
        stroke_recipe.averaged_network(tmp_path / "elsewhere")


def test_a_perfect_prediction_scores_one_and_none_scores_zero(data):
    slices = read_slices(data / "soop", "axial", "val")
    whole = metrics_of(score_slices(slices, slices.masks, "soop"))["lesion"]
    none = metrics_of(score_slices(slices, np.zeros_like(slices.masks), "soop"))["lesion"]
    assert whole["n"] == len(slices) == 3
    for name in ("dice", "dice_pooled", "lesion_sensitivity", "sensitivity", "precision", "r"):
        assert whole[name]["mean"] == pytest.approx(1.0), name
    assert none["dice"]["mean"] == 0 and none["precision"]["mean"] is None and none["r"]["mean"] is None


def test_lesions_below_twenty_pixels_are_not_scored_by_mean_dice(data):
    slices = read_slices(data / "soop", "axial", "val")
    small = slices.masks & False
    small[:, 90, 70:75] = True
    found = metrics_of(score_slices(replace(slices, masks=small), small, "soop"))["lesion"]
    assert found["n"] == 0 and found["dice"]["mean"] is None and found["dice_pooled"]["mean"] == 1


def test_slices_are_predicted_on_their_own_grid(data):
    slices = read_slices(data / "soop", "axial", "val")
    probability = predict_slices(BrightNetwork(), slices, CPU)
    assert probability.shape == slices.images.shape
    assert metrics_of(score_slices(slices, probability > 0.5, "soop"))["lesion"]["dice"]["mean"] > 0.9


def test_smaller_choices_of_cases_lie_within_larger_ones(data):
    train = read_slices(data / "soop", "axial", "train")
    two, four = choose_cases(train, 2, 0), choose_cases(train, 4, 0)
    assert set(two.ids) < set(four.ids) and len(choose_cases(train, ALL, 0)) == len(train)
    with pytest.raises(UnusableInput, match="50 cases"):
        choose_cases(train, 50, 0)


def test_every_arm_sees_as_many_real_slices_and_the_others_come_in_addition():
    setting = replace(TINY, batch=7, added=3)
    found = {arm: mixture_of(arm, setting) for arm in ("real", "pix2pix", "randomized")}
    assert {m.axial for m in found.values()} == {7}
    assert [(m.translated, m.randomized) for m in found.values()] == [(0, 0), (3, 0), (0, 3)]


def test_the_network_learns_from_translated_slices_of_training_patients_masks_too(sources):
    assert len(sources.translated) == 3 and sources.translated.masks.any()
    assert set(sources.translated.split) == {"train"}
    batch = draw_batch(sources, Mixture(0, 0, 0, translated=2, randomized=0), np.random.default_rng(0))
    assert len(batch["image"]) == 2 and float(batch["lesion"].sum()) > 0


def test_sizes_are_read_and_refused_by_name():
    assert parse_sizes("10, 50,all") == (10, 50, ALL)
    with pytest.raises(UnusableInput, match="'ten'"):
        parse_sizes("10,ten")


def test_an_experiment_is_not_repeated_but_goes_on(data, tmp_path):
    summary = run_experiment(data, tmp_path, TINY, "cpu", pretrained=False)
    assert [(row["size"], row["arm"]) for row in summary["rows"]] == [
        (2, "real"), (2, "randomized"), (ALL, "real"), (ALL, "randomized"),
    ]  # fmt: skip
    for name in ("experiment.json", "experiment.csv", "experiment.md", "experiment.png"):
        assert (tmp_path / name).stat().st_size > 100
    first = run_folder(tmp_path, "real", 2, 0) / "result.json"
    before = first.stat().st_mtime_ns
    first.write_text(json.dumps({**json.loads(first.read_text()), "dice_pooled": 0.123}))
    (run_folder(tmp_path, "randomized", 2, 0) / "result.json").unlink()
    finished = run_experiment(data, tmp_path, TINY, "cpu", only_finished=True)
    assert [(row["size"], row["arm"]) for row in finished["rows"]] == [(2, "real"), (ALL, "real"), (ALL, "randomized")]
    again = run_experiment(data, tmp_path, TINY, "cpu", pretrained=False)
    assert first.stat().st_mtime_ns > before and again["rows"][0]["dice_pooled"] == 0.123
    with pytest.raises(UnusableInput, match="another setting"):
        run_experiment(data, tmp_path, replace(TINY, steps=2), "cpu", pretrained=False)


def test_a_translator_that_is_not_installed_stops_the_experiment(data, tmp_path, no_models):

    with pytest.raises(MissingResource, match="stroke-pix2pix"):
        run_experiment(data, tmp_path, replace(TINY, arms=("pix2pix",)), "cpu", pretrained=False)


def test_translated_slices_come_with_their_masks_and_the_same_seed_gives_the_same(data):
    def generator(labels, noise, _style):
        return labels.argmax(1, keepdim=True) / 3 - 1 + 0 * noise

    generator.to = lambda _device: generator
    material = read_anatomies(data / "synthseg_labels"), read_masks(data / "soop")
    one, other = (translated_slices(generator, *material, 4, 5, CPU) for _ in range(2))
    assert one.images.shape == (4, 189, 157) and (one.images == other.images).all()
    assert (one.images[one.masks] == 255).all() and one.masks.any()


def test_a_gain_is_tested_against_real_cases_alone():
    patients = [f"p{n}" for n in range(20)]
    base = {"size": 10, "seed": 0, "dice_pooled": 0.5, "arm": "real", "dice": dict.fromkeys(patients, 0.4)}
    better = {**base, "arm": "spade", "dice": {p: 0.5 + 0.01 * n for n, p in enumerate(patients)}}
    rows = summarize([base, better], {})["rows"]
    assert rows[0]["gain"] is None and rows[1]["gain"] == pytest.approx(0.195) and rows[1]["p"] < 0.001
    assert "| 10 | spade |" in as_markdown(summarize([base, better], {}))
    other_seed = {**base, "seed": 1, "dice": dict.fromkeys(patients, 0.9)}
    rows = summarize([base, other_seed, better], {})["rows"]
    assert rows[1]["gain"] == pytest.approx(0.195)  # against the seed that both have


def test_an_experiment_without_a_finished_run_has_no_summary(data, tmp_path):
    with pytest.raises(UnusableInput, match="No run"):
        run_experiment(data, tmp_path, TINY, "cpu", only_finished=True)


def test_each_file_of_slices_is_a_source_of_its_own(data):
    slices = read_slices(data / "soop", "axial", "all")
    packed = np.packbits(slices.masks & False, axis=-1)
    np.savez(
        data / "soop" / "dwi_axial.npz", images=slices.images, masks_packed=packed, ids=slices.ids, split=slices.split
    )
    sources = {score.source for score in scores_of(BrightNetwork(), data / "soop", "all", "cpu")}
    assert "soop_dwi_axial" in sources and "soop_flair_axial" in sources


def test_lesions_found_where_there_are_none_are_false_alarms_per_slice(data):
    slices = read_slices(data / "soop", "axial", "val")
    empty = replace(slices, masks=slices.masks & False)
    alarms = metrics_of(score_slices(empty, slices.masks, "negatives"))["lesion"]
    assert alarms["dice"]["mean"] is None and alarms["n"] == 0
    assert alarms["false_alarm_pixels"]["mean"] == pytest.approx(slices.areas.mean())
    assert alarms["false_alarm_places"]["mean"] == 1
    none = metrics_of(score_slices(slices, slices.masks, "soop"))["lesion"]
    assert none["false_alarm_pixels"]["mean"] is None


def test_dark_fluid_in_the_brain_mask_does_not_change_the_tissues_gray_values():
    rng = np.random.default_rng(0)
    image = np.pad(rng.uniform(80, 120, (40, 40)), 20)
    tissue = image > 0
    wide = np.zeros_like(tissue)
    wide[12:68, 12:68] = True  # as much fluid as tissue
    image[wide & ~tissue] = rng.uniform(1, 10, (wide & ~tissue).sum())
    assert np.allclose(normalized(image, wide)[tissue], normalized(image, tissue)[tissue], atol=0.02)
