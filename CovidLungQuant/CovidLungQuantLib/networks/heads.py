"""What the networks predict: one form for all of them, so that pipeline, evaluation and losses know no network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Heads(NamedTuple):
    """Logits of the masks at the input's resolution."""

    lesion: Tensor  # (n, 1, h, w) attention: any lesion
    kind: Tensor  # (n, 3, h, w) which lesion, given that there is one
    lung: Tensor  # (n, 1, h, w)

    def probabilities(self) -> Tensor:
        """(n, 5, h, w): lung, any lesion, then the gated ground glass, consolidation and effusion."""
        lesion = self.lesion.float().sigmoid()
        return torch.cat([self.lung.float().sigmoid(), lesion, lesion * self.kind.float().softmax(1)], 1)


class MultiOutputHeads(NamedTuple):
    """Masks, and what a network gives beside them; None or empty what it does not give."""

    masks: Heads
    decision: Tensor  # (n) logit: COVID-19 pneumonia or not
    heat: Tensor | None = None  # (n, 1, h / 16, w / 16) what spoke for the decision, logit units, >= 0
    sides: tuple[Tensor, ...] = ()  # any-lesion logits (n, 1, h', w') for deep supervision, in training only
    reconstruction: Tensor | None = None  # (n, 2, h / 2, w / 2) the input's gray values 0..1
    errors: Tensor | None = None  # (n) lung_window_errors of the reconstruction, in inference

    def probabilities(self) -> Tensor:
        """As Heads.probabilities."""
        return self.masks.probabilities()


def lung_weights(lung: Tensor, size: tuple[int, int], outside: float = 0.02) -> Tensor:
    """Weights (n, 1, *size) with which a decision looks at places: the part of them that is lung, else little.

    lung: logits (n, 1, h, w), from which no gradient is taken. Text, arrows and the picture's border thereby have
    hardly a say; where no lung is found all places count alike.
    """
    # not adaptive pooling, which ONNX has only for fixed sizes; size divides the input's
    steps = tuple(int(length) // int(wanted) for length, wanted in zip(lung.shape[-2:], size, strict=True))
    inside = F.avg_pool2d(lung.detach().float().sigmoid(), steps)
    return outside + (1 - outside) * inside


def reconstruction_errors(reconstruction: Tensor, image: Tensor) -> Tensor:
    """Mean absolute difference (n) of a reconstruction and the image (n, 2, h, w) brought to its size."""
    seen = F.adaptive_avg_pool2d(image.float(), reconstruction.shape[-2:])
    return (reconstruction.float() - seen).abs().mean((1, 2, 3))


def lung_window_errors(reconstruction: Tensor, image: Tensor) -> Tensor:
    """reconstruction_errors (n) of the lung window alone, which pictures and CTs in HU have alike.

    The soft-tissue window of a picture is black and redrawn without error, so that with it every CT would look unlike
    the pictures from which the limit comes.
    """
    return reconstruction_errors(reconstruction[:, :1], image[:, :1])


def predict(network, batch: Tensor) -> MultiOutputHeads:
    """A network's outputs for a batch (n, 2, h, w); of the reconstruction only its errors stay."""
    heads = network(batch)
    if heads.reconstruction is None:
        return heads
    return heads._replace(reconstruction=None, errors=lung_window_errors(heads.reconstruction, batch))
