"""``lesionkit models --export``: other programs get what PyTorch computes, and a description of it."""

from __future__ import annotations

import json

import pytest
import torch

from LesionKitCLI.main import main
from LesionKitCLI.shared import network_interfaces
from LesionKitCLI.shared.network_interfaces import bundled_networks
from LesionKitLib.models import onnx_export

NETWORKS = list(bundled_networks())
IDS = [name for _, name, _ in NETWORKS]


@pytest.mark.parametrize(("registry", "name", "interface"), NETWORKS, ids=IDS)
def test_an_interface_names_what_the_network_takes_and_gives(registry, name, interface):
    _, network = registry.load(name)
    with torch.no_grad():
        outputs = interface.call(network, *(torch.rand(port.example) for port in interface.inputs))
    assert [tuple(tensor.shape) for tensor in outputs] == [port.example for port in interface.outputs]


@pytest.fixture
def few(monkeypatch):
    pytest.importorskip("onnxruntime")
    chosen = [item for item in NETWORKS if item[1] in ("jcs", "mask-gan")]
    monkeypatch.setattr(network_interfaces, "bundled_networks", lambda: iter(chosen))


def test_the_files_give_pytorch_s_numbers_at_other_sizes_too(few, tmp_path, capsys):
    assert main(["models", "--export", str(tmp_path), "--json"]) == 0
    exported = json.loads(capsys.readouterr().out)["exported"]
    assert set(exported["covid-jcs"]) == {"lesion", "kind", "lung", "decision", "heat"}
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(tmp_path / "covid-jcs" / "model.onnx"))
    slices = torch.rand(3, 2, 96, 128, generator=torch.Generator().manual_seed(5))
    registry, _, interface = next(item for item in NETWORKS if item[1] == "jcs")
    with torch.no_grad():
        expected = interface.call(registry.load("jcs")[1], slices)
    for one, other in zip(expected, session.run(None, {"slices": slices.numpy()}), strict=True):
        assert np.allclose(one.numpy(), other, atol=1e-4)


def test_the_metadata_have_what_a_monai_bundle_must_have(few, tmp_path):
    assert main(["models", "--export", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "covid-jcs" / "metadata.json").read_text())
    wanted = ("version", "task", "description", "authors", "copyright", "network_data_format", "schema")
    assert all(document[name] for name in wanted)
    kind = document["network_data_format"]["outputs"]["kind"]
    assert (kind["num_channels"], kind["channel_def"]["2"]) == (3, "pleural effusion")
    assert document["onnx"]["opset"] == 17
    assert document["onnx"]["parity_with_pytorch"]["lung"]["largest_difference"] < 1e-3


def test_a_file_that_differs_from_pytorch_is_not_left_behind(few, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "TOLERANCE", 0.0)
    with pytest.raises(ValueError, match="differs from PyTorch"):
        registry, name, interface = next(item for item in NETWORKS if item[1] == "mask-gan")
        model, network = registry.load(name)
        onnx_export.export_onnx(model, network, interface, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
