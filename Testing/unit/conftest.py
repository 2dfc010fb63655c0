"""Models without training: random weights where only the plumbing counts, thresholds where numbers count."""

from __future__ import annotations

import pytest
from chest_fixtures import ThresholdNetwork

from LesionKitLib.models import registry


@pytest.fixture(scope="session")
def random_model(tmp_path_factory):
    """A folder of models holding all networks of CovidLungQuant, small and with random weights."""
    import torch

    from CovidLungQuantLib.classification.decision import Calibration
    from CovidLungQuantLib.networks.convlstm import ConvLSTMNet
    from CovidLungQuantLib.networks.jcs import JCSNet
    from CovidLungQuantLib.networks.multitask import MultiTaskNet
    from LesionKitResearch.training.covid import PLAN, Mixture
    from LesionKitResearch.training.covid_multi_output import PLANS, MultiOutputMixture
    from LesionKitResearch.training.recipes.covid_multi_output_recipe import describe_multi_output
    from LesionKitResearch.training.recipes.covid_recipe import describe

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    calibration = Calibration(2.0, 0.1, 0.5, redraw_limit=0.9)
    for kind, arguments, card in (
        (ConvLSTMNet, {"width": 16, "hidden": 4}, describe(PLAN, Mixture(), {})),
        (
            JCSNet,
            {"widths": [4, 4, 8, 8, 8], "evidence": 8},
            describe_multi_output("jcs", PLANS["jcs"], MultiOutputMixture(), {}, calibration),
        ),
        (
            MultiTaskNet,
            {"deep": 16, "code": 4},
            describe_multi_output("multitask", PLANS["multitask"], MultiOutputMixture(), {}, calibration),
        ),
    ):
        registry.save_model(kind(**arguments), {**card, "arguments": arguments}, folder / card["name"])
    return folder


@pytest.fixture
def fake_model(random_model, monkeypatch):
    """The catalogue finds the random model and nothing else. Gives the folder of models."""
    monkeypatch.setenv(registry.OWN_MODELS, str(random_model))
    monkeypatch.setattr(registry, "bundled_folders", lambda library: [])
    return random_model


@pytest.fixture
def no_models(tmp_path, monkeypatch):
    """The catalogue finds nothing."""
    monkeypatch.delenv(registry.OWN_MODELS, raising=False)
    monkeypatch.setattr(registry, "bundled_folders", lambda library: [])


@pytest.fixture
def threshold_network(fake_model, monkeypatch):
    """The pipeline runs on a stand-in that segments the chest of boxes without error."""
    from CovidLungQuantLib import pipeline

    network = ThresholdNetwork()
    monkeypatch.setattr(pipeline, "load_network", lambda name: (registry.find_model("covid-convlstm"), network))
    return network
