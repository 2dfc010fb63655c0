"""From a chest CT to labels on its own grid, whatever its layout; the network is a stand-in, the geometry is not."""

from __future__ import annotations

import logging
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from chest_fixtures import BODY, WAYS, FakeHeads, ThresholdNetwork, block_chest, rotation, stored, turned
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from CovidLungQuantLib import pipeline
from CovidLungQuantLib.networks.convlstm import CHUNK, LOOK_AHEAD, ConvLSTMNet
from CovidLungQuantLib.pipeline import analyze
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine, obliquity_degrees
from LesionKitLib.models.inference import Runtime
from LesionKitLib.run.errors import Cancelled, MissingResource, UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.training.recipes.covid_recipe import VERSION

CHEST = block_chest()
pytestmark = pytest.mark.usefixtures("threshold_network")


def found_ml(result) -> dict[str, float]:
    return {name: result.measurements["total"][name] for name in CHEST.ml()}


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    """The lowest Dice of any label in the truth."""
    pairs = [(found == value, truth == value) for value in np.unique(truth) if value]
    return min(2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs)


# --- layouts


@pytest.mark.parametrize(("order", "flips"), WAYS)
def test_a_volume_flipped_or_permuted_in_any_way_gives_the_same_ml(order, flips):
    result = analyze(turned(CHEST.volume, order, flips))
    assert found_ml(result) == pytest.approx(CHEST.ml(), rel=1e-3)


@pytest.mark.parametrize(("order", "flips"), WAYS[::5])
def test_labels_come_back_on_the_inputs_own_grid(order, flips):
    volume = turned(CHEST.volume, order, flips)
    result = analyze(volume)
    np.testing.assert_array_equal(result.lungs, stored(CHEST.lungs, order, flips))
    np.testing.assert_array_equal(result.lesions, stored(CHEST.lesions, order, flips))
    assert result.lungs.dtype == result.lesions.dtype == np.uint8
    np.testing.assert_array_equal(result.volume.ijk_to_ras, volume.ijk_to_ras)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    way=st.sampled_from(WAYS),
    spacing=st.tuples(st.floats(2.5, 4), st.floats(2.5, 4), st.floats(4.5, 8)),
    degrees=st.floats(0, 9),
)
def test_any_spacing_and_slight_tilt_give_the_same_ml_in_any_layout(way, spacing, degrees):
    chest = block_chest(spacing, rotation((1, 2, 3), degrees) @ LPS_IN_RAS)
    upright, other = analyze(chest.volume), analyze(turned(chest.volume, *way))
    assert found_ml(other) == pytest.approx(found_ml(upright), rel=1e-3)
    assert found_ml(upright) == pytest.approx(chest.ml(), rel=0.05)


@pytest.mark.parametrize("spacing", [(2.0, 4.0, 8.0), (4.0, 2.0, 5.0), (1.5, 3.9, 5.0), (2.0, 2.0, 1.7)])
def test_pixels_need_not_be_square_nor_voxels_cubes(spacing):
    chest = block_chest(spacing)
    result = analyze(chest.volume)
    assert found_ml(result) == pytest.approx(chest.ml(), rel=0.01)
    assert overlap(result.lesions, chest.lesions) > 0.99 and overlap(result.lungs, chest.lungs) > 0.99


@pytest.mark.parametrize("degrees", [5, 25])
@pytest.mark.parametrize("way", [WAYS[0], WAYS[21], WAYS[38]])
def test_an_oblique_scan_is_measured_and_labeled_on_its_own_grid(degrees, way):
    chest = block_chest((3.0, 3.0, 4.0), rotation((1, 0.5, 2), degrees) @ LPS_IN_RAS)
    result = analyze(turned(chest.volume, *way))
    assert result.lungs.shape == stored(chest.lungs, *way).shape
    lungs, lesions = stored(chest.lungs, *way), stored(chest.lesions, *way)
    assert overlap(result.lungs, lungs) > 0.97
    # beyond the scan a straight grid is as dark as its darkest voxel, which the stand-in takes for a lesion
    assert overlap(np.where(lungs > 0, result.lesions, 0), lesions) > 0.93
    assert found_ml(result)["lung_ml"] == pytest.approx(chest.ml()["lung_ml"], rel=0.02)


@pytest.mark.parametrize(("degrees", "seen"), [(8, 8), (25, 0)])
def test_the_network_sees_slices_that_are_at_most_slightly_tilted(monkeypatch, degrees, seen):
    angles = []
    segment = pipeline.segment

    def spy(lps, *rest):
        angles.append(obliquity_degrees(lps))
        return segment(lps, *rest)

    monkeypatch.setattr(pipeline, "segment", spy)
    analyze(block_chest((4.0, 4.0, 6.0), rotation((1, 0, 0), degrees) @ LPS_IN_RAS).volume)
    assert angles == pytest.approx([seen], abs=1e-3)


