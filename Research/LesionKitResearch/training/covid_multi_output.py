"""The training recipe of the networks that also decide: masks and decisions from data sets that each hold one of them.

A batch mixes slices with lesion masks (the same sources as the ConvLSTM network's, one slice at a time) and pictures
with nothing but a label for the whole slice. The latter differ by source and style, so that style must not help: source
and label are drawn independently of each other, and the pictures are changed strongly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from LesionKitLib.run.progress import Progress
from LesionKitResearch.augmentation.covid import random_view
from LesionKitResearch.datasets.covid import Sequence
from LesionKitResearch.datasets.covid_decisions import decision_of, decision_sequences

from .covid import PRETRAINED_RATE, Mixture, collate, covid_sources, draw_views
from .loop import TrainingPlan, fit

FRAME = (192, 256)  # what training sees: frames as the networks' inputs, cut closer around the lungs, to save time


@dataclass(frozen=True)
class MultiOutputMixture:
    """A batch: slices with masks as ``masks`` says, and ``pictures`` slices with a label for the whole."""

    masks: Mixture = field(
        default_factory=lambda: Mixture(
            singles=5, runs=3, length=1, pseudo=0.2, volumes=0.5, phantoms=0.3, phantom_count=16
        )
    )
    pictures: int = 6


PLANS = {
    "jcs": TrainingPlan(steps=800, warmup=50, ema=0.995, check_every=125, save_every=25),
    "multitask": TrainingPlan(steps=480, warmup=50, ema=0.995, check_every=125, save_every=25),
}


@dataclass(frozen=True)
class MultiOutputSources:
    """masked: as training.covid_sources; pictures: (source, label) -> slices; diagnoses: of a volume's source."""

    masked: dict[str, list[Sequence]]
    pictures: dict[tuple[str, int], list[Sequence]]
    diagnoses: dict[str, str]


def multi_output_sources(data: Path, mixture: MultiOutputMixture, seed: int) -> MultiOutputSources:
    """Training slices of rows whose split is train, less the patients held out. data: sirm100, classify, ..."""
    masked = covid_sources(data, mixture.masks, seed)
    pictures = decision_sequences(data / "classify") if (data / "classify").exists() else {}
    return MultiOutputSources(masked, pictures, _diagnoses(data / "volumes") if "volumes" in masked else {})


def _diagnoses(folder: Path) -> dict[str, str]:
    import pandas as pd

    table = pd.read_csv(folder / "labels.csv").drop_duplicates("id")
    return {f"volumes/{name}": str(diagnosis) for name, diagnosis in zip(table["id"], table["diagnosis"], strict=True)}


def draw_multi_output_batch(sources: MultiOutputSources, mixture: MultiOutputMixture, rng: np.random.Generator) -> dict:
    """Tensors as networks.losses.multi_output_loss takes them."""
    import torch

    views = draw_views(sources.masked, mixture.masks, rng, FRAME)
    batch, _ = collate(views)
    covid = [decision_of(v["source"], sources.diagnoses, v["lesion"].numpy(), v["infected"].numpy()) for v in views]
    batch["covid"] = torch.from_numpy(np.concatenate(covid))
    if not sources.pictures:
        return batch
    extra = [_picture_view(sources.pictures, n % 2, rng) for n in range(mixture.pictures)]
    return {key: torch.cat([batch[key], *(view[key] for view in extra)]) for key in batch}


def _picture_view(pictures: dict[tuple[str, int], list[Sequence]], covid: int, rng: np.random.Generator) -> dict:
    import torch

    names = sorted(name for name, label in pictures if label == covid)
    pool = pictures[names[rng.integers(len(names))], covid]
    view = random_view(pool[rng.integers(len(pool))], 1, rng, FRAME)
    view["image"] = disguise(view["image"], rng)
    return view | {"covid": torch.tensor([covid]), "weight": torch.zeros(1)}


def disguise(image, rng: np.random.Generator):
    """Hide a picture's style: another tone curve, black or white borders, marks like text on (t, 2, h, w).

    The second channel stays as it is.
    """
    gray = image[:, :1]
    knots = np.sort(np.clip(np.linspace(0, 1, 5) + rng.normal(0, 0.06, 5), 0, 1))
    gray = _tone(gray, knots)
    height, width = gray.shape[-2:]
    shade = float(rng.choice([0.0, 0.0, 1.0, rng.random()]))
    for side in range(4):
        if rng.random() < 0.25:
            size = int(rng.uniform(0, 0.12) * (height if side < 2 else width))
            gray = gray.clone()
            if side < 2:
                gray[..., slice(0, size) if side == 0 else slice(height - size, height), :] = shade
            else:
                gray[..., slice(0, size) if side == 2 else slice(width - size, width)] = shade
    for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.5 else 0):
        top, left = int(rng.integers(height - 8)), int(rng.integers(width - 24))
        gray = gray.clone()
        gray[..., top : top + int(rng.integers(2, 8)), left : left + int(rng.integers(4, 24))] = float(rng.random())
    image = image.clone()
    image[:, :1] = gray
    return image


def _tone(gray, knots: np.ndarray):
    """Piecewise linear curve through equally spaced knots."""
    import torch

    curve = torch.from_numpy(knots.astype(np.float32))
    place = gray.clamp(0, 1) * (len(knots) - 1)
    low = place.floor().long().clamp(max=len(knots) - 2)
    return curve[low] + (place - low) * (curve[low + 1] - curve[low])


def build(name: str):
    """The network of that name with ImageNet weights in its encoder, and that encoder."""
    from CovidLungQuantLib.networks.registry import NETWORKS
    from LesionKitLib.models.encoders.efficientnet_lite import load_imagenet_weights

    model = NETWORKS.build(name)
    encoder = model.classifier.encoder if name == "jcs" else model.encoder
    load_imagenet_weights(encoder)
    return model, encoder


def train_multi_output(
    name: str,
    data: Path,
    output: Path,
    plan: TrainingPlan | None = None,
    mixture: MultiOutputMixture | None = None,
    device: str = "cpu",
    check: Callable | None = None,
    progress: Progress | None = None,
):
    """Train "jcs" or "multitask" on the public sets and phantoms; returns the averaged model in eval mode.

    Arguments as of training.train_convlstm.
    """
    import torch

    from LesionKitResearch.losses.covid import multi_output_loss

    plan, mixture = plan or PLANS[name], mixture or MultiOutputMixture()
    torch.manual_seed(plan.seed)
    model, encoder = build(name)
    model = model.to(device, memory_format=torch.channels_last)
    sources = multi_output_sources(data, mixture, plan.seed)

    def draw(rng):
        return draw_multi_output_batch(sources, mixture, rng)

    def loss_of(network, batch):
        batch = {k: v.to(device) for k, v in batch.items()}
        return multi_output_loss(network(batch["image"].contiguous(memory_format=torch.channels_last)), batch)

    pretrained = {id(p) for p in encoder.parameters()}
    fresh = [p for p in model.parameters() if id(p) not in pretrained]
    groups = [{"params": list(encoder.parameters()), "scale": PRETRAINED_RATE}, {"params": fresh}]
    return fit(model, groups, draw, loss_of, plan, output, device, check, progress)
