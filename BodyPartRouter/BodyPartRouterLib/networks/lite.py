"""EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946) as a classifier, whole or cut after the stage of stride 16."""

from __future__ import annotations

from torch import Tensor, nn

from LesionKitLib.models.encoders.efficientnet_lite import TAPS, EfficientNetLite0, load_imagenet_weights

from .head import BodyPartNet


class LiteEncoder(nn.Module):
    """The last feature maps of EfficientNet-Lite0, at the stride 16 or 32."""

    def __init__(self, stride: int = 32):
        super().__init__()
        self.body = EfficientNetLite0()
        self.stride = stride
        self.channels = self.body.channels[stride]

    def cut(self) -> LiteEncoder:
        """Take away the blocks that are not used; ImageNet weights are loaded before this."""
        last = next(block for block, stride in TAPS.items() if stride == self.stride)
        self.body.blocks = self.body.blocks[: last + 1]
        return self

    def freeze_early(self, blocks: int = 3) -> None:
        """Keep the stem's and the first blocks' ImageNet filters: edges and textures; half of the training time."""
        for part in (self.body.stem, *self.body.blocks[:blocks]):
            part.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)[self.stride]


class EfficientNetLite0Router(BodyPartNet):
    """The router's main network: 320 feature maps at stride 32."""

    def __init__(self, pretrained: bool = False):
        super().__init__(*_encoder(32, pretrained))


class LightRouter(BodyPartNet):
    """A light network: the first eleven blocks of EfficientNet-Lite0, 112 feature maps at stride 16."""

    def __init__(self, pretrained: bool = False):
        super().__init__(*_encoder(16, pretrained))


def _encoder(stride: int, pretrained: bool) -> tuple[LiteEncoder, int]:
    encoder = LiteEncoder(stride)
    if pretrained:
        load_imagenet_weights(encoder.body)
    return encoder.cut(), encoder.channels
