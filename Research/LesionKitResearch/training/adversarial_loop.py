"""Training of networks against each other, in the loop of training.loop: a GAN's rates, averages and steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.run.progress import Progress

from .loop import Plan, run_steps
from .state import Trainees


@dataclass(frozen=True)
class GanPlan(Plan):
    """steps: of the generator. Rates are constant until decay_from (share of the steps), then fall linearly to 0."""

    learning_rate: float = 2e-4
    ema: float = 0.995
    check_every: int = 100
    betas: tuple[float, float] = (0.5, 0.999)
    decay_from: float = 0.5
    batch: int = 1


def rate_factor(step: int, plan: GanPlan) -> float:
    """Share of the full learning rate at a step."""
    start = plan.decay_from * plan.steps
    return 1.0 if step < start else max(0.0, (plan.steps - step) / max(1.0, plan.steps - start))


def fit_gan(
    networks: dict,
    averaged: str,
    take_step: Callable[[int, np.random.Generator, dict, dict], dict[str, float]],
    plan: GanPlan,
    folder: Path,
    device: str = "cpu",
    progress: Progress | None = None,
    stateful: dict | None = None,
):
    """Train the networks (by name) in place; returns the state_dict of the averaged network's mean weights.

    take_step(step, rng, networks, optimizers): one step of all networks, with optimizers by the same names; returns
    figures for the curve. folder, stateful: as of loop.run_steps and loop.Trainees.
    """
    import torch

    optimizers = {
        name: torch.optim.Adam(network.parameters(), lr=plan.learning_rate, betas=plan.betas)
        for name, network in networks.items()
    }

    def take_autocast_step(step: int, rng: np.random.Generator) -> dict[str, float]:
        with torch.autocast(device, torch.bfloat16, enabled=plan.bf16):
            return take_step(step, rng, networks, optimizers)

    trainees = Trainees(networks, optimizers, averaged, stateful or {})
    return run_steps(
        trainees, take_autocast_step, plan, lambda step: rate_factor(step, plan), folder, progress=progress
    )


def descend(loss, *optimizers) -> None:
    """One step of the optimizers down a loss."""
    import torch

    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    with torch.autocast(loss.device.type, enabled=False):
        loss.backward()
    for optimizer in optimizers:
        optimizer.step()
