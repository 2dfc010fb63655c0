"""CycleGAN's way back, image to labels (Zhu et al. 2017, arXiv 1703.10593)."""

from __future__ import annotations

from torch import Tensor, nn

from StrokeSynthLib.labels import LABEL_COUNT
from StrokeSynthLib.networks.translators.cyclegan import ResidualTranslator


class Labeler(nn.Module):
    """Image (n, 1, h, w) to logits of the labels (n, LABEL_COUNT, h, w): the way back."""

    def __init__(self, width: int = 16, blocks: int = 4):
        super().__init__()
        self.net = ResidualTranslator(1, LABEL_COUNT, width, blocks)

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image)
