"""CovidLungQuant's panel: what it needs to start, Apply, progress, Cancel, errors."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import slicer

from CovidLungQuantLib.networks import registry
from LesionKitLib.models import inference
from LesionKitLib.run import requirements
from LesionKitLib.run.errors import UnusableInput

pytest_plugins = "covid_panel"
ROOT = Path(__file__).parents[2]
UI_FILE = ROOT / "CovidLungQuant" / "Resources" / "UI" / "CovidLungQuant.ui"


def nodes_of(scene):
    return sorted(scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes()))


def test_loading_the_panel_imports_nothing_heavy():
    code = (
        "import sys; from slicer_host import host; h = host.start(); "
        f"h.load_module({str(ROOT / 'CovidLungQuant' / 'CovidLungQuant.py')!r}); h.process_events(0.05); "
        "print(*sorted({'torch', 'scipy', 'SimpleITK', 'pydicom', 'matplotlib', 'pandas', 'PIL'} & set(sys.modules)))"
    )
    path = [str(ROOT / folder) for folder in ("LesionKit", "CovidLungQuant", "Testing")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_everything_that_can_be_seen_has_a_tool_tip():
    shown = [w for w in ElementTree.parse(UI_FILE).iter("widget") if w.get("name") != "CovidLungQuant"]
    silent = [w.get("name") for w in shown if not _text(w, "toolTip")]
    assert len(shown) > 40
    assert silent == []


def test_the_ui_file_describes_every_class_that_is_not_qt_s():
    root = ElementTree.parse(UI_FILE).getroot()
    used = {w.get("class") for w in root.iter("widget")}
    described = {entry.findtext("class") for entry in root.iter("customwidget")}
    assert described == {name for name in used if not name.startswith("Q")}


def test_the_choices_are_those_of_the_libraries(panel):
    module = panel.loaded.module
    assert tuple(module.NETWORKS) == registry.CHOICES
    assert tuple(module.DEVICES) == inference.DEVICES


def test_apply_is_disabled_and_says_why_until_there_is_a_ct(panel):
    assert not panel.ui.applyButton.enabled
    assert panel.ui.applyButton.toolTip == "<p>Choose a CT volume.</p>"
    node = panel.add_ct()
    assert panel.ui.applyButton.enabled
    slicer.mrmlScene.RemoveNode(node)
    assert not panel.ui.applyButton.enabled
    panel.parameters.inputVolume = panel.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    assert panel.ui.applyButton.toolTip == "<p>The volume holds no image.</p>"


def test_the_scene_s_ct_is_chosen_when_the_module_is_opened(panel):
    panel.host.leave()
    label_map = panel.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "not a CT")
    node = slicer.util.addVolumeFromArray(panel._hu, panel._ijk_to_ras, "CT")
    panel.host.enter("CovidLungQuant")
    assert panel.parameters.inputVolume is node
    assert label_map is not node


def test_apply_turns_to_cancel_and_the_event_loop_keeps_turning(panel):
    import qt

    panel.add_ct()
    ticks = []
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: ticks.append(1))
    timer.start(5)
    panel.start()
    ticks.clear()
    panel.wait_until(lambda: len(ticks) >= 5)
    assert panel.widget.runSection.apply.runner.running
    assert panel.ui.applyButton.text == "Cancel"
    assert not panel.ui.inputsCollapsibleButton.enabled
    panel.wait_until(lambda: panel.ui.progressLabel.text.startswith("Segmenting, "))
    assert " so far, about " in panel.ui.progressLabel.text
    assert panel.ui.progressBar.value == 50
    assert not panel.ui.progressBar.isHidden()
    panel.finish()
    timer.stop()
    assert panel.ui.applyButton.text == "Apply" and panel.ui.applyButton.enabled
    assert panel.ui.progressBar.isHidden() and panel.ui.inputsCollapsibleButton.enabled
    assert panel.ui.statusLabel.text == "CT: done in 2 s on CPU, 2 threads. The slices lie 6 mm apart."


def test_cancel_leaves_the_scene_as_it_was(panel):
    panel.add_ct()
    before = nodes_of(panel.scene)
    panel.start()
    panel.ui.applyButton.click()
    assert panel.ui.progressLabel.text == "Cancelling…" and not panel.ui.applyButton.enabled
    panel.wait_until(lambda: not panel.widget.runSection.apply.runner.running)
    assert nodes_of(panel.scene) == before
    assert panel.segmentation is None
    assert panel.ui.statusLabel.text == "Cancelled; the scene is as it was."
    assert panel.ui.applyButton.enabled
    assert panel.host.messages.shown == []


def test_the_chosen_network_and_device_are_used(panel):
    panel.add_ct()
    panel.ui.deviceComboBox.currentIndex = 1
    assert panel.ui.deviceComboBox.itemText(1) == "Processor (CPU)"
    panel.apply()
    assert (panel.pipeline.calls[0].network, panel.pipeline.calls[0].device) == ("convlstm", "cpu")


def test_what_auto_found_is_shown_after_the_first_run(panel):
    panel.add_ct()
    assert "cores" in panel.ui.deviceFoundLabel.text
    panel.apply()
    assert panel.ui.deviceFoundLabel.text == "The last run used: CPU, 2 threads."


def test_an_error_is_one_sentence_in_a_dialog(panel):
    panel.add_ct()
    panel.pipeline.error = UnusableInput("No lungs were found; this does not look like a chest CT.")
    panel.ui.applyButton.click()
    panel.finish()
    assert panel.host.messages.texts("error") == ["No lungs were found; this does not look like a chest CT."]
    assert panel.ui.applyButton.text == "Apply" and panel.ui.applyButton.enabled
    assert panel.segmentation is None


def test_an_unforeseen_error_is_a_sentence_too_and_its_details_are_logged(panel, caplog):
    panel.add_ct()
    panel.pipeline.error = RuntimeError("tensor sizes differ")
    panel.ui.applyButton.click()
    panel.finish()
    (sentence,) = panel.host.messages.texts("error")
    assert "tensor" not in sentence and "log" in sentence
    assert "tensor sizes differ" in caplog.text


def test_a_volume_that_cannot_be_read_is_told_without_starting(panel):
    import vtk

    node = panel.add_ct()
    bent = panel.scene.AddNewNodeByClass("vtkMRMLTransformNode")
    bent.SetAndObserveTransformToParent(vtk.vtkThinPlateSplineTransform())
    node.SetAndObserveTransformNodeID(bent.GetID())
    panel.ui.applyButton.click()
    assert len(panel.host.messages.texts("error")) == 1
    assert panel.pipeline.calls == [] and not panel.widget.runSection.apply.runner.running


def test_a_missing_package_is_named_before_anything_runs(panel, monkeypatch):
    panel.add_ct()
    monkeypatch.setattr(requirements, "missing_packages", lambda *_: [requirements.TORCH])
    panel.ui.applyButton.click()
    assert panel.host.messages.texts("error") == [requirements.PYTORCH_MISSING]
    assert panel.pipeline.calls == [] and panel.ui.applyButton.enabled


def test_a_user_who_declines_the_installation_can_apply_again(panel, monkeypatch):
    panel.add_ct()
    monkeypatch.setattr(requirements, "missing_packages", lambda *_: [requirements.Requirement("x", "x", 3, "test")])
    panel.host.messages.answer(False)
    panel.ui.applyButton.click()
    (question,) = panel.host.messages.texts("confirmOkCancelDisplay")
    assert "about 3 MB" in question
    assert panel.pipeline.calls == [] and panel.ui.applyButton.enabled


def test_a_result_belongs_to_the_ct_that_was_chosen_at_apply(panel):
    first = panel.add_ct("first")
    panel.start()
    panel.add_ct("second")
    panel.finish()
    assert panel.widget.logic.volumeOf(panel.segmentation) is first


def test_the_result_of_a_ct_that_was_removed_is_thrown_away(panel):
    node = panel.add_ct()
    panel.start()
    panel.scene.RemoveNode(node)
    panel.finish()
    assert panel.segmentation is None
    assert panel.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert "removed" in panel.ui.statusLabel.text


def test_a_run_goes_on_while_another_module_is_open(panel):
    panel.add_ct()
    panel.start()
    panel.host.leave()
    panel.finish()
    panel.host.enter("CovidLungQuant")
    assert panel.segmentation is not None


def test_closing_the_scene_during_a_run_is_safe(panel):
    panel.add_ct()
    panel.start()
    panel.scene.Clear(False)
    assert not panel.widget.runSection.apply.runner.running
    panel.pipeline.gate.set()
    panel.host.process_events(0.1)
    assert panel.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert panel.ui.applyButton.text == "Apply" and not panel.ui.applyButton.enabled
    assert panel.apply() is not None


def test_ending_the_application_during_a_run_is_safe(panel):
    panel.add_ct()
    panel.start()
    runner = panel.widget.runSection.apply.runner
    panel.host.unload_module("CovidLungQuant")
    assert not runner.running


def _text(widget, name):
    return widget.findtext(f"property[@name='{name}']/string")
