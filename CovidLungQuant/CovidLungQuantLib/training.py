"""The training recipe of the CT networks: which images, in what mixture, for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from LesionKitLib.progress import Progress
from LesionKitLib.training import TrainingPlan, fit

from .augment import random_view
from .datasets import Sequence, hu_sequences, phantom_sequences, pseudo_sequences, sirm_sequences
from .frames import COARSE, FINE, Scale

PRETRAINED_RATE = 0.4  # of the learning rate, for the encoder


@dataclass(frozen=True)
class Mixture:
    """A batch: ``singles`` sirm100 slices and one run of ``length`` slices of the other sources, drawn by share."""

    singles: int = 8
    length: int = 4
    pseudo: float = 0.3
    volumes: float = 0.35
    phantoms: float = 0.35
    phantom_count: int = 32


@dataclass(frozen=True)
class Stage:
    """A part of the training: at which scale, and its plan."""

    scale: Scale
    plan: TrainingPlan


# the bundled model's recipe: coarse first, where a step costs little, then finer with lower learning rates
STAGES = (
    Stage(COARSE, TrainingPlan(steps=1100, horizon=2200)),
    Stage(FINE, TrainingPlan(steps=700, learning_rate=5e-4, warmup=30, check_every=175)),
)


def covid_sources(data: Path, mixture: Mixture, seed: int, scale: Scale) -> dict[str, list[Sequence]]:
    """Training sequences by source, only of rows whose split is train. data: holds sirm100, pseudo1600, volumes."""
    sources = {"sirm": sirm_sequences(data / "sirm100", scale=scale)}
    if mixture.pseudo and (data / "pseudo1600").exists():
        sources["pseudo"] = pseudo_sequences(data / "pseudo1600", scale=scale)
    if mixture.volumes and (data / "volumes").exists():
        sources["volumes"] = hu_sequences(data / "volumes", scale)
    if mixture.phantoms:
        sources["phantoms"] = phantom_sequences(mixture.phantom_count, seed, scale)
    return sources


def draw_batch(
    sources: dict[str, list[Sequence]], mixture: Mixture, rng: np.random.Generator, scale: Scale = FINE
) -> tuple[dict, list[int]]:
    """Tensors of all slices one after the other, and the length of each sequence."""
    import torch

    sirm = sources["sirm"]
    views = [random_view(sirm[rng.integers(len(sirm))], 1, rng, scale.frame) for _ in range(mixture.singles)]
    others = {name: getattr(mixture, name) for name in ("pseudo", "volumes", "phantoms") if name in sources}
    if others:
        shares = np.array(list(others.values())) / sum(others.values())
        pool = sources[list(others)[rng.choice(len(others), p=shares)]]
        views.append(random_view(pool[rng.integers(len(pool))], mixture.length, rng, scale.frame))
    lengths = [len(v["image"]) for v in views]
    batch = {key: torch.cat([v[key] for v in views]) for key in ("image", "lesion", "lung", "infected")}
    batch["weight"] = torch.cat([torch.full((len(v["image"]),), float(v["weight"])) for v in views])
    return batch, lengths


def train_convlstm(
    data: Path,
    output: Path,
    stages: tuple[Stage, ...] = STAGES,
    seed: int = 0,
    mixture: Mixture | None = None,
    device: str = "cpu",
    check: Callable | None = None,
    progress: Progress | None = None,
):
    """Train the ConvLSTM network on the public sets and phantoms; returns the averaged model in eval mode.

    output: receives a folder stage1, stage2, ... each with the resumable state and the curve. check(model): figures for
    the curve, which choose nothing.
    """
    import torch

    from LesionKitLib.networks.efficientnet_lite import load_imagenet_weights

    from .networks.convlstm import ConvLSTMNet

    mixture = mixture or Mixture()
    torch.manual_seed(seed)
    model = ConvLSTMNet()
    load_imagenet_weights(model.encoder)
    model = model.to(device, memory_format=torch.channels_last)
    for number, stage in enumerate(stages):
        sources = covid_sources(data, mixture, seed, stage.scale)
        # another seed for each stage, or it would repeat the draws of the one before
        stage = replace(stage, plan=replace(stage.plan, seed=seed + number))
        model = train_stage(model, stage, sources, mixture, output / f"stage{number + 1}", device, check, progress)
    return model


def train_stage(model, stage: Stage, sources, mixture: Mixture, folder: Path, device: str, check=None, progress=None):
    """Train ``model`` in place for one stage on given sources; returns it with averaged weights, in eval mode."""
    import torch

    from .networks.losses import segmentation_loss

    def draw(rng):
        return draw_batch(sources, mixture, rng, stage.scale)

    def loss_of(network, drawn):
        batch, lengths = drawn
        batch = {k: v.to(device) for k, v in batch.items()}
        heads = network(batch["image"].contiguous(memory_format=torch.channels_last), lengths)
        return segmentation_loss(heads, batch["lesion"], batch["lung"], batch["infected"], batch["weight"])

    fresh = [p for n, p in model.named_parameters() if not n.startswith("encoder.")]
    groups = [{"params": list(model.encoder.parameters()), "scale": PRETRAINED_RATE}, {"params": fresh}]
    return fit(model, groups, draw, loss_of, stage.plan, folder, device, check, progress)
