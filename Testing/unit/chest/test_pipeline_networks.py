"""What the pipeline adds for networks that decide: a decision, a heat map on the image's grid, notes, ensembles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from chest_fixtures import WAYS, FakeHeads, ThresholdNetwork, block_chest, stored, turned

from CovidLungQuantLib import pipeline
from CovidLungQuantLib.classification.decision import UNUSUAL_NOTE, Calibration
from CovidLungQuantLib.networks.heads import lung_window_errors
from CovidLungQuantLib.pipeline import analyze
from CovidLungQuantLib.results.files import HEATMAP, write_outputs
from LesionKitLib.io.images import read_volume
from LesionKitLib.models.registry import find_model
from LesionKitResearch.training.recipes.covid_recipe import VERSION

CHEST = block_chest()


class TalkingHeads(FakeHeads):
    """Also decides: COVID-19 where there is a lesion, which is what glows; redraws the image with an error."""

    error = 0.0

    def __init__(self, image):
        super().__init__(image)
        self.image = image

    @property
    def heat(self):
        lesion = self.probabilities()[:, 1:2]
        return 4 * torch.nn.functional.avg_pool2d(lesion, 16)

    @property
    def decision(self):
        return torch.where(self.heat.flatten(1).max(1).values > 0.5, 6.0, -6.0)

    @property
    def errors(self):
        redrawn = torch.nn.functional.avg_pool2d(self.image, 2) + self.error
        return lung_window_errors(redrawn, self.image)


class TalkingNetwork(ThresholdNetwork):
    def stream(self, batches, workers=None):
        for batch in batches:
            self.batches.append(len(batch))
            yield TalkingHeads(batch)


class BlindNetwork(ThresholdNetwork):
    """Sees lungs and no lesion."""

    def stream(self, batches, workers=None):
        for batch in batches:
            heads = FakeHeads(batch)
            found = heads.probabilities()
            found[:, 1:] = 0
            heads.probabilities = lambda found=found: found
            yield heads


@pytest.fixture
def talking(fake_model, monkeypatch):
    network = TalkingNetwork()
    monkeypatch.setattr(pipeline, "load_network", lambda name: (find_model("covid-jcs"), network))
    return network


def test_a_study_with_lesions_is_positive_and_one_without_is_not(talking):
    found = analyze(CHEST.volume, network="jcs")
    assert found.decision["positive"] is True and found.decision["covid_probability"] > 0.7
    healthy = CHEST.volume.with_array(np.where(CHEST.lesions > 0, -500, CHEST.volume.array).astype(np.int16))
    found = analyze(healthy, network="jcs")
    assert found.decision["positive"] is False
    assert found.summary()["decision"]["covid_probability"] < 0.3


@pytest.mark.parametrize("way", [WAYS[0], WAYS[13], WAYS[38]])
def test_the_heat_map_lies_on_the_lesions_in_any_layout(talking, way):
    heat = analyze(turned(CHEST.volume, *way), network="jcs").heatmap
    lesions, lungs = stored(CHEST.lesions, *way), stored(CHEST.lungs, *way)
    assert heat.shape == lesions.shape and heat.dtype == np.uint8 and 0 < heat.max() <= 100
    assert heat[lesions == 3].mean() > 4 * heat[(lungs > 0) & (lesions == 0)].mean()


def test_a_network_that_says_nothing_gives_neither_decision_nor_heat_map(threshold_network):
    found = analyze(CHEST.volume)
    assert found.decision is None and found.heatmap is None


def test_an_image_unlike_the_training_data_is_said_to_be(talking, monkeypatch):
    monkeypatch.setattr(Calibration, "of_card", classmethod(lambda cls, card: cls(redraw_limit=0.05)))
    assert UNUSUAL_NOTE not in analyze(CHEST.volume, network="jcs").notes
    monkeypatch.setattr(TalkingHeads, "error", 0.2)
    assert UNUSUAL_NOTE in analyze(CHEST.volume, network="jcs").notes


def test_an_ensemble_runs_every_network_and_decides_by_the_mean_probability(fake_model, monkeypatch):
    """Two of three see the lesions, so that they are found; with two blind ones they are not."""
    for blind, expected in ((("convlstm",), True), (("convlstm", "multitask"), False)):
        loaded = []

        def load(name, blind=blind, loaded=loaded):
            loaded.append(name)
            return find_model(f"covid-{name}"), (BlindNetwork() if name in blind else TalkingNetwork())

        monkeypatch.setattr(pipeline, "load_network", load)
        found = analyze(CHEST.volume, network="ensemble")
        assert loaded == ["convlstm", "jcs", "multitask"]
        assert (found.lesions > 0).any() == expected
        assert found.decision is not None and found.version == f"{VERSION}, 2.0.0"


def test_the_findings_and_the_heat_map_are_among_the_outputs(talking, tmp_path):
    found = analyze(CHEST.volume, network="jcs")
    write_outputs(found, tmp_path / "out")
    assert found.summary()["findings"][0]["side"] == "right"
    heat = read_volume(tmp_path / "out" / HEATMAP)
    np.testing.assert_array_equal(heat.array, found.heatmap)
    np.testing.assert_allclose(heat.ijk_to_ras, found.volume.ijk_to_ras, atol=1e-4)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "not a diagnosis" in page and "Lesions, the largest first" in page and "peripheral" in page


def test_progress_of_several_networks_only_rises(fake_model, monkeypatch):
    from LesionKitLib.run.progress import Progress

    monkeypatch.setattr(pipeline, "load_network", lambda name: (find_model(f"covid-{name}"), TalkingNetwork()))
    seen = []
    analyze(CHEST.volume, network="ensemble", progress=Progress(lambda stage, fraction, left: seen.append(fraction)))
    assert seen == sorted(seen) and seen[-1] == 1


@pytest.mark.parametrize("network", ["jcs", "multitask"])
def test_the_real_networks_pass_through_the_pipeline(fake_model, monkeypatch, network):
    """With random weights; the masks, which mean nothing, are replaced by one lung everywhere."""
    coarse = block_chest((4.0, 4.0, 12.0))

    def one_lung(probabilities, *_):
        probabilities[:, 0] = 1
        return np.ones_like(probabilities[:, 0], np.uint8)

    monkeypatch.setattr("CovidLungQuantLib.segmentation.segment.clean_masks", one_lung)
    keep_all = lambda array, lungs, lesions, spacing: (lungs, lesions)  # noqa: E731
    monkeypatch.setattr("CovidLungQuantLib.segmentation.segment.drop_gas", keep_all)
    monkeypatch.setattr(pipeline, "measure", lambda *_: {})
    monkeypatch.setattr(pipeline, "plausibility_notes", lambda *_: [])
    monkeypatch.setattr(pipeline, "list_findings", lambda *_: [])
    found = analyze(coarse.volume, network=network, device="cpu")
    assert 0 < found.decision["covid_probability"] < 1
    assert (found.heatmap is not None) == (network == "jcs")
