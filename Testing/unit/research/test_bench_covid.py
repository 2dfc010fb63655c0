"""The benchmark's own arithmetic: rounds, ratios, sizes, and what is said of a contender that cannot run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import bench_covid
from bench_covid import OURS, rounds, summary, table


def run(cpu_s: float) -> dict:
    return {"cpu_s": cpu_s, "wall_s": 2 * cpu_s, "peak_mb": 500.0, "scaled_by": 1.0}


def test_ratios_are_taken_within_a_round_so_that_a_slow_round_changes_none():
    rows = summary({OURS: [run(1), run(10), run(2)], "peer": [run(3), run(30), run(8)]})
    assert rows[1]["cpu_ratio_to_ours"] == [3, 3, 4] and rows[1]["cpu_s"] == [8, 3, 30]


def test_a_contender_that_cannot_run_is_named_with_its_reason():
    rows = summary({OURS: [run(1)], "peer": [{"error": "ModuleNotFoundError: No module named 'monai'"}]})
    assert "| peer | not run: ModuleNotFoundError: No module named 'monai' |" in table(rows)


def test_every_round_runs_all_contenders_once_in_turn(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(bench_covid, "in_process", lambda name, case, before: seen.append(name) or run(1))
    found = rounds(["a", "b"], tmp_path, 2, None)
    assert seen == ["a", "b", "a", "b"] and [len(runs) for runs in found.values()] == [2, 2]


@pytest.mark.parametrize(("slices", "matrix"), [(30, 16), (4, 40)])
def test_a_resized_case_covers_the_same_body(tmp_path, slices, matrix):
    array = np.arange(8 * 20 * 20, dtype=np.int16).reshape(8, 20, 20)
    np.savez(tmp_path / "case.npz", array=array, matrix=np.diag([1.0, 1.0, 3.0, 1.0]))
    bench_covid.resized(tmp_path / "case.npz", tmp_path / "other.npz", slices, matrix)
    with np.load(tmp_path / "other.npz") as data:
        assert data["array"].shape == (slices, matrix, matrix)
        np.testing.assert_allclose(np.diag(data["matrix"])[:3], [20 / matrix, 20 / matrix, 24 / slices])


def test_the_version_before_runs_from_its_own_folder(monkeypatch, tmp_path):
    asked = {}

    class Done:
        returncode, stdout, stderr = 0, '{"cpu_s": 1}\n', ""

    def note(command, env, **_):
        asked.update(command=command, path=env["PYTHONPATH"])
        return Done

    monkeypatch.setattr(bench_covid.subprocess, "run", note)
    assert bench_covid.in_process(bench_covid.BEFORE, tmp_path / "case.npz", tmp_path) == {"cpu_s": 1}
    assert asked["path"].split(os.pathsep)[0] == str(tmp_path / "LesionKit") and asked["command"][2] == OURS
