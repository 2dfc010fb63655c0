"""The multi-task network, after Amyar et al. 2020 (Comput Biol Med 126:104037).

From the paper: one encoder serves three tasks that learn together from data sets which each carry only some of the
labels: a decoder reconstructs the image, a decoder segments the lesions, a multi-layer perceptron tells COVID-19 from
the rest. Ours starts from EfficientNet-Lite0 (ImageNet) up to stride 16 and goes on with a stage of its own (strided
convolutions in place of pooling); the reconstruction sees nothing but the deepest features, so that its error says how
unlike the training images a slice is; sizes are our choice, because the paper's are not stated. Written anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from LesionKitLib.models.encoders.efficientnet_lite import EfficientNetLite0
from LesionKitLib.run.threads import SERIAL, Workers

from .convlstm import Fuse
from .heads import Heads, MultiOutputHeads, lung_weights, predict
from .jcs import conv

STRIDE = 32  # height and width of the input must be multiples of this
ENCODER_BLOCKS = 11  # of EfficientNet-Lite0: up to stride 16


class MultiTaskNet(nn.Module):
    """Slices in, masks, decisions and reconstructions out; see the module's docstring.

    deep: channels at stride 32; code: channels of the deepest features that the reconstruction sees.
    """

    def __init__(self, deep: int = 128, code: int = 32, dropout: float = 0.5):
        super().__init__()
        self.colour = nn.Conv2d(2, 3, 1)  # "colour" and "grey" are the names in the files of weights
        with torch.no_grad():  # the lung window as three equal colors, as the ImageNet weights expect
            self.colour.weight.zero_()[:, 0] = 1
            self.colour.bias.zero_()
        self.encoder = EfficientNetLite0(ENCODER_BLOCKS)
        c = self.encoder.channels
        self.deepest = nn.Sequential(conv(c[16], deep, stride=2), conv(deep, deep))
        self.up16 = Fuse(deep, c[16], 96, depth=1)
        self.up8 = Fuse(96, c[8], 64)
        self.up4 = Fuse(64, c[4], 48)
        self.up2 = Fuse(48, c[2], 24)
        self.up1 = Fuse(24, 2, 12, depth=1)
        self.attention = nn.Conv2d(12, 1, 1)
        self.kind = nn.Conv2d(12, 3, 1)
        self.lung = nn.Conv2d(12, 1, 1)
        self.code = conv(deep, code, 1)
        widths = (code, 32, 32, 24, 16)
        self.redraw = nn.ModuleList(conv(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.grey = nn.Conv2d(widths[-1], 2, 1)
        self.decide = nn.Sequential(
            nn.Linear(c[16] + deep, 128), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(128, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 1),
        )  # fmt: skip

    def forward(self, x: Tensor, lengths: list[int] | None = None) -> MultiOutputHeads:
        """x: (n, 2, h, w), gray 0..1 in the lung and the soft-tissue window; lengths are not used: slice by slice."""
        centered = 2 * x - 1
        features = self.encoder(self.colour(centered))
        deepest = self.deepest(features[16])
        masks = self._segment(features, deepest, centered)
        weights = lung_weights(masks.lung, features[16].shape[-2:])
        return MultiOutputHeads(
            masks, self._decide(features[16], deepest, weights), reconstruction=self._redraw(deepest)
        )

    def _segment(self, features: dict[int, Tensor], deepest: Tensor, centered: Tensor) -> Heads:
        x = self.up16(deepest, features[16])
        x = self.up8(x, features[8])
        x = self.up4(x, features[4])
        x = self.up2(x, features[2])
        x = self.up1(x, centered.to(x.dtype))
        return Heads(self.attention(x), self.kind(x), self.lung(x))

    def _decide(self, fine: Tensor, deepest: Tensor, weights: Tensor) -> Tensor:
        """Logits (n) from the features' means over the lungs."""
        deepest = F.interpolate(deepest, size=fine.shape[-2:], mode="bilinear", align_corners=False)
        both = torch.cat([fine, deepest], 1).float()
        return self.decide((both * weights).sum((2, 3)) / weights.sum((2, 3)))[:, 0]

    def _redraw(self, deepest: Tensor) -> Tensor:
        """The input's gray values at half its size, from the deepest features alone."""
        x = self.code(deepest)
        for layer in self.redraw:
            x = layer(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        return self.grey(x).sigmoid()

    @torch.inference_mode()
    def stream(self, slices: Iterable[Tensor], encode=None, workers: Workers = SERIAL) -> Iterator[MultiOutputHeads]:
        """Predictions batch by batch, for batches (n, 2, h, w) of slices; workers: compute batches side by side."""
        yield from workers.map(partial(predict, self), slices)
