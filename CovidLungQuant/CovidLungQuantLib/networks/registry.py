"""The networks that CovidLungQuant offers, by the name that users choose."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from LesionKitLib.models.network_registry import NetworkEntry, NetworkRegistry
from LesionKitLib.models.registry import Model
from LesionKitLib.run.errors import MissingResource


@dataclass(frozen=True)
class CovidEntry(NetworkEntry):
    """decides: whether the network says COVID-19 or not."""

    decides: bool = False


NETWORKS = NetworkRegistry(
    "CovidLungQuantLib",
    {
        "convlstm": CovidEntry("covid-convlstm", "convlstm", "ConvLSTMNet", "ConvLSTM"),
        "jcs": CovidEntry("covid-jcs", "jcs", "JCSNet", "JCS", decides=True),
        "multitask": CovidEntry("covid-multitask", "multitask", "MultiTaskNet", "multi-task", decides=True),
    },
)
DEFAULT_NETWORK = "convlstm"
ENSEMBLE = "ensemble"  # the mean of all their probabilities
CHOICES = (*NETWORKS, ENSEMBLE)


def members(name: str) -> tuple[str, ...]:
    """The networks that a choice runs."""
    return tuple(NETWORKS) if name == ENSEMBLE else (name,)


def deciding_members(name: str) -> tuple[str, ...]:
    """Those of them that give a decision."""
    return tuple(member for member in members(name) if NETWORKS[member].decides)


def version_of(models: list[Model]) -> str:
    """One version where they agree, else all."""
    return ", ".join(dict.fromkeys(model.version for model in models))


def cards_of(name: str) -> list[dict]:
    """The cards of the networks that a choice runs; those that are not installed here, or not known, are left out."""
    cards = []
    for member in members(name):
        with suppress(MissingResource):
            cards.extend([NETWORKS.model(member).card] if member in NETWORKS else [])
    return cards


def load_network(name: str) -> tuple[Model, object]:
    """The model's card and its network in eval mode; raises MissingResource when the weights are missing or damaged."""
    return NETWORKS.load(name)
