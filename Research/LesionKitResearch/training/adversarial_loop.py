"""Training of networks against each other that can be stopped and resumed; the same seed gives the same result.

As LesionKitResearch.training.loop, but for several networks with an optimizer each. Every step draws from generators
seeded with (seed, step), so that nothing but weights and optimizers has to be stored.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.io.atomic import atomic_file
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress

from .loop import STATE_FILE, append_curve, cut_curve, update_average


@dataclass(frozen=True)
class GanPlan:
    """steps: of the generator. Rates are constant until decay_from (share of the steps), then fall linearly to 0."""

    steps: int
    seed: int = 0
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    decay_from: float = 0.5
    batch: int = 1
    ema: float = 0.995
    save_every: int = 100
    check_every: int = 100
    bf16: bool = True


def rate_factor(step: int, plan: GanPlan) -> float:
    """Share of the full learning rate at a step."""
    start = plan.decay_from * plan.steps
    return 1.0 if step < start else max(0.0, (plan.steps - step) / max(1.0, plan.steps - start))


def fit_gan(
    players: dict,
    averaged: str,
    take_step: Callable[[int, np.random.Generator, dict, dict], dict[str, float]],
    plan: GanPlan,
    folder: Path,
    device: str = "cpu",
    progress: Progress | None = None,
):
    """Train the players (name -> network) in place; returns the state_dict of the averaged player's mean weights.

    take_step(step, rng, players, optimizers): one step of all players, with optimizers by the same names; returns
    figures for the curve. folder: receives the resumable state and curve.csv; an existing state of the same plan is
    continued, another plan's raises UnusableInput.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    progress = progress or Progress()
    optimizers = {
        name: torch.optim.Adam(network.parameters(), lr=plan.learning_rate, betas=plan.betas)
        for name, network in players.items()
    }
    average = {k: v.detach().clone() for k, v in players[averaged].state_dict().items()}
    start = _resume(players, optimizers, average, plan, folder)
    cut_curve(folder, start)
    rows: dict[str, list[float]] = {}
    clock = time.monotonic()
    for network in players.values():
        network.train()
    for step in range(start, plan.steps):
        for optimizer in optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * rate_factor(step, plan)
        torch.manual_seed(plan.seed * 1_000_003 + step)
        with torch.autocast(device, torch.bfloat16, enabled=plan.bf16):
            parts = take_step(step, np.random.default_rng([plan.seed, step]), players, optimizers)
        update_average(average, players[averaged].state_dict(), min(plan.ema, (1 + step) / (10 + step)))
        for name, value in parts.items():
            rows.setdefault(name, []).append(value)
        if (step + 1) % plan.check_every == 0 or step + 1 == plan.steps:
            means = {k: float(np.mean(v)) for k, v in rows.items()}
            append_curve(folder, {"step": step + 1, "seconds": time.monotonic() - clock, **means})
            rows, clock = {}, time.monotonic()
        if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
            _save(players, optimizers, average, step + 1, plan, folder)
        progress.report("training", (step + 1) / plan.steps)
    return average


def descend(loss, optimizer) -> None:
    """One step of an optimizer down a loss."""
    import torch

    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(loss.device.type, enabled=False):
        loss.backward()
        optimizer.step()


def _save(players, optimizers, average, step: int, plan: GanPlan, folder: Path) -> None:
    from safetensors.torch import save_file

    tensors = {f"average/{k}": v for k, v in average.items()}
    for name, network in players.items():
        tensors |= {f"network/{name}/{k}": v for k, v in network.state_dict().items()}
        for index, state in optimizers[name].state_dict()["state"].items():
            tensors |= {f"optimizer/{name}/{index}/{k}": v for k, v in state.items()}
    tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
    with atomic_file(folder / STATE_FILE) as path:
        save_file(tensors, path, {"step": str(step), "plan": json.dumps(asdict(plan))})


def _resume(players, optimizers, average, plan: GanPlan, folder: Path) -> int:
    """Load the state of an earlier run, if there is one, and return the step to go on with."""
    from safetensors import safe_open

    path = folder / STATE_FILE
    if not path.exists():
        return 0
    with safe_open(path, "pt") as file:
        about = file.metadata()
        if about["plan"] != json.dumps(asdict(plan)):
            raise UnusableInput(f"'{folder}' holds another plan's training; choose another output folder or remove it.")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    average.update({k.removeprefix("average/"): v for k, v in tensors.items() if k.startswith("average/")})
    for name, network in players.items():
        start = f"network/{name}/"
        network.load_state_dict({k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)})
        start, states = f"optimizer/{name}/", {}
        for key, value in tensors.items():
            if key.startswith(start):
                index, kind = key.removeprefix(start).split("/")
                states.setdefault(int(index), {})[kind] = value
        optimizer = optimizers[name]
        optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(about["step"])
