"""The networks that CovidLungQuant offers, by the name that users choose."""

from __future__ import annotations

import functools
import importlib
from contextlib import suppress

from LesionKitLib.models.registry import Model, find_model, load_weights
from LesionKitLib.run.errors import MissingResource

# user's name -> (bundled model, file in networks/, class)
NETWORKS = {
    "convlstm": ("covid-convlstm", "convlstm", "ConvLSTMNet"),
    "jcs": ("covid-jcs", "jcs", "JCSNet"),
    "multitask": ("covid-multitask", "multitask", "MultiTaskNet"),
}
ENSEMBLE = "ensemble"  # the mean of all their probabilities
CHOICES = (*NETWORKS, ENSEMBLE)
DECIDING = ("jcs", "multitask")  # those that say COVID-19 or not


def members(name: str) -> tuple[str, ...]:
    """The networks that a choice runs."""
    return tuple(NETWORKS) if name == ENSEMBLE else (name,)


def deciding_members(name: str) -> tuple[str, ...]:
    """Those of them that give a decision."""
    return tuple(member for member in members(name) if member in DECIDING)


def version_of(models: list[Model]) -> str:
    """One version where they agree, else all."""
    return ", ".join(dict.fromkeys(model.version for model in models))


def cards_of(name: str) -> list[dict]:
    """The cards of the networks that a choice runs; those that are not installed here, or not known, are left out."""
    cards = []
    for member in members(name):
        with suppress(MissingResource, KeyError):
            cards.append(find_model(NETWORKS[member][0]).card)
    return cards


def load_network(name: str) -> tuple[Model, object]:
    """The model's card and its network in eval mode; raises MissingResource when the weights are missing or damaged."""
    model = find_model(NETWORKS[name][0])
    return model, _build(name, model.folder, model.card["sha256"])


@functools.lru_cache(maxsize=4)
def _build(name: str, folder, sha256: str):
    """Networks stay loaded; other weights (another folder or sha256) are another network."""
    from LesionKitLib.models.registry import read_model

    return build_network(name, read_model(folder))


def build_network(name: str, model: Model):
    """The network of that name with a model's weights, in eval mode."""
    module = importlib.import_module(f"{__package__}.{NETWORKS[name][1]}")
    network = getattr(module, NETWORKS[name][2])(**model.card["arguments"])
    load_weights(model, network)
    return network.eval()
