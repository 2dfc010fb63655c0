"""How the router's networks are trained: which images, in what mixture, for how long. The same for every network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from BodyPartRouterLib.networks.registry import NETWORKS
from LesionKitLib.run.progress import Progress
from LesionKitResearch.augmentation.non_xrays import other_contrast, random_picture
from LesionKitResearch.augmentation.router import random_aspect, random_view
from LesionKitResearch.datasets.router import (
    AGE_UNKNOWN,
    NONE,
    STRETCHED,
    LabeledXray,
    ct_pictures,
    ct_slices,
    ct_volume_slices,
    mr_head_slices,
    mr_slices,
    photographs,
)

from .curve import append_curve
from .loop import TrainingPlan, fit, learning_rate_factor

PRETRAINED_RATE = 0.4  # of the learning rate, for the encoder
SMOOTHING = 0.04  # of the labels
HEAD_PLAN = TrainingPlan(steps=2000, learning_rate=3e-3, warmup=50, weight_decay=1e-3, check_every=200)
HEAD_BATCH = 256  # feature vectors
MR_EVERY, CT_EVERY = 3, 3  # neighboring slices are alike
OTHER_CONTRAST = 0.35  # share of the slices shown with another contrast


@dataclass(frozen=True)
class Mixture:
    """A batch: ``xrays`` X-rays, classes and sources drawn by the root of their number, and ``none`` other pictures."""

    xrays: int = 18
    none: int = 6
    age_unknown: float = 0.6  # weight of chests whose age is not known
    made: float = 0.55  # of the other pictures: made by procedure; the rest are CT and MR slices


PLANS = {
    "efficientnet-lite0": TrainingPlan(steps=650, learning_rate=1e-3, ema=0.99, save_every=50, check_every=130),
    "light": TrainingPlan(
        steps=125, horizon=150, learning_rate=1.2e-3, warmup=20, ema=0.97, save_every=25, check_every=50
    ),  # from the trained router's first blocks
    "mobilenet": TrainingPlan(steps=900, learning_rate=2e-3, ema=0.99, save_every=50, check_every=150),
    "resnet18": TrainingPlan(steps=700, learning_rate=2e-3, ema=0.99, save_every=50, check_every=100),
}


@dataclass
class Pools:
    """What is drawn from: X-rays by class and source with their weights, slices, and all X-rays to lend gray values."""

    xrays: list[LabeledXray]
    slices: list[np.ndarray]
    weights: np.ndarray = field(init=False)

    def __post_init__(self):
        self.weights = sampling_weights(self.xrays, Mixture().age_unknown)


def sampling_weights(items: list[LabeledXray], age_unknown: float) -> np.ndarray:
    """Chance of each item: a class by the root of its number of images, then a source likewise; sums to 1."""
    by_class: dict[str, dict[str, int]] = {}
    for item in items:
        sources = by_class.setdefault(item.label, {})
        sources[item.source] = sources.get(item.source, 0) + 1
    weights = []
    for item in items:
        sources = by_class[item.label]
        share = np.sqrt(sources[item.source]) / sum(np.sqrt(n) for n in sources.values())
        weight = np.sqrt(sum(sources.values())) * share / sources[item.source]
        weights.append(weight * (age_unknown if item.label == AGE_UNKNOWN else 1.0))
    return np.array(weights) / sum(weights)


def slice_pool(data: Path) -> list[np.ndarray]:
    """CT and MR slices of the training split beside the folder of X-rays (../ct, ../mr), as far as they are there, and
    two photographs in parts."""
    ct, mr = data.parent / "ct", data.parent / "mr"
    return (
        ct_slices(ct, "train", CT_EVERY)
        + ct_pictures(ct / "classify", "train", CT_EVERY)
        + ct_volume_slices(ct / "volumes")
        + mr_slices(mr / "soop", "train", MR_EVERY)
        + mr_head_slices(mr, "train")
        + photographs() * 8
    )


def draw_batch(pools: Pools, mixture: Mixture, size: int, rng: np.random.Generator):
    """(gray (n, 1, size, size) float32, allowed (n, 6) float32: 1 for each class that would be right)."""
    import torch

    views, allowed = [], np.zeros((mixture.xrays + mixture.none, NONE + 1), np.float32)

    def any_gray() -> np.ndarray:
        return pools.xrays[rng.integers(len(pools.xrays))].gray

    for n, index in enumerate(rng.choice(len(pools.xrays), mixture.xrays, p=pools.weights)):
        item = pools.xrays[index]
        gray = random_aspect(item.gray, *STRETCHED[item.source], rng) if item.source in STRETCHED else item.gray
        views.append(random_view(gray, any_gray(), size, rng))
        allowed[n, list(item.allowed)] = 1
    for _ in range(mixture.none):
        if pools.slices and rng.random() > mixture.made:
            gray = pools.slices[rng.integers(len(pools.slices))]
            gray = other_contrast(gray, rng).astype(np.uint8) if rng.random() < OTHER_CONTRAST else gray
        else:
            gray = random_picture(rng, any_gray())
        views.append(random_view(gray, any_gray(), size, rng))
    allowed[mixture.xrays :, NONE] = 1
    return torch.from_numpy(np.stack(views)[:, None]), torch.from_numpy(allowed)


def initialize_encoder(model, source) -> None:
    """Start the encoder from the weights of the source's that bear the same names (transfer learning).

    A source of the same network gives its classes' weights too.
    """
    own, other = model.encoder.state_dict(), source.encoder.state_dict()
    model.encoder.load_state_dict({name: other[name] for name in own})
    if type(source) is type(model):
        model.classify.load_state_dict(source.classify.state_dict())


def loss(logits, allowed):
    """Cross-entropy with smoothing where any of the allowed classes is right, and the share of right answers."""
    import torch

    log_p = torch.log_softmax(logits.float(), 1)
    right = torch.logsumexp(log_p.masked_fill(allowed == 0, -torch.inf), 1)
    value = -((1 - SMOOTHING) * right + SMOOTHING * log_p.mean(1)).mean()
    hits = allowed.gather(1, logits.argmax(1, keepdim=True)).mean()
    return value, {"right": float(hits)}


def train_router(
    network: str,
    pools: Pools,
    output: Path,
    plan: TrainingPlan,
    mixture: Mixture | None = None,
    device: str = "cpu",
    check: Callable | None = None,
    progress: Progress | None = None,
    source=None,
):
    """Train a network of NETWORKS; returns the averaged model in eval mode. See LesionKitResearch.training.loop.fit.

    source: a trained network whose encoder begins like this one's; its first blocks are the start (else ImageNet's).
    """
    import torch

    entry, mixture = NETWORKS.entry(network), mixture or Mixture()
    torch.manual_seed(plan.seed)
    model = NETWORKS.build(network, **({"pretrained": True} if entry.pretrained else {}))
    if source is not None:
        initialize_encoder(model, source)
    model = model.to(device, memory_format=torch.channels_last)

    def draw(rng):
        return draw_batch(pools, mixture, entry.size, rng)

    def loss_of(net, batch):
        gray, allowed = batch[0].to(device), batch[1].to(device)
        return loss(net(gray.contiguous(memory_format=torch.channels_last)), allowed)

    if entry.pretrained:
        model.encoder.freeze_early()
    groups = [
        {
            "params": [p for p in model.encoder.parameters() if p.requires_grad],
            "scale": PRETRAINED_RATE if entry.pretrained else 1.0,
        },
        {"params": list(model.classify.parameters())},
    ]
    return fit(model, groups, draw, loss_of, plan, output, device, check, progress)


def train_head(
    model,
    pools: Pools,
    output: Path,
    plan: TrainingPlan,
    size: int,
    mixture: Mixture | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
):
    """Train the last layer of a trained network alone, on the features of plan.steps batches of views.

    The encoder stays as it is, so that every view passes through it once: minutes instead of hours. Writes curve.csv
    into ``output`` and returns the model in eval mode.
    """
    import torch

    mixture, progress = mixture or Mixture(), progress or Progress()
    model = model.to(device, memory_format=torch.channels_last).eval()
    features, allowed = [], []
    for step in range(plan.steps):
        gray, right = draw_batch(pools, mixture, size, np.random.default_rng([plan.seed, step]))
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=plan.bf16):
            gray = gray.to(device, memory_format=torch.channels_last)
            features.append(model.pooled(model.maps(gray)).float())
        allowed.append(right.to(device))
        progress.report("training", (step + 1) / plan.steps)
    _fit_last_layer(model, torch.cat(features).clone(), torch.cat(allowed), output, plan.seed)
    return model.eval()


def _fit_last_layer(model, features, allowed, output: Path, seed: int) -> None:
    """features: (n, channels); allowed: (n, 6), 1 for each class that would be right."""
    import torch

    output.mkdir(parents=True, exist_ok=True)
    (output / "curve.csv").unlink(missing_ok=True)
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(
        model.classify.parameters(), lr=HEAD_PLAN.learning_rate, weight_decay=HEAD_PLAN.weight_decay
    )
    model.dropout.train()
    losses, hits = [], []
    for step in range(HEAD_PLAN.steps):
        optimizer.param_groups[0]["lr"] = HEAD_PLAN.learning_rate * learning_rate_factor(step, HEAD_PLAN)
        chosen = torch.randint(len(features), (HEAD_BATCH,), device=features.device)
        value, figures = loss(model.logits(features[chosen]), allowed[chosen])
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        losses.append(value.item())
        hits.append(figures["right"])
        if (step + 1) % HEAD_PLAN.check_every == 0:
            append_curve(output, {"step": step + 1, "loss": np.mean(losses), "right": np.mean(hits)})
            losses, hits = [], []
