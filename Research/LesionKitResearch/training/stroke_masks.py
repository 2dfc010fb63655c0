"""Training the lesion-mask GAN from expert masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.measures import bounding_box
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke import MaskSet
from StrokeSynthLib.measurement.side import hemispheres_by_alignment, left_share
from StrokeSynthLib.synthesis.occupancy_grid import (
    MAX_ML,
    MIN_VOXELS,
    LesionBox,
    conditions_of,
    largest_components,
    lesion_box,
    to_occupancy,
)

from .adversarial_loop import GanPlan, descend, fit_gan

PLAN = GanPlan(
    steps=800, learning_rate=2e-4, betas=(0.0, 0.9), decay_from=0.6, batch=8, ema=0.99, save_every=50, check_every=50
)
CRITIC_STEPS = 2  # for each step of the generator; five in the paper's WGAN-GP
VIEWS = 6  # of each lesion, in boxes a little moved and stretched
SHIFT, STRETCH = 0.06, 0.12


@dataclass(frozen=True)
class BoxedLesions:
    """cells: uint8 (n, views, 32, 32, 32), 255 is full; conditions: float32 (n, views, 7), of these boxes;
    tight: float32 (n, 7), of the boxes as lesion_box gives them; left: share of lesions on the left."""

    cells: np.ndarray
    conditions: np.ndarray
    tight: np.ndarray
    left: float


def on_the_left(volume: Volume) -> tuple[Volume, str]:
    """The mask's largest components, mirrored to the left where they lie on the right, and the side that they lay on.

    volume: bool, in LPS order, its grid symmetric to the middle plane (as the public masks' is).
    """
    mask = largest_components(volume.array)
    hemispheres = hemispheres_by_alignment(mask.shape, volume.ijk_to_ras)
    side = "right" if mask.any() and left_share(hemispheres[mask]) < 0.5 else "left"
    return volume.with_array(mask[:, :, ::-1] if side == "right" else mask), side


def boxed_lesions(masks: MaskSet, seed: int = 0, views: int = VIEWS, progress: Progress | None = None) -> BoxedLesions:
    """All usable lesions of a set: MIN_VOXELS voxels to MAX_ML milliliters."""
    rng = np.random.default_rng(seed)
    cells, conditions, tight, left = [], [], [], []
    for number, volume in enumerate(masks):
        lesion, side = on_the_left(volume)
        ml = float(lesion.array.sum()) * lesion.voxel_ml
        if lesion.array.sum() < MIN_VOXELS or ml > MAX_ML:
            continue
        box = lesion_box(lesion.array, lesion)
        part = cropped(lesion)
        moved = [_moved(box, rng) for _ in range(views)]
        cells.append([np.rint(255 * to_occupancy(part.array, part, b)).astype(np.uint8) for b in moved])
        conditions.append([conditions_of(b, ml) for b in moved])
        tight.append(conditions_of(box, ml))
        left.append(side == "left")
        if progress:
            progress.report("cutting lesions out", (number + 1) / len(masks) * 0.999)
    return BoxedLesions(np.array(cells), np.array(conditions), np.array(tight), float(np.mean(left)))


def cropped(lesion: Volume) -> Volume:
    """The part of the grid that the mask takes up (LPS order); it must not be empty."""
    parts = bounding_box(lesion.array)
    matrix = lesion.ijk_to_ras.copy()
    matrix[:3, 3] = (matrix @ [parts[2].start, parts[1].start, parts[0].start, 1])[:3]
    return Volume(lesion.array[parts], matrix, lesion.name)


def train_mask_gan(
    lesions: BoxedLesions, output: Path, plan: GanPlan = PLAN, device: str = "cpu", progress: Progress | None = None
):
    """Train on the boxed lesions; returns the generator with averaged weights, in eval mode.

    output: folder for the resumable state and the curve.
    """
    import torch

    from LesionKitResearch.losses.adversarial import critic_loss
    from LesionKitResearch.networks.mask_critic import MaskCritic
    from StrokeSynthLib.networks.mask_gan import LATENT, MaskGenerator

    torch.manual_seed(plan.seed)
    networks = {"generator": MaskGenerator().to(device), "critic": MaskCritic().to(device)}

    def drawn(rng):
        rows = rng.integers(len(lesions.cells), size=plan.batch), rng.integers(lesions.cells.shape[1], size=plan.batch)
        real = torch.from_numpy(lesions.cells[rows]).to(device)[:, None].float() / 255
        return real, torch.from_numpy(lesions.conditions[rows]).to(device)

    def latent():
        return torch.randn(plan.batch, LATENT, device=device)

    def take_step(step, rng, networks, optimizers):
        generator, critic = networks["generator"], networks["critic"]
        for _ in range(CRITIC_STEPS):
            real, conditions = drawn(rng)
            with torch.no_grad():
                fake = generator(latent(), conditions)
            loss, distance = critic_loss(critic, real, fake, conditions)
            descend(loss, optimizers["critic"])
        _, conditions = drawn(rng)
        score = critic(generator(latent(), conditions), conditions).mean()
        descend(-score, optimizers["generator"])
        return {"loss": loss.item(), "distance": distance.item(), "score": score.item()}

    average = fit_gan(networks, "generator", take_step, plan, output, device, progress)
    generator = MaskGenerator()
    generator.load_state_dict(average)
    return generator.eval()


def _moved(box: LesionBox, rng: np.random.Generator) -> LesionBox:
    sides = box.sides * (1 + rng.uniform(0, STRETCH, 3))
    center = box.center + box.sides * rng.uniform(-SHIFT, SHIFT, 3)
    return LesionBox(center - sides / 2, center + sides / 2)
