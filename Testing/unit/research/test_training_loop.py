"""The training loop: resumable, seeded, with a curve."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import torch

from LesionKitLib.run.errors import Cancelled, UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.training.curve import CURVE_FILE, draw_curve
from LesionKitResearch.training.loop import TrainingPlan, fit, learning_rate_factor
from LesionKitResearch.training.state import STATE_FILE

PLAN = TrainingPlan(steps=12, seed=3, learning_rate=0.05, warmup=3, save_every=4, check_every=4)


def network() -> torch.nn.Module:
    """With everything that has a state of its own: norms count batches, dropout draws random numbers."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1)
    )


def draw(rng):
    x = torch.from_numpy(rng.normal(size=(16, 3)).astype("float32"))
    return x, x.sum(1, keepdim=True)


def loss_of(model, batch):
    loss = ((model(batch[0]).float() - batch[1]) ** 2).mean()
    return loss, {"part": float(loss.detach())}


def train(folder, plan=PLAN, stop_after=None, check=None):
    """The weights after training, or None when stopped after that many steps."""
    model = network()
    groups = [{"params": list(model[0].parameters()), "scale": 0.4}, {"params": list(model[1:].parameters())}]
    progress = Progress(lambda stage, fraction, left: fraction * plan.steps > stop_after - 0.5 and progress.cancel())
    try:
        fit(model, groups, draw, loss_of, plan, folder, check=check, progress=progress if stop_after else None)
    except Cancelled:
        return None
    return model.state_dict()


def curve(folder) -> list[dict]:
    with (folder / CURVE_FILE).open() as file:
        return list(csv.DictReader(file))


def same(a: dict, b: dict) -> bool:
    return all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("stop_after", [1, 4, 6, 9, 11])
def test_a_stopped_and_resumed_run_gives_the_same_weights_to_the_bit(tmp_path, stop_after):
    uninterrupted = train(tmp_path / "whole")
    assert train(tmp_path / "parts", stop_after=stop_after) is None
    assert same(train(tmp_path / "parts"), uninterrupted)


def test_a_run_may_be_stopped_more_than_once(tmp_path):
    for stop_after in (5, 9):
        assert train(tmp_path / "parts", stop_after=stop_after) is None
    assert same(train(tmp_path / "parts"), train(tmp_path / "whole"))


def test_a_resumed_run_writes_each_step_of_the_curve_once(tmp_path):
    """Also when it was stopped after a row of the curve but before the state was saved."""
    plan = replace(PLAN, check_every=3, save_every=5)
    train(tmp_path, plan, stop_after=8)
    train(tmp_path, plan)
    assert [row["step"] for row in curve(tmp_path)] == ["3", "6", "9", "12"]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    first, again = train(tmp_path / "a"), train(tmp_path / "b")
    assert same(first, again)
    assert not same(first, train(tmp_path / "c", replace(PLAN, seed=4)))


def test_training_learns(tmp_path):
    train(tmp_path, replace(PLAN, steps=120, check_every=20))
    losses = [float(row["loss"]) for row in curve(tmp_path)]
    assert losses[-1] < 0.7 * losses[0]


def test_the_curve_has_the_loss_its_parts_and_the_checked_figures(tmp_path):
    checked = []

    def check(model):
        checked.append(model.training)
        return {"val dice": 0.5}

    train(tmp_path, check=check)
    rows = curve(tmp_path)
    assert [row["step"] for row in rows] == ["4", "8", "12"]
    assert set(rows[0]) == {"step", "seconds", "loss", "part", "val dice"}
    assert checked == [False] * 3
    draw_curve(tmp_path, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_checking_does_not_change_the_training(tmp_path):
    plain = train(tmp_path / "plain")

    def check(model):
        torch.rand(5)
        return {"val dice": 0.5}

    assert same(train(tmp_path / "checked", check=check), plain)


def test_the_returned_weights_are_the_average_of_the_last_steps(tmp_path):
    averaged = train(tmp_path / "a")
    assert not same(averaged, train(tmp_path / "b", replace(PLAN, ema=0.0)))
    assert all(torch.isfinite(v).all() for v in averaged.values())


def test_another_plans_state_is_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(UnusableInput, match="another plan's training"):
        train(tmp_path, replace(PLAN, seed=9))


def test_a_finished_run_is_not_trained_further(tmp_path):
    first = train(tmp_path)
    before = (tmp_path / STATE_FILE).stat().st_mtime_ns
    assert same(train(tmp_path), first)
    assert (tmp_path / STATE_FILE).stat().st_mtime_ns == before


def test_the_learning_rate_rises_and_then_falls_to_a_hundredth():
    factors = [learning_rate_factor(step, TrainingPlan(steps=1000, warmup=100)) for step in range(1000)]
    assert factors[:100] == sorted(factors[:100]) and factors[99] == pytest.approx(1)
    assert factors[100:] == sorted(factors[100:], reverse=True) and factors[-1] == pytest.approx(0.01, abs=1e-3)
