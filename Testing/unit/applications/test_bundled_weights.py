"""Every bundled network takes the weights that lie beside it: a renamed layer must not leave a model useless."""

from __future__ import annotations

import pytest

from BodyPartRouterLib.networks.registry import NETWORKS as ROUTER
from CovidLungQuantLib.networks.registry import NETWORKS as COVID
from StrokeSynthLib.networks.registry import NETWORKS as STROKE

BUNDLED = [(registry, name) for registry in (COVID, STROKE, ROUTER) for name in registry.bundled]


@pytest.mark.parametrize(("registry", "name"), BUNDLED, ids=[name for _, name in BUNDLED])
def test_the_bundled_weights_fit_the_network(registry, name):
    model, network = registry.load(name)
    assert model.version and not network.training


def test_all_bundled_models_are_tried():
    assert len(BUNDLED) >= 10