@pytest.mark.parametrize("slice_mm", [0.8, 1.0, 1.4])
def test_thin_slices_are_joined_for_the_network_and_labeled_one_by_one(threshold_network, slice_mm):
    chest = block_chest((4.0, 4.0, slice_mm))
    result = analyze(chest.volume)
    assert sum(threshold_network.batches) <= 1 + len(chest.lungs) * slice_mm / 2
    assert result.lungs.shape == chest.lungs.shape
    assert found_ml(result) == pytest.approx(chest.ml(), rel=0.03)
    assert overlap(result.lesions, chest.lesions) > 0.96


def test_slices_five_millimeters_apart_are_taken_one_by_one(threshold_network):
    chest = block_chest((4.0, 4.0, 5.0))
    result = analyze(chest.volume)
    assert sum(threshold_network.batches) == len(chest.lungs)
    assert found_ml(result) == pytest.approx(chest.ml(), rel=1e-3)


def test_the_sides_are_the_patients_and_not_the_pictures():
    lungs = {row["side"]: row for row in analyze(CHEST.volume).measurements["regions"] if row["third"] == "all"}
    assert lungs["right"]["ggo_ml"] == pytest.approx(CHEST.ml()["ggo_ml"], rel=1e-3)
    assert lungs["left"]["ggo_ml"] == 0


def test_an_image_mirrored_in_the_room_has_its_lesions_on_the_other_side():
    mirrored = Volume(CHEST.volume.array, affine((4.0, 4.0, 8.0), np.diag([1.0, -1.0, 1.0])))
    lungs = {row["side"]: row for row in analyze(mirrored).measurements["regions"] if row["third"] == "all"}
    assert lungs["left"]["ggo_ml"] == pytest.approx(CHEST.ml()["ggo_ml"], rel=1e-3)


# --- what the labels promise


def test_lesions_lie_in_lungs_and_the_input_is_left_alone():
    before = CHEST.volume.array.copy()
    result = analyze(CHEST.volume)
    assert (result.lungs[result.lesions > 0] > 0).all()
    np.testing.assert_array_equal(CHEST.volume.array, before)


def test_values_beyond_the_scale_of_ct_are_limited_and_said_so():
    array = CHEST.volume.array.copy()
    array[0, 0, 0] = -3024
    result = analyze(replace(CHEST.volume, array=array, notes=("from the reader",)))
    assert result.notes[0] == "from the reader" and any("limited" in note for note in result.notes)
    assert result.volume.array.min() == -1024


def test_the_result_says_what_made_it_and_how_long_it_took():
    result = analyze(CHEST.volume, read_seconds=2.5)
    assert (result.network, result.version) == ("convlstm", VERSION) and result.device
    assert result.seconds["read"] == 2.5
    assert result.seconds["total"] >= result.seconds["read"] + result.seconds["infer"]
    summary = result.summary()
    assert summary["decision"] == {"covid_probability": None, "positive": None}


def test_the_same_volume_gives_the_same_result_twice():
    first, again = analyze(CHEST.volume), analyze(CHEST.volume)
    np.testing.assert_array_equal(first.lesions, again.lesions)
    assert first.measurements == again.measurements


# --- refusals


def test_three_slices_are_refused(threshold_network):
    few = Volume(CHEST.volume.array[5:8], CHEST.volume.ijk_to_ras)
    with pytest.raises(UnusableInput, match="only 3 slices"):
        analyze(few)
    assert threshold_network.batches == []


def test_a_body_without_lungs_is_refused():
    with pytest.raises(UnusableInput, match="does not look like a chest CT"):
        analyze(replace(CHEST.volume, array=np.where(CHEST.lungs > 0, 40, -1000).astype(np.int16)))


def test_a_network_that_finds_no_lung_is_an_unusable_image(monkeypatch):
    monkeypatch.setattr(FakeHeads, "probabilities", lambda self: torch.zeros(len(self.gray), 5, *self.gray.shape[2:]))
    with pytest.raises(UnusableInput, match="No lungs were found"):
        analyze(CHEST.volume)


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(UnusableInput, match="'unet' is not known; choose one of .*convlstm"):
        analyze(CHEST.volume, network="unet")


def test_a_missing_model_is_named_before_anything_is_computed(monkeypatch, no_models):
    from CovidLungQuantLib.networks import registry

    monkeypatch.setattr(pipeline, "load_network", registry.load_network)
    with pytest.raises(MissingResource, match="not installed"):
        analyze(CHEST.volume)


# --- progress and cancelling


def test_progress_only_rises_and_ends_at_one():
    reports = []
    analyze(CHEST.volume, progress=Progress(lambda stage, fraction, left: reports.append((stage, fraction))))
    fractions = [fraction for _, fraction in reports]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    assert len({stage for stage, _ in reports}) >= 5


