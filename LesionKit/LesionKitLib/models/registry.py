"""The bundled models: cards (what a model is, was trained on, and cannot do) and weights with a checked sha256.

A model is a folder ``<name>/`` with ``model.safetensors`` and ``card.json``. Weights are read as safetensors only,
never as a pickle, and only when their sha256 is the one in the card. Folders are looked up in this order: the
environment variable LESIONKIT_MODELS (the user's own models), then Resources/Models of the libraries that are named.

A model may hold ``head.safetensors`` beside them, with the sha256 in the card's ``head_sha256``: its tensors take the
place of those of the same names, for a head that was trained anew on the weights as they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from LesionKitLib.io.digest import file_digest
from LesionKitLib.run.errors import MissingResource

CARD_FILE = "card.json"
WEIGHTS_FILE = "model.safetensors"
HEAD_FILE = "head.safetensors"
OWN_MODELS = "LESIONKIT_MODELS"
REQUIRED_FIELDS = (
    "name", "version", "task", "network", "arguments", "input", "labels", "training_data", "split", "metrics", "sha256",
    "intended_use", "limits", "license",
)  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A model's card and the folder that holds it."""

    card: dict
    folder: Path

    @property
    def name(self) -> str:
        return self.card["name"]

    @property
    def version(self) -> str:
        return self.card["version"]

    @property
    def weights_path(self) -> Path:
        return self.folder / WEIGHTS_FILE

    @property
    def files(self) -> dict[Path, str]:
        """The files of weights and the sha256 that the card gives for each; later ones replace tensors of the first."""
        head = {self.folder / HEAD_FILE: self.card["head_sha256"]} if "head_sha256" in self.card else {}
        return {self.weights_path: self.card["sha256"]} | head


def bundled_folders(library: str) -> list[Path]:
    """Where a module's library (its import name) may carry models; empty when it is not installed."""
    import importlib.util

    found = importlib.util.find_spec(library)
    places = [Path(place) for place in (found.submodule_search_locations or [])] if found else []
    # a wheel carries Resources inside the library, a source tree and Slicer beside it
    return [root / "Resources" / "Models" for place in places for root in (place, place.parent)]


def model_folders(libraries: Iterable[str] = ()) -> list[Path]:
    """Every folder that may hold models: the user's own, then those of the libraries."""
    folders = [Path(p) for p in os.environ.get(OWN_MODELS, "").split(os.pathsep) if p]
    folders += [folder for library in libraries for folder in bundled_folders(library)]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def list_models(libraries: Iterable[str] = ()) -> list[Model]:
    """All models found; the first of each name counts. Raises MissingResource for a damaged card."""
    models: dict[str, Model] = {}
    for folder in model_folders(libraries):
        for card in sorted(folder.glob(f"*/{CARD_FILE}")):
            model = read_model(card.parent)
            models.setdefault(model.name, model)
    return list(models.values())


def find_model(name: str, libraries: Iterable[str] = ()) -> Model:
    """The model of that name, the user's own or one of the libraries'; raises MissingResource when there is none."""
    for model in list_models(libraries):
        if model.name == name:
            return model
    raise MissingResource(f"The model '{name}' is not installed.")


def read_model(folder: Path) -> Model:
    """The model in a folder; raises MissingResource when its card is missing, unreadable or incomplete."""
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingResource(f"The card of the model '{folder.name}' cannot be read.") from error
    lacking = [field for field in REQUIRED_FIELDS if field not in card]
    if lacking:
        raise MissingResource(f"The card of the model '{folder.name}' lacks {', '.join(lacking)}.")
    return Model(card, folder)


def verify(model: Model) -> None:
    """Raises MissingResource when the weights are missing or are not those that the card describes."""
    for path, digest in model.files.items():
        if not path.is_file():
            raise MissingResource(f"The weights of the model '{model.name}' are missing.")
        if file_digest(path) != digest:
            raise MissingResource(f"The weights of the model '{model.name}' are damaged or altered (sha256 differs).")


def load_weights(model: Model, network) -> None:
    """Fill ``network`` (a torch module) with the verified weights; half-precision values become float32."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    verify(model)
    stored: dict = {}
    try:
        for path in model.files:
            stored |= load_file(path)
    except SafetensorError as error:
        raise MissingResource(f"The weights of the model '{model.name}' cannot be read as safetensors.") from error
    tensors = {k: v.float() if v.is_floating_point() else v for k, v in stored.items()}
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise MissingResource(f"The weights of the model '{model.name}' do not fit its network.") from error


def save_model(network, card: dict, folder: Path) -> Model:
    """Write a network's weights as fp16 safetensors and its card, with the sha256 filled in."""
    card = {**card, "sha256": _save_weights(network.state_dict(), folder / WEIGHTS_FILE)}
    return _save_card(card, folder)


def save_head(model: Model, tensors: dict, card: dict, folder: Path) -> Model:
    """A copy of a model with other tensors (full names -> values, stored as fp16) in a file of their own."""
    import shutil

    from LesionKitLib.io.atomic import atomic_file

    verify(model)
    with atomic_file(folder / WEIGHTS_FILE) as path:
        shutil.copyfile(model.weights_path, path)
    return _save_card({**card, "head_sha256": _save_weights(tensors, folder / HEAD_FILE)}, folder)


def _save_weights(tensors: dict, target: Path) -> str:
    """Write the tensors as fp16 and return the file's sha256."""
    import torch
    from safetensors.torch import save_file

    from LesionKitLib.io.atomic import atomic_file

    tensors = {k: (v.to(torch.float16) if v.is_floating_point() else v).contiguous() for k, v in tensors.items()}
    with atomic_file(target) as path:
        save_file(tensors, path)
    return file_digest(target)


def _save_card(card: dict, folder: Path) -> Model:
    from LesionKitLib.io.atomic import atomic_file

    with atomic_file(folder / CARD_FILE) as path:
        path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return read_model(folder)
