"""JCS: joint classification and segmentation that explains itself, after Wu et al. 2020 (arXiv 2004.07054).

From the paper: a classification branch with hierarchical (Res2Net) stages says whether a slice shows COVID-19 pneumonia
and where it saw that (activation map); a segmentation branch with an encoder of its own takes the classifier's features
in at every stage, passes them through enhanced feature modules (grouped dilated convolutions with squeeze-excitation)
and an attentive feature fusion decoder, and is supervised at five scales. Ours is about thirty times lighter: the
classifier is EfficientNet-Lite0 (ImageNet) with Res2Net gates (Gao et al. 2019, arXiv 1904.01169) behind its stages,
the deepest stage is joined with the one before so that the activation map has stride 16, and the decision looks at the
lungs that the segmentation branch found. Written anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from LesionKitLib.models.encoders.efficientnet_lite import EfficientNetLite0
from LesionKitLib.run.threads import SERIAL, Workers

from .heads import Heads, MultiOutputHeads, lung_weights, predict

STRIDE = 32  # height and width of the input must be multiples of this
STAGES = (2, 4, 8, 16, 32)
GATED = (4, 8, 16, 32)
ENCODER_BLOCKS = 15  # of EfficientNet-Lite0: all but the last, which is wide and adds little
DILATIONS, DEEPEST_DILATIONS = (1, 3, 6, 9), (1, 2, 3, 4)


def conv(channels_in: int, channels: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU; the size stays, or is divided by the stride."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class Gate(nn.Module):
    """A Res2Net layer: groups of channels pass 3x3 convolutions one after the other, each taking the last one's output.

    It adds to its input, from nothing at the start, so that pretrained features behind it are not disturbed.
    """

    def __init__(self, channels: int, groups: int = 4):
        super().__init__()
        self.width = channels // groups
        self.steps = nn.ModuleList(conv(self.width, self.width) for _ in range(groups - 1))
        self.join = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = x.split(self.width, 1)
        parts, last = [first], None
        for step, part in zip(self.steps, rest, strict=True):
            last = step(part if last is None else part + last)
            parts.append(last)
        return x + self.norm(self.join(torch.cat(parts, 1)))


class SqueezeExcitation(nn.Module):
    """Weights of channels from their means (Hu et al. 2018, arXiv 1709.01507)."""

    def __init__(self, channels: int, reduction: int = 4):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, max(4, channels // reduction), 1)
        self.excite = nn.Conv2d(max(4, channels // reduction), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.excite(self.squeeze(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class EnhancedFeatures(nn.Module):
    """EFM: expand (1x1), four groups with their own dilations, squeeze-excitation, reduce (1x1), mix (3x3)."""

    def __init__(self, channels: int, dilations: tuple[int, ...] = DILATIONS):
        super().__init__()
        self.width = channels // 2
        self.expand = conv(channels, self.width * len(dilations), 1)
        self.groups = nn.ModuleList(conv(self.width, self.width, dilation=d) for d in dilations)
        self.weigh = SqueezeExcitation(self.width * len(dilations))
        self.reduce = conv(self.width * len(dilations), channels, 1)
        self.mix = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.expand(x).split(self.width, 1)
        wide = torch.cat([group(part) for group, part in zip(self.groups, parts, strict=True)], 1)
        return self.mix(x + self.reduce(self.weigh(wide)))


class AttentiveFusion(nn.Module):
    """AFF: coarse and fine features joined, weighed and mixed, then the fine ones once more."""

    def __init__(self, coarse: int, fine: int):
        super().__init__()
        self.weigh_both = SqueezeExcitation(coarse + fine)
        self.mix_both = conv(coarse + fine, fine)
        self.weigh_fine = SqueezeExcitation(2 * fine)
        self.reduce = conv(2 * fine, fine, 1)
        self.mix_fine = conv(fine, fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        both = self.mix_both(self.weigh_both(torch.cat([coarse, fine], 1)))
        return self.mix_fine(self.reduce(self.weigh_fine(torch.cat([both, fine], 1))))


class Classifier(nn.Module):
    """The classification branch: features at five strides, and a linear decision over a map of stride 16."""

    def __init__(self, width: int = 128):
        super().__init__()
        self.encoder = EfficientNetLite0(ENCODER_BLOCKS)
        self.channels = self.encoder.channels
        self.gates = nn.ModuleDict({str(s): Gate(self.channels[s]) for s in GATED})
        self.evidence = conv(self.channels[16] + self.channels[32], width, 1)
        self.dropout = nn.Dropout(0.3)
        self.decide = nn.Linear(width, 1)

    def features(self, lung_window: Tensor) -> dict[int, Tensor]:
        """lung_window: (n, 1, h, w) in -1..1 -> stride -> features."""
        x = self.encoder.stem(lung_window.expand(-1, 3, -1, -1))
        found: dict[int, Tensor] = {}
        for stride, blocks in self.encoder.stages():
            for block in blocks:
                x = block(x)
            if str(stride) in self.gates:
                x = self.gates[str(stride)](x)
            found[stride] = x
        return found

    def forward(self, features: dict[int, Tensor], weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Decision logits (n) and the activation map (n, 1, h / 16, w / 16).

        weights (n, 1, h / 16, w / 16): how much each place counts in the mean. The decision is linear in that weighted
        mean, so Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) is the linear layer itself applied at each place:
        the map's weighted mean, before negative values are cut off, is the logit less its bias.
        """
        deep = F.interpolate(features[32], size=features[16].shape[-2:], mode="bilinear", align_corners=False)
        evidence = self.evidence(torch.cat([features[16], deep], 1)).float()
        if weights is None:
            weights = torch.ones_like(evidence[:, :1])
        mean = (evidence * weights).sum((2, 3)) / weights.sum((2, 3))
        decision = F.linear(self.dropout(mean), self.decide.weight.float(), self.decide.bias.float())[:, 0]
        speaks = F.conv2d(evidence.detach(), self.decide.weight.detach().float()[..., None, None])
        return decision, speaks.relu() * weights


