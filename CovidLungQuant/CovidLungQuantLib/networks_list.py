"""The networks that CovidLungQuant offers, by the name that users choose."""

from __future__ import annotations

import functools
import importlib

from LesionKitLib.catalogue import Model, find_model, load_weights

# user's name -> (bundled model, file in networks/, class)
NETWORKS = {"convlstm": ("covid-convlstm", "convlstm", "ConvLSTMNet")}


def load_network(name: str) -> tuple[Model, object]:
    """The model's card and its network in eval mode; raises MissingResource when the weights are missing or damaged."""
    model = find_model(NETWORKS[name][0])
    return model, _build(name, model.folder, model.card["sha256"])


@functools.lru_cache(maxsize=4)
def _build(name: str, folder, sha256: str):
    """Networks stay loaded; other weights (another folder or sha256) are another network."""
    from LesionKitLib.catalogue import read_model

    model = read_model(folder)
    module = importlib.import_module(f"{__package__}.networks.{NETWORKS[name][1]}")
    network = getattr(module, NETWORKS[name][2])(**model.card["arguments"])
    load_weights(model, network)
    return network.eval()
