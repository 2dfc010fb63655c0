"""A network as an ONNX file with the metadata of a MONAI bundle, checked against PyTorch by ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from LesionKitLib.io.atomic import atomic_folder
from LesionKitLib.run.errors import MissingResource

from .registry import Model

OPSET = 17
ONNX_FILE, METADATA_FILE = "model.onnx", "metadata.json"
TOLERANCE = 1e-3  # of an output's largest absolute value, or of 1 where that is less
SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"


@dataclass(frozen=True)
class Port:
    """An input or output. example: the shape it is traced and checked with; free: its axes that may have other lengths,
    by their names; meaning: for people. channels: channel -> meaning."""

    name: str
    example: tuple[int, ...]
    free: Mapping[int, str]
    meaning: str
    channels: Mapping[int, str] | None = None


@dataclass(frozen=True)
class Interface:
    """How a network is called from outside: call(network, *inputs) -> one tensor for each output."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    call: Callable


def require_onnx() -> None:
    """Raises MissingResource where the packages are missing."""
    import importlib.util

    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise MissingResource(f"The Python package '{package}' is missing; pip install 'lesionkit[onnx]'.")


def export_onnx(model: Model, network, interface: Interface, folder: Path) -> dict:
    """Write model.onnx and metadata.json into a new folder, all or nothing; returns the parity figures.

    The file's outputs are compared with PyTorch's on seeded random input, in the example's shape and, where axes are
    free, in a larger one. Raises MissingResource without the packages, ValueError where they differ by more than
    TOLERANCE.
    """
    require_onnx()
    with atomic_folder(folder) as part:
        _write(network, interface, part / ONNX_FILE)
        parity = _parity(network, interface, part / ONNX_FILE)
        document = metadata(model, interface, parity)
        (part / METADATA_FILE).write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
    return parity


def _write(network, interface: Interface, path: Path) -> None:
    import logging
    import warnings

    import torch

    ports = (*interface.inputs, *interface.outputs)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of lengths that become constants, which Port.free says, and of the exporter
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            _module(network, interface.call),
            tuple(_random(port, 1) for port in interface.inputs),
            str(path),
            input_names=[port.name for port in interface.inputs],
            output_names=[port.name for port in interface.outputs],
            dynamic_axes={port.name: dict(port.free) for port in ports if port.free},
            opset_version=OPSET,
            dynamo=False,
        )


def _module(network, call: Callable):
    """call(network, ...) as a module. The class is made here, so that importing this file needs no torch."""
    from torch import nn

    class Called(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, *inputs):
            return call(self.network, *inputs)

    return Called().eval()


def _random(port: Port, scale: int):
    """Seeded numbers in 0..1 of the example's shape, free axes ``scale`` times as long."""
    import torch

    shape = [length * scale if axis in port.free else length for axis, length in enumerate(port.example)]
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _parity(network, interface: Interface, path: Path) -> dict:
    """For each output the largest absolute difference, and the largest absolute value that it is to be seen beside."""
    import numpy as np
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = {port.name: {"largest_difference": 0.0, "largest_value": 0.0} for port in interface.outputs}
    for scale in (1, 2) if any(port.free for port in interface.inputs) else (1,):
        inputs = [_random(port, scale) for port in interface.inputs]
        with torch.no_grad():
            expected = interface.call(network, *inputs)
        got = session.run(None, {p.name: x.numpy() for p, x in zip(interface.inputs, inputs, strict=True)})
        for port, one, other in zip(interface.outputs, expected, got, strict=True):
            own = found[port.name]
            difference = float(np.abs(one.numpy() - other).max())
            own["largest_difference"] = max(own["largest_difference"], difference)
            own["largest_value"] = max(own["largest_value"], float(one.abs().max()))
    for name, own in found.items():
        if not own["largest_difference"] <= TOLERANCE * max(1.0, own["largest_value"]):
            raise ValueError(f"the ONNX file's output {name} differs from PyTorch's by {own['largest_difference']:.3g}")
    return found


def metadata(model: Model, interface: Interface, parity: dict) -> dict:
    """As a MONAI bundle's metadata.json ("MONAI Bundle Specification"); preparation of the input is the card's."""
    import onnx
    import onnxruntime
    import torch

    card = model.card
    return {
        "schema": SCHEMA,
        "version": card["version"],
        "name": card["name"],
        "task": card["task"],
        "description": f"{card['task']}. Research and education only, not a medical device.",
        "authors": "LesionKit",
        "copyright": card["license"],
        "intended_use": card["intended_use"],
        "data_source": card["training_data"],
        "pytorch_version": torch.__version__.split("+")[0],
        "required_packages_version": {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
        "onnx": {"file": ONNX_FILE, "opset": OPSET, "parity_with_pytorch": parity, "weights_sha256": card["sha256"]},
        "network_data_format": {
            "inputs": {port.name: _format(port, "image", card["input"]) for port in interface.inputs},
            "outputs": {port.name: _format(port, "segmentation", card["labels"]) for port in interface.outputs},
        },
    }


def _format(port: Port, kind: str, described) -> dict:
    channels = port.example[1] if len(port.example) > 1 else 1
    return {
        "type": kind,
        "format": port.meaning,
        "modality": "n/a",
        "num_channels": channels,
        "spatial_shape": [port.free.get(axis, length) for axis, length in enumerate(port.example) if axis > 1],
        "axes": [port.free.get(axis, length) for axis, length in enumerate(port.example)],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {str(n): text for n, text in (port.channels or {}).items()},
        "described_by_card": described,
    }