class JCSNet(nn.Module):
    """Slices in, masks and decisions out; see the module's docstring.

    The classifier sees the lung window alone: 8-bit pictures, from which most decisions are learned, hold nothing else.
    widths: channels of the segmentation branch at strides 2 to 32.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 24, 40, 64, 80), evidence: int = 128):
        super().__init__()
        self.classifier = Classifier(evidence)
        taken = self.classifier.channels
        before = (2, *widths[:-1])
        self.down = nn.ModuleList(conv(a, b, stride=2) for a, b in zip(before, widths, strict=True))
        self.fuse = nn.ModuleList(
            nn.Sequential(conv(w + taken[s], w, 1 if s >= 16 else 3), conv(w, w))
            for s, w in zip(STAGES, widths, strict=True)
        )
        self.enhance = nn.ModuleList(
            EnhancedFeatures(w, DEEPEST_DILATIONS if s == STAGES[-1] else DILATIONS)
            for s, w in zip(STAGES, widths, strict=True)
        )
        self.decode = nn.ModuleList(AttentiveFusion(b, a) for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.sides = nn.ModuleList(nn.Conv2d(w, 1, 1) for w in widths)
        self.last = conv(widths[0] + 2, 12)
        self.attention = nn.Conv2d(12, 1, 1)
        self.kind = nn.Conv2d(12, 3, 1)
        self.lung = nn.Conv2d(12, 1, 1)

    def forward(self, x: Tensor, lengths: list[int] | None = None) -> MultiOutputHeads:
        """x: (n, 2, h, w), gray 0..1 in the lung and the soft-tissue window; lengths are not used: slice by slice."""
        centered = 2 * x - 1
        known = self.classifier.features(centered[:, :1])
        masks, sides = self._segment(centered, known)
        weights = lung_weights(masks.lung, known[16].shape[-2:])
        decision, heat = self.classifier(known, weights)
        return MultiOutputHeads(masks, decision, heat, sides if self.training else ())

    def _segment(self, centered: Tensor, known: dict[int, Tensor]) -> tuple[Heads, tuple[Tensor, ...]]:
        x, features = centered, []
        for stride, down, fuse, enhance in zip(STAGES, self.down, self.fuse, self.enhance, strict=True):
            x = fuse(torch.cat([down(x), known[stride]], 1))
            features.append(enhance(x))
        x = features[-1]
        sides = [self.sides[-1](x)]
        for n in reversed(range(len(self.decode))):
            x = self.decode[n](x, features[n])
            sides.append(self.sides[n](x))
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.last(torch.cat([x, centered.to(x.dtype)], 1))
        return Heads(self.attention(x), self.kind(x), self.lung(x)), tuple(sides)

    @torch.inference_mode()
    def stream(self, slices: Iterable[Tensor], encode=None, workers: Workers = SERIAL) -> Iterator[MultiOutputHeads]:
        """Predictions batch by batch, for batches (n, 2, h, w) of slices; workers: compute batches side by side."""
        yield from workers.map(partial(predict, self), slices)
