"""The training loop: it can be stopped and resumed, gives the same result for the same seed, and writes its curve.

Every step draws its samples from a random generator seeded with (seed, step): a resumed run continues exactly as an
uninterrupted one, without storing any generator's state. Weights are averaged over the steps (EMA); the mean is kept.
``fit`` trains one network on a loss; adversarial_loop.fit_gan trains networks against each other. Both run in
``run_steps``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.run.allocator import retain_freed_memory
from LesionKitLib.run.progress import Progress

from .curve import append_curve, cut_curve
from .state import Trainees, load_state, save_state

MODEL = "model"  # the name of the one network that fit trains


@dataclass(frozen=True)
class Plan:
    """What every training has. steps: in all; ema: share of the old mean weights at each step."""

    steps: int
    seed: int = 0
    learning_rate: float = 1e-3
    ema: float = 0.998
    save_every: int = 100
    check_every: int = 250
    bf16: bool = True


@dataclass(frozen=True)
class TrainingPlan(Plan):
    """steps: optimizer steps in all; rates rise linearly over warmup steps, then fall as a half cosine to 1 %."""

    horizon: int = 0  # where the cosine would end; 0: at steps. With a later one, training is stopped early
    weight_decay: float = 1e-4
    warmup: int = 100
    clip: float = 1.0


def learning_rate_factor(step: int, plan: TrainingPlan) -> float:
    """Share of the full learning rate at a step."""
    if step < plan.warmup:
        return (step + 1) / plan.warmup
    done = (step - plan.warmup) / max(1, (plan.horizon or plan.steps) - plan.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * min(1.0, done)))


def run_steps(
    trainees: Trainees,
    take_step: Callable[[int, np.random.Generator], dict[str, float]],
    plan: Plan,
    rate_factor: Callable[[int], float],
    folder: Path,
    check: Callable[[object], dict[str, float]] | None = None,
    progress: Progress | None = None,
) -> dict:
    """All steps of a plan that are not done yet; returns the averaged network's mean weights (a state_dict).

    take_step(step, rng): updates the networks and returns figures for the curve. rate_factor(step): share of the full
    learning rate. check(network): figures of the averaged network, every plan.check_every steps; they go to the curve
    and choose nothing. folder: receives the resumable state and curve.csv; an existing state of the same plan is
    continued, another plan's raises UnusableInput.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    retain_freed_memory()
    progress = progress or Progress()
    full_rates = [group["lr"] for optimizer in trainees.optimizers.values() for group in optimizer.param_groups]
    start = load_state(trainees, plan, folder)
    cut_curve(folder, start)
    rows: dict[str, list[float]] = {}
    clock = time.monotonic()
    for step in range(start, plan.steps):
        groups = [group for optimizer in trainees.optimizers.values() for group in optimizer.param_groups]
        for group, rate in zip(groups, full_rates, strict=True):
            group["lr"] = rate * rate_factor(step)
        torch.manual_seed(plan.seed * 1_000_003 + step)
        for network in trainees.networks.values():
            network.train()
        for name, value in take_step(step, np.random.default_rng([plan.seed, step])).items():
            rows.setdefault(name, []).append(value)
        current = trainees.networks[trainees.averaged].state_dict()
        update_average(trainees.average, current, min(plan.ema, (1 + step) / (10 + step)))
        last = step + 1 == plan.steps
        if last or (step + 1) % plan.check_every == 0:
            figures = _check_average(trainees, check) if check else {}
            means = {k: float(np.mean(v)) for k, v in rows.items()}
            append_curve(folder, {"step": step + 1, "seconds": time.monotonic() - clock, **means, **figures})
            rows, clock = {}, time.monotonic()
        if last or (step + 1) % plan.save_every == 0:
            save_state(trainees, step + 1, plan, folder)
        progress.report("training", (step + 1) / plan.steps)
    return trainees.average


def fit(
    model,
    groups: list[dict],
    draw: Callable[[np.random.Generator], object],
    loss_of: Callable[[object, object], tuple[object, dict[str, float]]],
    plan: TrainingPlan,
    folder: Path,
    device: str = "cpu",
    check: Callable[[object], dict[str, float]] | None = None,
    progress: Progress | None = None,
):
    """Train ``model`` in place and return it holding the averaged weights, in eval mode.

    groups: parameter groups for AdamW, each with "params" and optionally "scale" (of the learning rate).
    draw(rng): a batch. loss_of(model, batch): the loss tensor and its named parts for the curve.
    folder, check, progress: as of run_steps.
    """
    import torch

    groups = [{"params": g["params"], "lr": plan.learning_rate * g.get("scale", 1.0)} for g in groups]
    optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate, weight_decay=plan.weight_decay)

    def take_step(step: int, rng: np.random.Generator) -> dict[str, float]:
        batch = draw(rng)
        with torch.autocast(device, torch.bfloat16, enabled=plan.bf16):
            loss, parts = loss_of(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        return {"loss": loss.item(), **parts}

    trainees = Trainees({MODEL: model}, {MODEL: optimizer}, MODEL)
    average = run_steps(
        trainees, take_step, plan, lambda step: learning_rate_factor(step, plan), folder, check, progress
    )
    model.load_state_dict(average)
    return model.eval()


def update_average(average: dict, current: dict, decay: float) -> None:
    """Move averaged tensors (a state_dict) towards the current ones; decay: share of the old, integers are copied."""
    import torch

    with torch.no_grad():
        for name, value in current.items():
            if value.is_floating_point():
                average[name].lerp_(value, 1 - decay)
            else:
                average[name].copy_(value)


def _check_average(trainees: Trainees, check: Callable[[object], dict[str, float]]) -> dict[str, float]:
    """Figures of the averaged network; its own weights come back afterwards."""
    network = trainees.networks[trainees.averaged]
    own = {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(trainees.average)
    try:
        return check(network.eval())
    finally:
        network.load_state_dict(own)
