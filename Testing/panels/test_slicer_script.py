"""The script of ``make slicer-test`` runs every module's own test and ends Slicer with the outcome."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import slicer

SCRIPT = Path(__file__).parents[1] / "slicer" / "run_self_tests.py"


@pytest.fixture
def script(host):
    spec = importlib.util.spec_from_file_location("run_self_tests", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_names_every_module_with_a_panel(script):
    root = SCRIPT.parents[2]
    names = {path.parents[2].name for path in root.glob("*/Resources/UI/*.ui")}
    assert set(script.MODULES) == names


@pytest.mark.parametrize("error", [None, AssertionError("wrong")])
def test_the_outcome_of_a_test_is_told(script, monkeypatch, capsys, error):
    class SampleTest:
        def panelTest(self):
            return SimpleNamespace(hasPanel=lambda: True)

        def runTest(self):
            if error is not None:
                raise error

    monkeypatch.setitem(sys.modules, "Sample", SimpleNamespace(SampleTest=SampleTest))
    monkeypatch.setattr(slicer.util, "selectModule", lambda name: None)
    assert script.run("Sample") is (error is None)
    assert ("Sample: passed" if error is None else "Sample: FAILED") in capsys.readouterr().out
