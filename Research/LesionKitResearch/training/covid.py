"""The training recipe of the CT networks: which images, in what mixture, for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CovidLungQuantLib.segmentation.frames import FRAME
from LesionKitLib.run.progress import Progress
from LesionKitResearch.augmentation.covid import random_view
from LesionKitResearch.datasets.covid import Sequence, hu_sequences, phantom_sequences, pseudo_sequences, sirm_sequences
from LesionKitResearch.datasets.covid_masks import effusion_sequences, masked_sequences, masked_slices

from .loop import TrainingPlan, fit
from .pseudo_labels import load_pseudo_labeler

PRETRAINED_RATE = 0.4  # of the learning rate, for the encoder


@dataclass(frozen=True)
class Mixture:
    """A batch: ``singles`` sirm100 slices, ``masked`` single slices of medseg9 and ct20 in turn, and ``runs`` of
    ``length`` neighboring slices of the other sources, drawn by share.

    pseudo: share of pseudo1600, whose masks a model made; its patients have masks of radiologists in ct20.
    pseudo_labeler: installed networks that tell the kinds of lesion of pseudo1600's slices, "" for none.
    held_back: training patients of medseg9 and ct20 that nothing is learned from, so that a choice can be made on them.
    """

    singles: int = 4
    masked: int = 4
    runs: int = 2
    length: int = 3
    pseudo: float = 0.0
    ct20: float = 0.2
    medseg9: float = 0.15
    plethora: float = 0.2
    volumes: float = 0.2
    phantoms: float = 0.25
    phantom_count: int = 72
    pseudo_labeler: str = ""
    held_back: tuple[str, ...] = ()


PLAN = TrainingPlan(steps=1200, check_every=200)
# After it a short part with more Hounsfield units: pictures alone do not teach what effusion is.
FINISH_PLAN = TrainingPlan(steps=200, seed=1, learning_rate=5e-4, warmup=20, ema=0.98, save_every=50, check_every=50)
FINISH = {"singles": 3, "masked": 3, "runs": 3, "ct20": 0.1, "medseg9": 0.1, "volumes": 0.3, "phantoms": 0.3}
# A network that is trained already goes on with masks by radiologists, more slowly, and with more slices of sirm100.
FINE_TUNE_PLAN = TrainingPlan(
    steps=300, seed=2, learning_rate=3e-4, warmup=40, ema=0.99, save_every=50, check_every=150
)
FINE_TUNE = {"singles": 6, "ct20": 0.15, "medseg9": 0.1, "plethora": 0.25, "held_back": ("corona004", "radiop27")}
RUNS = ("pseudo", "ct20", "medseg9", "plethora", "volumes", "phantoms")
MASKED = ("medseg9", "ct20")


def covid_sources(data: Path, mixture: Mixture, seed: int) -> dict[str, list[Sequence]]:
    """Training sequences by source, only of rows whose split is train. data: holds sirm100 and whichever others."""
    sources = {"sirm": sirm_sequences(data / "sirm100")}
    readers = {
        "pseudo": ("pseudo1600", lambda folder: pseudo_sequences(folder, pseudo_labeler=_labeler(mixture))),
        "ct20": ("ct20", lambda folder: masked_sequences(folder, mixture.held_back)),
        "medseg9": ("medseg9", lambda folder: masked_sequences(folder, mixture.held_back)),
        "plethora": ("plethora", effusion_sequences),
        "volumes": ("volumes", hu_sequences),
    }
    for name, (folder, read) in readers.items():
        if getattr(mixture, name) and (data / folder).exists():
            sources[name] = read(data / folder)
    if mixture.masked:
        sources |= {
            f"{name} slices": masked_slices(data / name, mixture.held_back) for name in MASKED if (data / name).exists()
        }
    if mixture.phantoms:
        sources["phantoms"] = phantom_sequences(mixture.phantom_count, seed)
    return {name: sequences for name, sequences in sources.items() if sequences}


def _labeler(mixture: Mixture):
    return load_pseudo_labeler(mixture.pseudo_labeler) if mixture.pseudo_labeler else None


def draw_batch(
    sources: dict[str, list[Sequence]], mixture: Mixture, rng: np.random.Generator
) -> tuple[dict, list[int]]:
    """Tensors of all slices one after the other, and the length of each sequence."""
    return collate(draw_views(sources, mixture, rng))


def draw_views(
    sources: dict[str, list[Sequence]], mixture: Mixture, rng: np.random.Generator, frame: tuple[int, int] = FRAME
) -> list[dict]:
    """The random views of a batch, of frame's height and width."""
    sirm = sources["sirm"]
    views = [random_view(sirm[rng.integers(len(sirm))], 1, rng, frame) for _ in range(mixture.singles)]
    pools = [sources[f"{name} slices"] for name in MASKED if f"{name} slices" in sources]
    for n in range(mixture.masked if pools else 0):
        pool = pools[n % len(pools)]
        views.append(random_view(pool[rng.integers(len(pool))], 1, rng, frame))
    others = {name: getattr(mixture, name) for name in RUNS if name in sources}
    if others:
        shares = np.array(list(others.values())) / sum(others.values())
        for n in rng.choice(len(others), mixture.runs, p=shares):
            pool = sources[list(others)[n]]
            views.append(random_view(pool[rng.integers(len(pool))], mixture.length, rng, frame))
    return views


def collate(views: list[dict]) -> tuple[dict, list[int]]:
    """Tensors of the slices of all views one after the other, and the length of each view."""
    import torch

    lengths = [len(v["image"]) for v in views]
    batch = {key: torch.cat([v[key] for v in views]) for key in ("image", "lesion", "lung", "infected")}
    batch["weight"] = torch.cat([torch.full((len(v["image"]),), float(v["weight"])) for v in views])
    return batch, lengths


def train_convlstm(
    data: Path,
    output: Path,
    plan: TrainingPlan = PLAN,
    mixture: Mixture | None = None,
    device: str = "cpu",
    check: Callable | None = None,
    progress: Progress | None = None,
    start=None,
):
    """Train the ConvLSTM network on the public sets and phantoms; returns the averaged model in eval mode.

    output: folder for the resumable state and the curve. check(model): figures for the curve, which choose nothing.
    start: a trained network to go on with; without one the encoder has ImageNet's weights.
    """
    import torch

    from CovidLungQuantLib.networks.convlstm import ConvLSTMNet
    from LesionKitLib.models.encoders.efficientnet_lite import load_imagenet_weights
    from LesionKitResearch.losses.covid import segmentation_loss

    mixture = mixture or Mixture()
    torch.manual_seed(plan.seed)
    model = start or ConvLSTMNet()
    if start is None:
        load_imagenet_weights(model.encoder)
    model = model.to(device, memory_format=torch.channels_last)
    sources = covid_sources(data, mixture, plan.seed)

    def draw(rng):
        return draw_batch(sources, mixture, rng)

    def loss_of(network, drawn):
        batch, lengths = drawn
        batch = {k: v.to(device) for k, v in batch.items()}
        heads = network(batch["image"].contiguous(memory_format=torch.channels_last), lengths)
        return segmentation_loss(heads, batch["lesion"], batch["lung"], batch["infected"], batch["weight"])

    fresh = [p for n, p in model.named_parameters() if not n.startswith("encoder.")]
    groups = [{"params": list(model.encoder.parameters()), "scale": PRETRAINED_RATE}, {"params": fresh}]
    return fit(model, groups, draw, loss_of, plan, output, device, check, progress)
