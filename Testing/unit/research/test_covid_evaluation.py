"""Scores against expert labels."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from chest_fixtures import BODY, VALUES, ThresholdNetwork
from data_fixtures import (
    ct20_folder,
    medseg9_folder,
    mosmed_folder,
    plethora_folder,
    pseudo_folder,
    sirm_folder,
    volumes_folder,
)

from CovidLungQuantLib.networks import registry
from CovidLungQuantLib.segmentation.frames import window
from LesionKitLib.io.images import write_labelmap, write_volume
from LesionKitLib.run.errors import Cancelled, UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.covid import LabeledSlice, labeled_slices
from LesionKitResearch.evaluation.covid import (
    CLASSES,
    by_source,
    evaluate_effusions,
    evaluate_slices,
    evaluate_volumes,
    metrics_of,
    score_image,
    score_slices,
)
from LesionKitResearch.evaluation.covid_pictures import HEALTHY_LUNG, picture_probabilities, picture_segmenter


def item(label, typed=True, source="s", patient="p") -> LabeledSlice:
    label = np.asarray(label, np.uint8)
    return LabeledSlice(source, "n", patient, np.zeros(label.shape, np.uint8), label, typed)


def row(*counts: tuple[int, int]) -> np.ndarray:
    """A label map of one row: so many pixels of each value."""
    return np.concatenate([np.full(count, value) for value, count in counts])[None]


LABEL = row((0, 200), (1, 100), (2, 300), (3, 400))
FOUND = row((0, 250), (1, 150), (2, 150), (3, 450))


def test_each_class_is_counted_in_truth_in_prediction_and_in_both():
    counts = score_image(item(LABEL), FOUND).counts
    assert counts["ggo"].truth == 100 and counts["ggo"].predicted == 150 and counts["ggo"].both == 50
    assert counts["high_opacity"].truth == 700 and counts["high_opacity"].both == 600
    assert counts["infection"].truth == 800 and counts["infection"].predicted == counts["infection"].both == 750
    assert set(counts) == set(CLASSES)


def test_a_perfect_prediction_scores_one_everywhere():
    metrics = metrics_of([score_image(item(LABEL, patient=str(n)), LABEL) for n in range(3)])
    for name in CLASSES:
        for metric in ("dice", "dice_pooled", "sensitivity", "precision"):
            assert metrics[name][metric] == {"mean": 1.0, "low": 1.0, "high": 1.0}, (name, metric)
        assert metrics[name]["n"] == 3


def test_a_label_without_kinds_is_scored_as_infection_alone():
    metrics = metrics_of([score_image(item(LABEL > 0, typed=False), FOUND)])
    assert set(metrics) == {"infection"}


def test_dice_is_the_mean_over_images_that_hold_the_class_and_pooled_counts_all_pixels():
    empty, found = row((0, 100)), row((0, 50), (1, 50))
    scores = [
        score_image(item(found, patient="a"), found),  # Dice 1
        score_image(item(found, patient="b"), row((0, 100))),  # Dice 0
        score_image(item(empty, patient="c"), found),  # no lesion: in the pooled figure alone
    ]
    infection = metrics_of(scores)["infection"]
    assert infection["dice"]["mean"] == pytest.approx(0.5) and infection["n"] == 2
    assert infection["dice_pooled"]["mean"] == pytest.approx(2 * 50 / (100 + 100))
    assert infection["sensitivity"]["mean"] == pytest.approx(0.5)
    assert infection["precision"]["mean"] == pytest.approx(0.5)


def test_an_effusion_too_small_to_be_one_does_not_count_as_truth():
    counts = score_image(item(row((0, 100), (1, 50), (3, 20))), row((0, 100), (1, 50), (3, 20))).counts
    assert (counts["effusion"].truth, counts["effusion"].both) == (0, 0)
    assert counts["infection"].truth == 70


def test_areas_that_rise_together_correlate():
    scores = [
        score_image(item(row((0, 1000 - n), (1, n)), patient=str(n)), row((0, 1000 - n // 2), (1, n // 2)))
        for n in (100, 200, 400, 800)
    ]
    assert metrics_of(scores)["infection"]["r"]["mean"] == pytest.approx(1)


def test_sources_are_scored_apart():
    scores = [
        score_image(item(LABEL, source="a"), LABEL),
        score_image(item(LABEL, source="b"), np.zeros_like(LABEL)),
    ]
    apart = by_source(scores)
    assert apart["a"]["infection"]["dice"]["mean"] == 1 and apart["b"]["infection"]["dice"]["mean"] == 0


def test_scoring_can_be_cancelled():
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        score_slices(lambda gray: gray, [item(LABEL)], progress)


# --- whole documents


def test_the_document_of_a_labeled_set_has_the_keys_that_scripts_rely_on(tmp_path, fake_model):
    document = evaluate_slices(sirm_folder(tmp_path / "sirm100"), "val", "convlstm", "cpu")
    assert {"task", "network", "n", "metrics", "per_source"} <= set(document)
    assert (document["task"], document["n"]) == ("covid", 2)
    assert set(document["metrics"]) == set(CLASSES) and set(document["per_source"]) == {"sirm100"}
    assert set(document["metrics"]["infection"]["dice"]) == {"mean", "low", "high"}
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize("make", [pseudo_folder, mosmed_folder])
def test_sets_without_kinds_of_lesion_are_scored_as_infection(tmp_path, monkeypatch, make, fake_model):
    found = []
    monkeypatch.setattr(
        "LesionKitResearch.evaluation.covid_pictures.picture_segmenter", lambda net, device: found.append
    )
    folder = make(tmp_path / "set")
    labels = iter([item.label for item in labeled_slices(folder, "all")])
    monkeypatch.setattr(
        "LesionKitResearch.evaluation.covid_pictures.picture_segmenter",
        lambda net, device: lambda gray: next(labels),
    )
    document = evaluate_slices(folder, "all", "convlstm")
    assert set(document["metrics"]) == {"infection"}
    assert document["metrics"]["infection"]["dice"]["mean"] == 1


def test_pictures_are_segmented_on_their_own_pixels(tmp_path):
    """By thresholds: body, lung and lesion of the made pictures have the grays that the stand-in tells apart."""
    slices = list(labeled_slices(sirm_folder(tmp_path / "sirm100"), "val"))
    segment = picture_segmenter(ThresholdNetwork(), "cpu")
    for example in slices:
        hu = np.array([BODY, *VALUES])[np.where(example.label > 0, example.label + 1, example.gray < 200)]
        gray = np.round(255 * window(hu)).astype(np.uint8)
        found = segment(gray)
        assert found.shape == gray.shape and found.dtype == np.uint8
        truth, lesion = example.label > 0, (found > 0) & (found != HEALTHY_LUNG)
        assert 2 * (lesion & truth).sum() / (lesion.sum() + truth.sum()) > 0.9
        assert (found[(example.gray == 60) & ~truth] == HEALTHY_LUNG).mean() > 0.9
        assert (found == example.label)[truth].mean() > 0.8


def test_lungs_are_scored_where_a_set_has_masks_of_them(tmp_path, monkeypatch, fake_model):
    folder = ct20_folder(tmp_path / "ct20")
    items = iter(list(labeled_slices(folder, "all")))

    def exact(gray):
        one = next(items)
        return np.where(one.label > 0, 1, HEALTHY_LUNG * one.lung)

    monkeypatch.setattr("LesionKitResearch.evaluation.covid_pictures.picture_segmenter", lambda net, device: exact)
    document = evaluate_slices(folder, "all", "convlstm")
    dice = {name: figures["dice"]["mean"] for name, figures in document["metrics"].items()}
    assert dice == {"infection": 1, "lung": 1}


def test_kinds_that_were_inferred_from_gray_values_are_scored_as_infection_alone(tmp_path):
    slices = list(labeled_slices(medseg9_folder(tmp_path / "medseg9"), "train"))
    assert [item.typed for item in slices] == [True, False, True]
    scores = score_slices(lambda gray: np.zeros(gray.shape, np.uint8), slices)
    assert [set(score.counts) for score in scores] == [{*CLASSES, "lung"}, {"infection", "lung"}, {*CLASSES, "lung"}]
    assert metrics_of(scores)["ggo"]["n"] == 1 and metrics_of(scores)["infection"]["n"] == 2


def test_effusions_are_scored_in_volumes_with_milliliters(tmp_path, threshold_network):
    chest = plethora_folder(tmp_path / "plethora")
    document = evaluate_effusions(tmp_path / "plethora", "all", "convlstm", "cpu")
    assert document["n"] == 2 and set(document["metrics"]) == {"effusion"}  # the weakly labeled one is left out
    (one, other) = document["volumes"]
    assert one["true_ml"] == pytest.approx((chest.lesions == 2).sum() * chest.volume.voxel_ml)
    assert one["ml"] == other["ml"] == pytest.approx((chest.lesions == 3).sum() * chest.volume.voxel_ml, rel=0.02)
    with pytest.raises(UnusableInput, match="no volume"):
        evaluate_effusions(tmp_path / "plethora", "none", "convlstm", "cpu")


def test_a_probability_map_as_reference_is_cut_at_one_half(tmp_path, threshold_network):
    chest = plethora_folder(tmp_path / "plethora")
    path = tmp_path / "plethora" / "lung1_001_effusion.nii.gz"
    write_volume(path, chest.volume.with_array(np.where(chest.lesions == 2, 0.9, 1e-6).astype(np.float32)))
    document = evaluate_effusions(tmp_path / "plethora", "train", "convlstm", "cpu")
    assert document["volumes"][0]["true_ml"] == pytest.approx((chest.lesions == 2).sum() * chest.volume.voxel_ml)
    write_labelmap(path, chest.lesions, chest.volume)
    with pytest.raises(UnusableInput, match=r"effusion mask of lung1_001 holds several labels \(1, 2, 3\)"):
        evaluate_effusions(tmp_path / "plethora", "train", "convlstm", "cpu")
    write_labelmap(path, chest.lesions[1:] == 2, replace(chest.volume, array=chest.volume.array[1:]))
    with pytest.raises(UnusableInput, match="effusion mask of lung1_001 lies on another grid"):
        evaluate_effusions(tmp_path / "plethora", "train", "convlstm", "cpu")


def test_several_looks_at_a_picture_are_averaged(tmp_path):
    class PrefersLeft(ThresholdNetwork):
        """Everything in the frame's left half, whatever it shows, and nothing in its right half."""

        def __call__(self, gray):
            left = torch.zeros(len(gray), 5, *gray.shape[-2:])
            left[..., : gray.shape[-1] // 2] = 1
            return SimpleNamespace(probabilities=lambda: left)

    gray = next(labeled_slices(sirm_folder(tmp_path / "sirm100"), "val")).gray
    once = picture_probabilities(PrefersLeft(), gray)[1]
    both = picture_probabilities(PrefersLeft(), gray, (1.0, 1.15), mirrored=True)[1]
    middle = gray.shape[0] // 2, slice(gray.shape[1] // 4, 3 * gray.shape[1] // 4)
    assert once[middle].max() > 0.99 and np.allclose(both[middle], 0.5, atol=0.02)


def test_slice_calls_of_a_volume_that_is_read_without_error_are_all_right(tmp_path, threshold_network):
    chest = volumes_folder(tmp_path / "volumes")
    document = evaluate_volumes(tmp_path / "volumes", "all", "convlstm", "cpu")
    infection = document["metrics"]["infection"]
    assert infection["sensitivity"]["mean"] == infection["specificity"]["mean"] == 1
    assert document["n"] == len(chest.lesions)
    burden = 100 * (chest.lesions > 0).sum() / (chest.lungs > 0).sum()
    assert document["per_source"]["p001"]["burden_percent"] == pytest.approx(burden, rel=1e-3)
    json.dumps(document, allow_nan=False)


def test_a_split_without_volumes_is_refused(tmp_path, threshold_network):
    volumes_folder(tmp_path)
    with pytest.raises(UnusableInput, match="no volume of the split 'val'"):
        evaluate_volumes(tmp_path, "val", "convlstm")


def test_networks_are_known_by_the_names_that_users_choose():
    assert "convlstm" in registry.NETWORKS
