"""Models are found, checked and loaded; damaged or foreign ones are refused with a sentence."""

from __future__ import annotations

import importlib
import json
import os
import pickle

import pytest
import torch

from LesionKitCLI.shared.installed_models import LIBRARIES
from LesionKitLib.io.digest import file_digest
from LesionKitLib.models import registry
from LesionKitLib.models.network_registry import NetworkEntry, NetworkRegistry
from LesionKitLib.run.errors import MissingResource, UnusableInput

CARD = dict.fromkeys(registry.REQUIRED_FIELDS, "something") | {"name": "small", "version": "1.2.3"}


def network(width: int = 4) -> torch.nn.Module:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Conv2d(1, width, 3), torch.nn.BatchNorm2d(width))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The user's own folder of models; nothing is bundled."""
    monkeypatch.setenv(registry.OWN_MODELS, str(tmp_path / "own"))
    monkeypatch.setattr(registry, "bundled_folders", lambda library: [])
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


@pytest.fixture
def model(folder):
    return registry.save_model(network(), CARD, folder / "small")


def refusal(call, *arguments) -> str:
    with pytest.raises(MissingResource) as caught:
        call(*arguments)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text
    return text


def test_a_saved_model_is_found_and_loads_to_half_precision_of_what_was_saved(model):
    found = registry.find_model("small")
    assert (found.name, found.version, found.folder) == ("small", "1.2.3", model.folder)
    loaded = network()
    torch.nn.init.zeros_(loaded[0].weight)
    registry.load_weights(found, loaded)
    torch.testing.assert_close(loaded[0].weight, network()[0].weight, atol=1e-3, rtol=1e-3)
    assert loaded[0].weight.dtype == torch.float32 and loaded[1].num_batches_tracked.dtype == torch.int64


def test_saving_leaves_the_weights_and_the_card_and_nothing_else(model):
    assert sorted(os.listdir(model.folder)) == ["card.json", "model.safetensors"]
    assert model.card["sha256"] == file_digest(model.weights_path)


def test_a_head_that_was_trained_anew_takes_the_place_of_the_one_in_the_weights(model, folder):
    tensors = {"1.weight": torch.full((4,), 7.0)}
    renewed = registry.save_head(model, tensors, model.card | {"version": "1.3.0"}, folder / "renewed")
    loaded = network()
    registry.load_weights(renewed, loaded)
    assert (loaded[1].weight == 7).all() and renewed.version == "1.3.0"
    torch.testing.assert_close(loaded[0].weight, network()[0].weight, atol=1e-3, rtol=1e-3)
    assert renewed.weights_path.read_bytes() == model.weights_path.read_bytes()


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(b"something else")])
def test_a_head_that_is_missing_or_altered_is_refused(model, folder, change):
    renewed = registry.save_head(model, {"1.weight": torch.ones(4)}, model.card, folder / "renewed")
    change(renewed.folder / registry.HEAD_FILE)
    assert "weights of the model 'small'" in refusal(registry.verify, renewed)
    assert "weights of the model 'small'" in refusal(registry.load_weights, renewed, network())


def test_a_model_that_is_not_there_is_named(folder):
    assert "'covid-convlstm' is not installed" in refusal(registry.find_model, "covid-convlstm")


def test_altered_weights_are_refused(model):
    data = bytearray(model.weights_path.read_bytes())
    data[-1] ^= 1
    model.weights_path.write_bytes(data)
    assert "'small' are damaged or altered (sha256 differs)" in refusal(registry.verify, model)
    assert "sha256" in refusal(registry.load_weights, model, network())


def test_missing_weights_are_named(model):
    model.weights_path.unlink()
    assert "weights of the model 'small' are missing" in refusal(registry.verify, model)


@pytest.mark.parametrize("field", registry.REQUIRED_FIELDS)
def test_a_card_that_lacks_a_field_is_refused_by_the_fields_name(model, field):
    card = {k: v for k, v in model.card.items() if k != field}
    (model.folder / "card.json").write_text(json.dumps(card))
    assert f"'small' lacks {field}." in refusal(registry.list_models)


@pytest.mark.parametrize("text", ["", "{", "\x00\xff", "[1, 2"])
def test_a_card_that_cannot_be_read_is_refused(model, text):
    (model.folder / "card.json").write_text(text)
    assert "card of the model 'small' cannot be read" in refusal(registry.list_models)


