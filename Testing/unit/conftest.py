"""Models without training: random weights where only the plumbing counts, thresholds where numbers count."""

from __future__ import annotations

import pytest
from chest_fixtures import ThresholdNetwork

from LesionKitLib import catalogue


@pytest.fixture(scope="session")
def random_model(tmp_path_factory):
    """A folder of models holding covid-convlstm with random weights."""
    import torch

    from CovidLungQuantLib.networks.convlstm import ConvLSTMNet
    from CovidLungQuantLib.recipe import describe
    from CovidLungQuantLib.training import PLAN, Mixture

    torch.manual_seed(0)
    arguments = {"width": 16, "hidden": 4}
    folder = tmp_path_factory.mktemp("models")
    card = {**describe(PLAN, Mixture(), {}), "arguments": arguments}
    catalogue.save_model(ConvLSTMNet(**arguments), card, folder / "covid-convlstm")
    return folder


@pytest.fixture
def fake_model(random_model, monkeypatch):
    """The catalogue finds the random model and nothing else. Gives the folder of models."""
    monkeypatch.setenv(catalogue.OWN_MODELS, str(random_model))
    monkeypatch.setattr(catalogue, "MODULE_LIBRARIES", ())
    return random_model


@pytest.fixture
def no_models(tmp_path, monkeypatch):
    """The catalogue finds nothing."""
    monkeypatch.delenv(catalogue.OWN_MODELS, raising=False)
    monkeypatch.setattr(catalogue, "MODULE_LIBRARIES", ())


@pytest.fixture
def threshold_network(fake_model, monkeypatch):
    """The pipeline runs on a stand-in that segments the chest of boxes without error."""
    from CovidLungQuantLib import pipeline

    network = ThresholdNetwork()
    monkeypatch.setattr(pipeline, "load_network", lambda name: (catalogue.find_model("covid-convlstm"), network))
    return network
