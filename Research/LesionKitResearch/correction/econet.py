"""An online likelihood network on scribbles, after ECONet: one convolution and two dense layers, learned in seconds.

After Asad et al. 2022 (arXiv 2201.04584): patches of gray values about the scribbles' voxels, a cross-entropy weighted
against the classes' numbers; the automatic result is mixed in by distance, as in MONet (Asad et al. 2023, arXiv
2303.13696). Written from the papers, small; their graph cut is a Gaussian here.
"""

from __future__ import annotations

import numpy as np

from LesionKitLib.correction.evidence import Evidence
from LesionKitLib.correction.influence import distance_from, speed_of
from LesionKitLib.correction.online_likelihood import UNMARKED

KERNEL, FILTERS, HIDDEN = 9, 16, (32, 16)
STEPS, RATE = 60, 0.01
REACH_MM, EDGE_WEIGHT, SMOOTH_MM = 45.0, 1.3, 1.6
LEAST_INFLUENCE = 0.02
MAX_SCRIBBLE = 600  # voxels of one class


class OnlineNetwork:
    """Labels after strokes, for one picture (h, w)."""

    def __init__(self, gray: np.ndarray, evidence: Evidence, labels: np.ndarray, spacing: float):
        self.spacing, self.prior, self.labels = spacing, evidence.log_prior, labels
        self.gray = ((gray - gray.mean()) / (gray.std() + 1e-3)).astype(np.float32)
        self.speed = speed_of(evidence.features[:1], EDGE_WEIGHT, (spacing, spacing))

    def correct(self, strokes: np.ndarray) -> np.ndarray:
        """Labels (h, w) uint8 after strokes (h, w; class or UNMARKED)."""
        import torch
        from scipy import ndimage

        drawn = strokes > UNMARKED
        limit = -REACH_MM * np.log(LEAST_INFLUENCE)
        distance = distance_from(drawn, self.speed, (self.spacing,) * 2, limit)
        influence = np.exp(-distance / REACH_MM)
        places, classes = self._scribbles(strokes)
        if len(np.unique(classes)) < 2:
            return np.where(drawn, strokes, self.labels).astype(np.uint8)
        torch.manual_seed(0)
        network = self._learned(places, classes)
        image = torch.from_numpy(self.gray)[None, None]
        with torch.inference_mode():
            likelihood = network(image)[0].softmax(0).numpy()
        mixed = influence * likelihood + (1 - influence) * np.exp(self.prior)
        mixed = np.stack([ndimage.gaussian_filter(part, SMOOTH_MM / self.spacing) for part in mixed])
        found = np.where(influence > LEAST_INFLUENCE, mixed.argmax(0), self.labels)
        return np.where(drawn, strokes, found).astype(np.uint8)

    def _scribbles(self, strokes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Voxels to learn from: the strokes, and for a class without one what the automatic result is sure of."""
        rng = np.random.default_rng(0)
        places, classes = [], []
        for value in range(len(self.prior)):
            at = np.flatnonzero(strokes == value)
            if not len(at):
                at = np.flatnonzero((np.exp(self.prior[value]) > 0.9) & (strokes == UNMARKED))
            if len(at):
                at = rng.choice(at, min(len(at), MAX_SCRIBBLE), replace=False)
                places.append(at)
                classes.append(np.full(len(at), value))
        return np.concatenate(places), np.concatenate(classes)

    def _learned(self, places: np.ndarray, classes: np.ndarray):
        import torch
        from torch import nn

        count = len(self.prior)
        network = nn.Sequential(
            nn.Conv2d(1, FILTERS, KERNEL, padding=KERNEL // 2), nn.ReLU(),
            nn.Conv2d(FILTERS, HIDDEN[0], 1), nn.ReLU(),
            nn.Conv2d(HIDDEN[0], HIDDEN[1], 1), nn.ReLU(),
            nn.Conv2d(HIDDEN[1], count, 1),
        )  # fmt: skip
        half = KERNEL // 2
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(self.gray, half), (KERNEL, KERNEL))
        rows, columns = np.unravel_index(places, self.gray.shape)
        patches = torch.from_numpy(np.ascontiguousarray(windows[rows, columns]))[:, None]
        wanted = torch.from_numpy(classes.astype(np.int64))
        weights = torch.tensor([1 / max(1, int((classes == value).sum())) for value in range(count)])
        optimizer = torch.optim.Adam(network.parameters(), RATE)
        loss = nn.CrossEntropyLoss(weights / weights.sum())
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss(network(patches)[:, :, half, half], wanted).backward()
            optimizer.step()
        return network.eval()
