"""Training the brain extraction network on heads made from label maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from LesionKitLib.run.progress import Progress
from LesionKitResearch.augmentation.heads import Anatomy, anatomy_of, random_head
from LesionKitResearch.datasets.stroke import read_label_maps

from .loop import TrainingPlan, fit

PLAN = TrainingPlan(steps=1600, learning_rate=2e-3, warmup=50, ema=0.99, save_every=100, check_every=200)
BATCH = 2


def read_anatomies(folder: Path, split: str = "train") -> list[Anatomy]:
    """The heads of the folder synthseg_labels."""
    return [anatomy_of(volume.array) for volume in read_label_maps(folder, split, skull=True)]


def draw_batch(anatomies: Sequence[Anatomy], rng: np.random.Generator, count: int = BATCH) -> dict:
    """Tensors image and occupancy, (count, 1, k, j, i)."""
    import torch

    samples = [random_head(anatomies[rng.integers(len(anatomies))], rng) for _ in range(count)]
    image, occupancy = (torch.from_numpy(np.stack(part))[:, None] for part in zip(*samples, strict=True))
    return {"image": image, "occupancy": occupancy}


def train_brain_extraction(
    anatomies: Sequence[Anatomy],
    output: Path,
    plan: TrainingPlan = PLAN,
    device: str = "cpu",
    check: Callable | None = None,
    progress: Progress | None = None,
):
    """Train the network; returns it with averaged weights, in eval mode. output: folder for state and curve."""
    import torch

    from LesionKitResearch.losses.brain_extraction import extraction_loss
    from StrokeSynthLib.networks.brain_extraction import BrainExtractionNet

    torch.manual_seed(plan.seed)
    model = BrainExtractionNet().to(device)

    def loss_of(network, batch):
        return extraction_loss(network(batch["image"].to(device)), batch["occupancy"].to(device))

    def draw(rng):
        return draw_batch(anatomies, rng)

    return fit(model, [{"params": list(model.parameters())}], draw, loss_of, plan, output, device, check, progress)
