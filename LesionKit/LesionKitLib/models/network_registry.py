"""The networks that a module offers: the names that users choose, their classes, and their bundled models."""

from __future__ import annotations

import importlib
from collections import UserDict
from dataclasses import dataclass

from LesionKitLib.run.errors import UnusableInput

from .registry import Model, find_model, load_weights


@dataclass(frozen=True)
class NetworkEntry:
    """model: name in the registry of models; file, class_name: below the library's package networks; title: for users.

    bundled: whether the module brings a trained model; others can be trained and compared.
    """

    model: str
    file: str
    class_name: str
    title: str
    bundled: bool = True


class NetworkRegistry(UserDict):
    """The user's name for a network -> its NetworkEntry. library: the module's library, by its import name."""

    def __init__(self, library: str, entries: dict[str, NetworkEntry]):
        super().__init__(entries)
        self.library = library
        self._loaded: dict[str, tuple[tuple, object]] = {}

    @property
    def bundled(self) -> tuple[str, ...]:
        """The names of the networks that come with a trained model."""
        return tuple(name for name, entry in self.data.items() if entry.bundled)

    def entry(self, name: str) -> NetworkEntry:
        """Raises UnusableInput for a name that is not offered."""
        if name not in self.data:
            raise UnusableInput(f"The network '{name}' is not known; choose one of {', '.join(self.data)}.")
        return self.data[name]

    def model(self, name: str) -> Model:
        """The card and folder of a network's model; raises MissingResource when it is not installed."""
        return find_model(self.entry(name).model, [self.library])

    def build(self, name: str, **arguments):
        """The network (torch module) with its initial weights, in training mode."""
        entry = self.entry(name)
        module = importlib.import_module(f"{self.library}.networks.{entry.file}")
        return getattr(module, entry.class_name)(**arguments)

    def with_weights(self, name: str, model: Model):
        """The network with a model's weights, in eval mode; raises MissingResource when they are missing or damaged."""
        network = self.build(name, **model.card["arguments"])
        load_weights(model, network)
        return network.eval()

    def load(self, name: str) -> tuple[Model, object]:
        """The model's card and its network in eval mode.

        Networks stay loaded; other weights (another folder or sha256) are another network.
        """
        model = self.model(name)
        key = tuple(model.files.items())
        if name not in self._loaded or self._loaded[name][0] != key:
            self._loaded[name] = key, self.with_weights(name, model)
        return model, self._loaded[name][1]
