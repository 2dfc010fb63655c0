"""A training loop that can be stopped and resumed, gives the same result for the same seed, and writes its curve.

Every step draws its samples from a random generator seeded with (seed, step): a resumed run continues exactly as an
uninterrupted one, without storing any generator's state. Weights are averaged over the steps (EMA); the mean is kept.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.io.atomic import atomic_file
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress

from .allocator import keep_freed_memory

STATE_FILE = "state.safetensors"
CURVE_FILE = "curve.csv"


@dataclass(frozen=True)
class TrainingPlan:
    """steps: optimizer steps in all; rates rise linearly over warmup steps, then fall as a half cosine to 1 %."""

    steps: int
    seed: int = 0
    horizon: int = 0  # where the cosine would end; 0: at steps. With a later one, training is stopped early
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: int = 100
    clip: float = 1.0
    ema: float = 0.998
    save_every: int = 100
    check_every: int = 250
    bf16: bool = True


def learning_rate_factor(step: int, plan: TrainingPlan) -> float:
    """Share of the full learning rate at a step."""
    if step < plan.warmup:
        return (step + 1) / plan.warmup
    done = (step - plan.warmup) / max(1, (plan.horizon or plan.steps) - plan.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * min(1.0, done)))


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
    check(model): figures of the averaged model, every plan.check_every steps; they go to the curve and choose nothing.
    folder: receives the resumable state and curve.csv; an existing state of the same plan is continued.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    progress = progress or Progress()
    scales = [g.pop("scale", 1.0) for g in groups]
    optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate, weight_decay=plan.weight_decay)
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    start = _resume(model, average, optimizer, plan, folder)
    cut_curve(folder, start)
    rows: dict[str, list[float]] = {}
    clock = time.monotonic()
    for step in range(start, plan.steps):
        for group, scale in zip(optimizer.param_groups, scales, strict=True):
            group["lr"] = plan.learning_rate * scale * learning_rate_factor(step, plan)
        torch.manual_seed(plan.seed * 1_000_003 + step)
        batch = draw(np.random.default_rng([plan.seed, step]))
        model.train()
        with torch.autocast(device, torch.bfloat16, enabled=plan.bf16):
            loss, parts = loss_of(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        update_average(average, model.state_dict(), min(plan.ema, (1 + step) / (10 + step)))
        for name, value in {"loss": loss.item(), **parts}.items():
            rows.setdefault(name, []).append(value)
        if (step + 1) % plan.check_every == 0 or step + 1 == plan.steps:
            figures = _with_weights(model, average, check) if check else {}
            means = {k: float(np.mean(v)) for k, v in rows.items()}
            append_curve(folder, {"step": step + 1, "seconds": time.monotonic() - clock, **means, **figures})
            rows, clock = {}, time.monotonic()
        if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
            _save(model, average, optimizer, step + 1, plan, folder)
        progress.report("training", (step + 1) / plan.steps)
    model.load_state_dict(average)
    return model.eval()


def update_average(average, current, keep: float) -> None:
    """Move averaged tensors (a state_dict) towards the current ones; keep: share of the old, integers are copied."""
    import torch

    with torch.no_grad():
        for name, value in current.items():
            if value.is_floating_point():
                average[name].lerp_(value, 1 - keep)
            else:
                average[name].copy_(value)


def _with_weights(model, weights, check) -> dict[str, float]:
    """Figures of the model with other weights; its own come back afterwards."""
    own = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(weights)
    try:
        return check(model.eval())
    finally:
        model.load_state_dict(own)


def _save(model, average, optimizer, step: int, plan: TrainingPlan, folder: Path) -> None:
    from safetensors.torch import save_file

    tensors = {f"model/{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average/{k}": v for k, v in average.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{k}": v for k, v in state.items()}
    tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
    about = {"step": str(step), "plan": json.dumps(asdict(plan))}
    with atomic_file(folder / STATE_FILE) as path:
        save_file(tensors, path, about)


def _resume(model, average, optimizer, plan: TrainingPlan, folder: Path) -> int:
    """Load the state of an earlier run, if there is one, and return the step to go on with."""
    from safetensors import safe_open

    path = folder / STATE_FILE
    if not path.exists():
        return 0
    with safe_open(path, "pt") as file:
        about = file.metadata()
        if json.loads(about["plan"]) != asdict(plan):
            raise UnusableInput(f"'{folder}' holds another plan's training; choose another output folder or remove it.")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    states: dict[int, dict] = {}
    for name, value in tensors.items():
        kind, rest = name.split("/", 1)
        if kind == "average":
            average[rest].copy_(value)
        elif kind == "optimizer":
            index, key = rest.split("/")
            states.setdefault(int(index), {})[key] = value
    model.load_state_dict({k.split("/", 1)[1]: v for k, v in tensors.items() if k.startswith("model/")})
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(about["step"])


def append_curve(folder: Path, row: dict[str, float]) -> None:
    """Add a row to curve.csv, with a heading when it is new."""
    path = folder / CURVE_FILE
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow({k: f"{v:.5g}" for k, v in row.items()})


def cut_curve(folder: Path, step: int) -> None:
    """Drop the rows of steps that a resumed run takes again: it was stopped after the row and before the next state."""
    path = folder / CURVE_FILE
    if path.exists():
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines[1:] if float(line.split(",")[0]) <= step]
        path.write_text("".join(lines[:1] + kept))


def draw_curve(folder: Path, path: Path) -> None:
    """A picture of curve.csv: the loss, and the checked figures on a second axis."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with (folder / CURVE_FILE).open() as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    steps = [row["step"] for row in rows]
    figure, left = plt.subplots(figsize=(7, 4), layout="constrained")
    left.plot(steps, [row["loss"] for row in rows], color="0.3", label="training loss")
    left.set(xlabel="step", ylabel="training loss")
    right = left.twinx()
    for name in [k for k in rows[0] if k.startswith("val ")]:
        right.plot(steps, [row[name] for row in rows], label=name)
    right.set(ylabel="validation", ylim=(0, 1))
    figure.legend(loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=110)
    plt.close(figure)