def test_weights_of_another_network_are_refused(model):
    assert "do not fit its network" in refusal(registry.load_weights, model, network(5))


class Bomb:
    """Unpickling this makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_pickle_in_place_of_weights_is_never_opened(model, tmp_path):
    """Not even when the card vouches for it."""
    trace = tmp_path / "executed"
    model.weights_path.write_bytes(pickle.dumps(Bomb(trace)))
    card = {**model.card, "sha256": file_digest(model.weights_path)}
    (model.folder / "card.json").write_text(json.dumps(card))
    assert "cannot be read" in refusal(registry.load_weights, registry.find_model("small"), network())
    assert not trace.exists()


def test_the_users_own_model_wins_over_the_bundled_one(folder, tmp_path, monkeypatch):
    bundled = tmp_path / "SomeLib"
    monkeypatch.undo()
    monkeypatch.setenv(registry.OWN_MODELS, str(folder))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "some_lesion_lib").mkdir()
    (tmp_path / "some_lesion_lib" / "__init__.py").touch()
    bundled = tmp_path / "Resources" / "Models"
    registry.save_model(network(), {**CARD, "version": "bundled"}, bundled / "small")
    registry.save_model(network(), {**CARD, "name": "other"}, bundled / "other")
    libraries = ("some_lesion_lib", "a_library_that_is_not_installed")
    assert registry.find_model("small", libraries).version == "bundled"
    assert "not installed" in refusal(registry.find_model, "small")  # nobody named the library
    registry.save_model(network(), {**CARD, "version": "own"}, folder / "mine")
    assert registry.find_model("small", libraries).version == "own"
    assert sorted(m.name for m in registry.list_models(libraries)) == ["other", "small"]


def test_of_several_own_folders_the_first_wins_and_missing_ones_are_passed_over(tmp_path, monkeypatch, folder):
    second = tmp_path / "second"
    monkeypatch.setenv(registry.OWN_MODELS, os.pathsep.join([str(tmp_path / "gone"), str(folder), str(second)]))
    registry.save_model(network(), {**CARD, "version": "2"}, second / "small")
    assert registry.find_model("small").version == "2"
    registry.save_model(network(), {**CARD, "version": "1"}, folder / "small")
    assert registry.find_model("small").version == "1"


def test_a_loaded_network_stays_loaded_until_its_weights_change(folder, tmp_path, monkeypatch):
    (tmp_path / "tiny_lib" / "networks").mkdir(parents=True)
    (tmp_path / "tiny_lib" / "networks" / "tiny.py").write_text(
        "import torch\nclass Tiny(torch.nn.Linear):\n"
        "    def __init__(self, width=2):\n        super().__init__(width, 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    offered = NetworkRegistry("tiny_lib", {"tiny": NetworkEntry("tiny-model", "tiny", "Tiny", "a tiny network")})
    card = {**CARD, "name": "tiny-model", "arguments": {"width": 3}}
    registry.save_model(offered.build("tiny", width=3), card, folder / "tiny-model")
    first, again = offered.load("tiny")[1], offered.load("tiny")[1]
    assert first is again and not first.training and first.in_features == 3
    registry.save_model(offered.build("tiny", width=3), card, folder / "tiny-model")
    other = offered.load("tiny")[1]
    assert other is not first and not torch.equal(other.weight, first.weight)


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_network_that_a_module_calls_bundled_is_bundled_and_no_other_model_is(library, monkeypatch):
    monkeypatch.delenv(registry.OWN_MODELS, raising=False)
    offered = importlib.import_module(f"{library}.networks.registry").NETWORKS
    assert {offered[name].model for name in offered.bundled} == {m.name for m in registry.list_models([library])}
    for name in offered.bundled:
        assert offered.model(name).card["network"] == offered[name].class_name


def test_a_network_that_is_not_offered_is_refused_with_those_that_are():
    with pytest.raises(UnusableInput, match=r"'vgg' is not known; choose one of pix, spade\."):
        NetworkRegistry("tiny_lib", dict.fromkeys(("pix", "spade"))).entry("vgg")


def test_the_card_of_the_recipe_is_complete(fake_model):
    card = registry.find_model("covid-convlstm").card
    assert set(registry.REQUIRED_FIELDS) <= set(card)
    assert "not a medical device" in card["intended_use"].lower()
