"""The part that all networks share: averages the last feature maps, weighs the classes, and knows their usual place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 5
OUTPUTS = CLASSES + 1  # and "no X-ray of these"
MEAN, SCALE = 0.5, 0.25  # of the gray values 0..1
DIRECTIONS = 48  # of the feature space in which distances are measured


class FeatureSpace(nn.Module):
    """Where the features of the training images of each class lie (Mahalanobis distance, Lee 2018, arXiv 1807.03888).

    One covariance within classes for all. Filled after training; before that every distance is 0.
    """

    def __init__(self, channels: int, directions: int = DIRECTIONS):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("projection", torch.zeros(channels, directions))
        self.register_buffer("centres", torch.zeros(CLASSES, directions))  # the name in the files of weights

    def fit(self, features: Tensor, labels: Tensor) -> None:
        """features: (n, channels) of training images; labels: (n,) numbers of their classes, all of which occur."""
        features = features.double()
        means = torch.stack([features[labels == n].mean(0) for n in range(CLASSES)])
        within = features - means[labels]
        values, vectors = torch.linalg.eigh(within.T @ within / len(features))
        values, vectors = values.flip(0)[: len(self.centres[0])], vectors.flip(1)[:, : len(self.centres[0])]
        self.mean.copy_(features.mean(0))
        self.projection.copy_(vectors / (values + 0.01 * values.mean()).sqrt())
        self.centres.copy_((means - features.mean(0)) @ self.projection.double())

    def distance(self, features: Tensor) -> Tensor:
        """(n, channels) -> (n,): to the nearest center, about 1 for training images."""
        places = (features - self.mean) @ self.projection
        return torch.cdist(places, self.centres).amin(1) / self.centres.shape[1] ** 0.5


class BodyPartNet(nn.Module):
    """An encoder with a head. The encoder gives feature maps (n, channels, h, w) for (n, 3, size, size).

    forward: gray (n, 1, size, size) in 0..1 -> logits (n, 6).
    """

    def __init__(self, encoder: nn.Module, channels: int, dropout: float = 0.2):
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(channels, OUTPUTS)
        self.space = FeatureSpace(channels)

    def maps(self, gray: Tensor) -> Tensor:
        """Feature maps (n, channels, h, w)."""
        return self.encoder(((gray - MEAN) / SCALE).expand(-1, 3, -1, -1))

    def pooled(self, maps: Tensor) -> Tensor:
        """Features of the whole image (n, channels), float32."""
        return maps.float().mean((2, 3))

    def logits(self, pooled: Tensor) -> Tensor:
        """(n, 6), float32 also within autocast."""
        with torch.autocast(pooled.device.type, enabled=False):
            return self.classify(self.dropout(pooled))

    def forward(self, gray: Tensor) -> Tensor:
        return self.logits(self.pooled(self.maps(gray)))

    def describe(self, gray: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, 6) and distances from the training images (n,), in eval mode."""
        pooled = self.pooled(self.maps(gray))
        with torch.autocast(pooled.device.type, enabled=False):
            return self.classify(pooled), self.space.distance(pooled)

    def class_maps(self, gray: Tensor) -> Tensor:
        """How much each place speaks for each class, (n, 6, h, w).

        For an average followed by linear weights, Grad-CAM (Selvaraju 2017, arXiv 1610.02391) is this weighted sum of
        the maps (section 3.1 there), so no gradient is needed.
        """
        maps = self.maps(gray).float()
        with torch.autocast(maps.device.type, enabled=False):
            return torch.einsum("nchw,kc->nkhw", maps, self.classify.weight)
