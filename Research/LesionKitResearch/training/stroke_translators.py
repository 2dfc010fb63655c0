"""Training the image translators: Pix2Pix and SPADE on pairs, CycleGAN on labels and images of different patients.

As in Platscher et al. 2020 (arXiv 2010.02745): least-squares adversarial loss, L1 with weight 10, Adam 2e-4 with beta1
0.5, noise on what the discriminator sees, for CycleGAN a pool of 50 images. CycleGAN alone is told that a stroke is
brighter than white matter on FLAIR: without pairs, nothing else says which gray a lesion has.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke_image_pairs import Pairs
from StrokeSynthLib.labels import BACKGROUND, LABEL_COUNT, LESION, WHITE, one_hot
from StrokeSynthLib.networks.registry import build_generator
from StrokeSynthLib.networks.shapes import STYLE
from StrokeSynthLib.segmentation.slice_views import padded

from .adversarial_loop import GanPlan, descend, fit_gan
from .image_pool import ImagePool

PLANE_SHARES = {"axial": 0.5, "coronal": 0.3, "sagittal": 0.2}
L1_WEIGHT, CYCLE_WEIGHT = 10.0, 10.0
LESION_EMPHASIS = 4.0  # further weight of a lesion's pixels in L1: they are few
LESION_CONTRAST = 0.2  # by which a lesion is at least brighter than white matter, in grays of -1..1
CONTRAST_WEIGHT = 5.0
PLANS = {
    "pix2pix": GanPlan(steps=2400, batch=2),
    "spade": GanPlan(steps=1600, batch=2),
    "cyclegan": GanPlan(steps=1400, batch=1),
}


@dataclass(frozen=True)
class Batch:
    """Tensors: labels (n, LABEL_COUNT, h, w) one-hot; images (n, 1, h, w); noise and style as the generators ask."""

    labels: object
    images: object
    noise: object
    style: object


def draw_batch(pairs: dict[str, Pairs], count: int, rng: np.random.Generator, paired: bool = True) -> Batch:
    """Slices of one plane drawn at random, mirrored at random where mirroring keeps the plane's look.

    paired: False takes the images of other slices than the labels.
    """
    import torch

    shares = np.array([PLANE_SHARES[plane] for plane in pairs])
    chosen = pairs[str(rng.choice(list(pairs), p=shares / shares.sum()))]
    rows = rng.integers(len(chosen), size=count)
    others = rows if paired else (rows + rng.integers(1, max(2, len(chosen)), size=count)) % len(chosen)
    labels, images = chosen.labels[rows], chosen.images[others].astype(np.float32)
    if chosen.plane != "sagittal" and rng.random() < 0.5:
        labels, images = labels[..., ::-1], images[..., ::-1]
    labels, images = padded(labels, BACKGROUND), padded(images, -1.0)
    return Batch(
        torch.from_numpy(one_hot(labels)),
        torch.from_numpy(np.ascontiguousarray(images))[:, None],
        torch.from_numpy(rng.standard_normal((count, 1, *labels.shape[1:])).astype(np.float32)),
        torch.from_numpy(rng.standard_normal((count, STYLE)).astype(np.float32)),
    )


def train_translator(
    name: str,
    pairs: dict[str, Pairs],
    output: Path,
    plan: GanPlan | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
):
    """Train a translator; returns its generator with averaged weights, in eval mode. output: state and curve."""
    import torch

    plan = plan or PLANS[name]
    torch.manual_seed(plan.seed)
    networks, step_of, stateful = (_cycle_networks if name == "cyclegan" else _paired_networks)(name, plan)
    networks = {key: network.to(device) for key, network in networks.items()}

    def take_step(step, rng, networks, optimizers):
        batch = draw_batch(pairs, plan.batch, rng, paired=name != "cyclegan")
        batch = Batch(*(getattr(batch, field).to(device) for field in ("labels", "images", "noise", "style")))
        return step_of(step, batch, networks, optimizers, rng)

    average = fit_gan(networks, "generator", take_step, plan, output, device, progress, stateful)
    generator = build_generator(name)
    generator.load_state_dict(average)
    return generator.eval()


def weighted_l1(images, targets, labels):
    """Mean absolute difference, lesions emphasised. labels: one-hot."""
    weights = 1 + LESION_EMPHASIS * labels[:, LESION.value : LESION.value + 1]
    return ((images - targets).abs() * weights).mean()


def missing_contrast(images, labels):
    """By how much lesions fall short of being LESION_CONTRAST brighter than the white matter of their slice (mean).

    images: (n, 1, h, w); labels: (n, LABEL_COUNT, h, w), one-hot or probabilities. Slices with next to no lesion or
    white matter have no contrast.
    """
    lesion, white = (labels[:, kind.value : kind.value + 1].float() for kind in (LESION, WHITE))
    grays = [(images * share).sum((1, 2, 3)) / share.sum((1, 2, 3)).clamp(min=1) for share in (lesion, white)]
    held = (lesion.sum((1, 2, 3)) >= 1) & (white.sum((1, 2, 3)) >= 1)
    return ((LESION_CONTRAST - grays[0] + grays[1]).clamp(min=0) * held).mean()


def _paired_networks(name: str, plan: GanPlan):
    import torch

    from LesionKitResearch.losses.adversarial import discriminator_loss, generator_loss, with_instance_noise
    from LesionKitResearch.networks.patch_discriminator import PatchDiscriminator

    def step_of(step, batch, networks, optimizers, rng):
        generator, discriminator = networks["generator"], networks["discriminator"]

        def score(images):
            seen = with_instance_noise(images, step, plan.steps)
            return discriminator(torch.cat([batch.labels, seen], 1))

        fake = generator(batch.labels, batch.noise, batch.style)
        against = discriminator_loss(score(batch.images), score(fake.detach()))
        descend(against, optimizers["discriminator"])
        adversarial = generator_loss(score(fake))
        distance = weighted_l1(fake, batch.images, batch.labels)
        descend(adversarial + L1_WEIGHT * distance, optimizers["generator"])
        return {"loss": distance.item(), "adversarial": adversarial.item(), "discriminator": against.item()}

    return {"generator": build_generator(name), "discriminator": PatchDiscriminator(LABEL_COUNT + 1)}, step_of, {}


def _cycle_networks(name: str, plan: GanPlan):
    """The labels' discriminator sees one-hot maps and softmax maps."""
    from torch.nn import functional as F

    from LesionKitResearch.losses.adversarial import discriminator_loss, generator_loss, with_instance_noise
    from LesionKitResearch.networks.labeler import Labeler
    from LesionKitResearch.networks.patch_discriminator import PatchDiscriminator

    image_pool, label_pool = ImagePool(), ImagePool()

    def step_of(step, batch, networks, optimizers, rng):
        generator, labeler = networks["generator"], networks["labeler"]
        of_images, of_labels = networks["of_images"], networks["of_labels"]

        def score(judge, pictures):
            return judge(with_instance_noise(pictures, step, plan.steps))

        fake = generator(batch.labels, batch.noise, batch.style)
        guess = labeler(batch.images).softmax(1)
        labels_again = F.cross_entropy(labeler(fake), batch.labels.argmax(1))
        image_again = (generator(guess, batch.noise, batch.style) - batch.images).abs().mean()
        adversarial = generator_loss(score(of_images, fake)) + generator_loss(score(of_labels, guess))
        contrast = missing_contrast(fake, batch.labels) + missing_contrast(batch.images, guess)
        cycle = CYCLE_WEIGHT * (0.1 * labels_again + image_again)
        descend(adversarial + cycle + CONTRAST_WEIGHT * contrast, optimizers["generator"], optimizers["labeler"])
        judged = 0.0
        for judge, real, made, pool in (
            ("of_images", batch.images, fake, image_pool),
            ("of_labels", batch.labels, guess, label_pool),
        ):
            shown = pool.exchange(made, rng)
            loss = discriminator_loss(score(networks[judge], real), score(networks[judge], shown))
            descend(loss, optimizers[judge])
            judged += loss.item()
        return {
            "loss": image_again.item(), "labels": labels_again.item(), "adversarial": adversarial.item(),
            "discriminator": judged, "contrast": contrast.item(),
        }  # fmt: skip

    networks = {
        "generator": build_generator(name),
        "labeler": Labeler(),
        "of_images": PatchDiscriminator(1),
        "of_labels": PatchDiscriminator(LABEL_COUNT),
    }
    return networks, step_of, {"image_pool": image_pool, "label_pool": label_pool}