def test_cancelling_stops_before_the_next_batch(threshold_network):
    volume = block_chest((2.5, 2.5, 2.8)).volume  # 40 slices, five batches

    def cancel_at_second_batch(stage, fraction, left):
        if stage == "segmenting" and len(threshold_network.batches) == 1:
            progress.cancel()

    progress = Progress(cancel_at_second_batch)
    with pytest.raises(Cancelled):
        analyze(volume, progress=progress)
    assert len(threshold_network.batches) <= 2


@pytest.mark.parametrize("stage", ["finding the lungs", "cleaning the masks", "measuring"])
def test_cancelling_works_in_every_stage(stage):
    progress = Progress(lambda name, fraction, left: name == stage and progress.cancel())
    with pytest.raises(Cancelled):
        analyze(CHEST.volume, progress=progress)


# --- memory


def test_out_of_memory_halves_the_batch_and_ends_on_the_cpu_with_notes(monkeypatch, threshold_network, caplog):
    tried = []
    segment = pipeline.segment

    def short_of_memory(lps, net, runtime, progress):
        tried.append((runtime.device, runtime.batch))
        if runtime.device == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return segment(lps, net, runtime, progress)

    monkeypatch.setattr(pipeline, "choose_runtime", lambda device, **_: Runtime("cuda", "fp16", 4))
    monkeypatch.setattr(pipeline, "segment", short_of_memory)
    with caplog.at_level(logging.ERROR):
        result = analyze(CHEST.volume)
    assert tried == [("cuda", 4), ("cuda", 2), ("cuda", 1), ("cpu", 8)]
    assert result.device.startswith("CPU") and any("going on with the CPU" in note for note in result.notes)
    assert found_ml(result) == pytest.approx(CHEST.ml(), rel=1e-3)


@pytest.mark.parametrize("batch", [1, 3, 8, 32])
def test_the_size_of_the_batch_does_not_change_the_result(monkeypatch, batch):
    monkeypatch.setattr(pipeline, "choose_runtime", lambda device, **_: Runtime("cpu", "fp32", batch))
    assert found_ml(analyze(CHEST.volume)) == pytest.approx(CHEST.ml(), rel=1e-3)


class StreamingThresholds(ThresholdNetwork):
    """The stand-in behind the ConvLSTM network's own way of streaming."""

    stream = ConvLSTMNet.stream

    def __init__(self):
        super().__init__()
        self.alive: list[weakref.ref] = []
        self.most = 0

    def encode(self, gray) -> dict:
        memory = gray.numpy().copy()
        features = {1: gray, 16: torch.from_numpy(memory)}  # the array lives as long as any view of its tensor
        self.alive.append(weakref.ref(memory))
        self.most = max(self.most, sum(len(f) for f in (ref() for ref in self.alive) if f is not None))
        self.batches.append(len(gray))
        return features

    def _finish(self, waiting, state, count, workers):
        return FakeHeads(torch.cat([features[1] for features in waiting[:CHUNK]])), state


def test_features_of_no_more_slices_than_a_chunk_and_its_look_ahead_are_kept(monkeypatch):
    chest = block_chest((4.0, 4.0, 1.6))  # 70 slices
    network = StreamingThresholds()
    monkeypatch.setattr(pipeline, "load_network", lambda name: (pipeline_model(), network))
    result = analyze(chest.volume)
    assert sum(network.batches) == len(chest.lungs)
    assert CHUNK < network.most <= CHUNK + LOOK_AHEAD + max(network.batches)
    assert found_ml(result) == pytest.approx(chest.ml(), rel=1e-3)


def pipeline_model():
    from LesionKitLib.models.registry import find_model

    return find_model("covid-convlstm")


def test_what_lies_far_outside_the_chest_is_not_shown_to_the_network(threshold_network):
    """Two meters of legs under a chest."""
    legs = np.full((250, 64, 64), BODY, np.int16)
    matrix = CHEST.volume.ijk_to_ras.copy()
    matrix[:3, 3] -= 250 * matrix[:3, 2]
    analyze(Volume(np.concatenate([legs, CHEST.volume.array]), matrix))
    assert sum(threshold_network.batches) < 25


# --- the real network's plumbing


def test_a_real_network_runs_from_end_to_end(fake_model, monkeypatch):
    """Random weights: what counts is that every part fits the next."""
    from CovidLungQuantLib.networks import registry

    model, network = registry.load_network("convlstm")
    # so that it finds at least some lung
    monkeypatch.setattr(network.lung.bias, "data", torch.full((1,), 3.0))
    monkeypatch.setattr(pipeline, "load_network", lambda name: (model, network))
    result = analyze(block_chest((4.0, 4.0, 12.0)).volume)
    assert result.lungs.any() and result.lungs.shape == result.lesions.shape
