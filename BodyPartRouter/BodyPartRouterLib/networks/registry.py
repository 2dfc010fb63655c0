"""The networks that the router offers, by the name that users choose."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from LesionKitLib.run.errors import UnusableInput


@dataclass(frozen=True)
class NetworkEntry:
    """model: name in the catalogue; file, class_name: in networks/; size: of the square in pixels."""

    model: str
    file: str
    class_name: str
    size: int
    pretrained: bool
    title: str
    initialized_from: str | None = None  # the network whose trained first blocks are the start


NETWORKS = {
    "efficientnet-lite0": NetworkEntry(
        "router-efficientnet-lite0", "lite", "EfficientNetLite0Router", 176, True, "EfficientNet-Lite0"
    ),
    "light": NetworkEntry(
        "router-light", "lite", "LightRouter", 160, True, "EfficientNet-Lite0 cut at stride 16", "efficientnet-lite0"
    ),
    "mobilenet": NetworkEntry("router-mobilenet", "mobilenet_v1", "MobileNetV1Router", 176, False, "MobileNetV1"),
    "resnet18": NetworkEntry("router-resnet18", "resnet18", "ResNet18Router", 176, False, "ResNet-18"),
}
DEFAULT_NETWORK = "efficientnet-lite0"


def entry_of(network: str) -> NetworkEntry:
    """Raises UnusableInput for a name that is not in NETWORKS."""
    if network not in NETWORKS:
        raise UnusableInput(f"The network '{network}' is not known; choose one of {', '.join(NETWORKS)}.")
    return NETWORKS[network]


def build(network: str, **arguments):
    """The network with random weights (pretrained=True: ImageNet's in the encoder), in training mode."""
    entry = entry_of(network)
    module = importlib.import_module(f"{__package__}.{entry.file}")
    return getattr(module, entry.class_name)(**arguments)
