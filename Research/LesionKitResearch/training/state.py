"""The resumable state of a training: networks, optimizers, mean weights and whatever else changes, in one file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from LesionKitLib.io.atomic import atomic_file
from LesionKitLib.run.errors import UnusableInput

STATE_FILE = "state.safetensors"
AVERAGE = "average"


@dataclass
class Trainees:
    """What is trained: networks and their optimizers by the same names; ``averaged`` names the one whose mean counts.

    stateful: by name, whatever else changes from step to step and has state_dict (of tensors) and load_state_dict.
    """

    networks: dict
    optimizers: dict
    averaged: str
    stateful: dict = field(default_factory=dict)
    average: dict = field(init=False)

    def __post_init__(self):
        self.average = {k: v.detach().clone() for k, v in self.networks[self.averaged].state_dict().items()}


def save_state(trainees: Trainees, step: int, plan, folder: Path) -> None:
    """Write the state after so many steps; the one before it is replaced at once. plan: a dataclass."""
    from safetensors.torch import save_file

    tensors = _named(AVERAGE, trainees.average)
    for name, network in trainees.networks.items():
        tensors |= _named(f"network/{name}", network.state_dict())
    for name, optimizer in trainees.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= _named(f"optimizer/{name}/{index}", state)
    for name, part in trainees.stateful.items():
        tensors |= _named(f"stateful/{name}", part.state_dict())
    tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
    with atomic_file(folder / STATE_FILE) as path:
        save_file(tensors, path, {"step": str(step), "plan": _plan_text(plan)})


def load_state(trainees: Trainees, plan, folder: Path) -> int:
    """Fill the trainees with the state of an earlier run, if there is one, and return the step to go on with.

    Raises UnusableInput for the state of another plan.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return 0
    about, tensors = _read(path)
    if about["plan"] != _plan_text(plan):
        raise UnusableInput(f"'{folder}' holds another plan's training; choose another output folder or remove it.")
    for name, value in _below(AVERAGE, tensors).items():
        trainees.average[name].copy_(value)
    for name, network in trainees.networks.items():
        network.load_state_dict(_below(f"network/{name}", tensors))
    for name, optimizer in trainees.optimizers.items():
        states: dict[int, dict] = {}
        for key, value in _below(f"optimizer/{name}", tensors).items():
            index, kind = key.split("/")
            states.setdefault(int(index), {})[kind] = value
        optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    for name, part in trainees.stateful.items():
        part.load_state_dict(_below(f"stateful/{name}", tensors))
    return int(about["step"])


def averaged_weights(folder: Path) -> tuple[dict, int]:
    """The mean weights (a state_dict) that a training in the folder has reached, and its step.

    Raises UnusableInput when there is none.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise UnusableInput(f"'{folder}' holds no training.")
    about, tensors = _read(path)
    return _below(AVERAGE, tensors), int(about["step"])


def _read(path: Path) -> tuple[dict[str, str], dict]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _plan_text(plan) -> str:
    return json.dumps(asdict(plan), sort_keys=True)


def _named(place: str, tensors: dict) -> dict:
    return {f"{place}/{name}": value for name, value in tensors.items()}


def _below(place: str, tensors: dict) -> dict:
    start = f"{place}/"
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
