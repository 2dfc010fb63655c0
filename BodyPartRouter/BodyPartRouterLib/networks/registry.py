"""The networks that the router offers, by the name that users choose."""

from __future__ import annotations

from dataclasses import dataclass

from LesionKitLib.models.network_registry import NetworkEntry, NetworkRegistry


@dataclass(frozen=True)
class RouterEntry(NetworkEntry):
    """size: of the square in pixels; pretrained: whether training starts from ImageNet's weights.

    initialized_from: the network whose trained first blocks training starts from instead.
    """

    size: int = 176
    pretrained: bool = False
    initialized_from: str | None = None


DEFAULT_NETWORK = "efficientnet-lite0"
NETWORKS = NetworkRegistry(
    "BodyPartRouterLib",
    {
        "efficientnet-lite0": RouterEntry(
            "router-efficientnet-lite0", "lite", "EfficientNetLite0Router", "EfficientNet-Lite0", pretrained=True
        ),
        "light": RouterEntry(
            "router-light", "lite", "LightRouter", "EfficientNet-Lite0 cut at stride 16", size=160, pretrained=True,
            initialized_from="efficientnet-lite0",
        ),
        "mobilenet": RouterEntry("router-mobilenet", "mobilenet_v1", "MobileNetV1Router", "MobileNetV1", False),
        "resnet18": RouterEntry("router-resnet18", "resnet18", "ResNet18Router", "ResNet-18", False),
    },
)  # fmt: skip
