"""The modules' own tests, which also run in a real Slicer (ctest, or make slicer-test), pass on the host."""

from __future__ import annotations

import pytest

from LesionKitLib.run import requirements


@pytest.mark.parametrize("name", ["CovidLungQuant", "StrokeSynth", "BodyPartRouter"])
def test_the_module_s_own_test_passes_with_its_panel(host, load, monkeypatch, name):
    # as in a Slicer without PyTorch: nobody may be asked to install it
    monkeypatch.setattr(requirements, "missing_packages", lambda *_: [requirements.TORCH])
    loaded = load(name)
    case = getattr(loaded.module, f"{name}Test")()
    if name == "CovidLungQuant":
        monkeypatch.setattr(type(case), "test_phantom_is_segmented_and_measured", lambda self: None)  # in Testing/mrml
    assert case.panelTest().hasPanel()
    before = dict(vars(loaded.widget.logic))
    case.runTest()
    kept = ("_analyze", "_segment", "_synthesize", "_loadClassifier")
    assert {n: vars(loaded.widget.logic).get(n) for n in kept} == {n: before.get(n) for n in kept}
    assert host.messages.texts("error") == []
