"""A scripted module runs on the host as it would in Slicer: loading, panel, parameters, messages, reload, end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer

SAMPLE = Path(__file__).parent / "sample" / "SampleModule.py"


@pytest.fixture
def loaded(host, scene):
    return host.load_module(SAMPLE)


@pytest.fixture
def volume(scene):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")


def test_a_module_is_where_other_modules_look_for_it(loaded):
    module, module_object, widget, panel = loaded
    assert slicer.modules.samplemodule.title == "Sample"
    assert slicer.modules.samplemodule.path == str(SAMPLE)
    assert slicer.modules.SampleModuleInstance is module_object
    assert slicer.modules.SampleModuleWidget is widget is slicer.util.getModuleWidget("SampleModule")
    assert slicer.util.getModuleLogic("SampleModule") is widget.logic
    assert panel.self() is widget and panel.isEntered
    assert module.SampleModuleWidget is type(widget)


def test_the_panel_s_widgets_are_named_children_and_no_attributes_of_the_top_widget(loaded):
    ui = loaded.widget.ui
    assert ui.applyButton.text == "Apply"
    assert not hasattr(ui.SampleModule, "applyButton")


def test_a_connection_of_the_ui_file_hands_the_scene_on(loaded, volume):
    assert loaded.widget.ui.inputSelector.mrmlScene() is slicer.mrmlScene
    assert loaded.widget.ui.inputSelector.nodeCount() == 1


def test_an_enumerator_in_the_ui_file_is_read(loaded):
    import ctk

    assert loaded.widget.ui.pathEdit.filters == ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Writable


def test_a_click_reaches_the_module_with_its_argument(loaded, volume):
    loaded.widget.ui.inputSelector.setCurrentNode(volume)
    loaded.widget.ui.applyButton.click()
    assert ("apply", False) in loaded.widget.log


def test_an_error_is_written_down_instead_of_shown_and_reaches_nobody_else(host, loaded):
    loaded.widget.ui.applyButton.click()
    assert host.messages.texts("error") == ["It did not work.\n\nNo volume is chosen."]
    assert [str(error) for error in host.uncaught.found] == ["No volume is chosen."]
    host.uncaught.found.clear()  # the audit would fail this test


def test_the_user_s_choice_becomes_a_parameter_and_the_other_way_round(loaded, volume):
    ui, parameters = loaded.widget.ui, loaded.widget.parameters
    ui.inputSelector.setCurrentNode(volume)
    ui.invertCheckBox.checked = True
    assert (parameters.inputVolume, parameters.invert) == (volume, True)
    parameters.threshold = 250.0
    parameters.inputVolume = None
    assert (ui.thresholdSlider.value, ui.inputSelector.currentNode()) == (250.0, None)


def test_a_widget_takes_its_limits_from_the_parameter(loaded):
    slider = loaded.widget.ui.thresholdSlider
    assert (slider.minimum, slider.maximum, slider.value) == (-100.0, 500.0, 100.0)


def test_closing_the_scene_gives_the_defaults_back(loaded, volume, scene):
    loaded.widget.parameters.threshold = 7.0
    loaded.widget.ui.inputSelector.setCurrentNode(volume)
    scene.Clear(False)
    assert loaded.widget.parameters.threshold == 100.0
    assert loaded.widget.ui.inputSelector.currentNode() is None


def test_entering_and_leaving_are_told_to_the_panel(host, loaded):
    host.leave()
    assert not loaded.panel.isEntered
    host.enter("SampleModule")
    assert loaded.widget.log == ["enter", "exit", "enter"]


def test_reload_cleans_up_and_makes_the_panel_anew(loaded):
    old = loaded.widget
    slicer.util.reloadScriptedModule("SampleModule")
    new = slicer.modules.SampleModuleWidget
    assert new is not old and new.parent is old.parent
    assert old.log == ["enter", "cleanup"] and new.log == ["enter"]
    new.ui.applyButton.enabled = False
    assert old.Observations == []


def test_unloading_cleans_up(host, loaded):
    host.unload_module("SampleModule")
    assert loaded.widget.log == ["enter", "exit", "cleanup"]
    assert not hasattr(slicer.modules, "samplemodule")


def test_the_module_s_own_test_runs(loaded):
    slicer.selfTests["SampleModule"]()


def test_a_question_without_a_prepared_answer_fails(host):
    with pytest.raises(AssertionError, match="Nobody is there"):
        slicer.util.confirmOkCancelDisplay("Install?")
    host.messages.answer(False, True)
    assert not slicer.util.confirmOkCancelDisplay("Install?")
    assert slicer.util.confirmYesNoDisplay("Really?")
    assert host.messages.texts("confirmYesNoDisplay") == ["Really?"]


def test_a_file_dialog_gives_the_prepared_path(host):
    import qt

    host.messages.answer("report.csv")
    assert qt.QFileDialog.getSaveFileName(None, "Save as", "") == "report.csv"


def test_what_waits_for_start_up_is_called_once_when_a_module_is_loaded(host, scene):
    calls = []
    slicer.app.connect("startupCompleted()", lambda: calls.append(1))
    assert calls == []
    host.load_module(SAMPLE)
    host.load_module(SAMPLE)
    assert calls == [1]


def test_a_timer_ticks_while_events_are_processed(host):
    import qt

    ticks = []
    timer = qt.QTimer()
    timer.interval = 1
    timer.connect("timeout()", lambda: ticks.append(1))
    timer.start()
    host.wait_until(lambda: len(ticks) >= 3)
    timer.stop()


def test_a_screenshot_is_as_wide_as_asked_and_not_empty(host, loaded, tmp_path):
    from PIL import Image

    host.screenshot(loaded.panel, tmp_path / "panel.png", width=400)
    with Image.open(tmp_path / "panel.png") as image:
        assert image.width == 400 and image.height > 100
        assert len(image.convert("L").getcolors()) > 10


def test_the_end_of_the_application_is_told(host, loaded):
    told = []
    slicer.app.connect("aboutToQuit()", lambda: told.append(1))
    host.quit()
    assert told == [1] and loaded.widget.log[-1] == "cleanup"


def test_slices_jump_to_a_point(host, scene):
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, 10.0, 20.0, 30.0)
    offsets = {
        name: slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode().GetSliceOffset()
        for name in slicer.app.layoutManager().sliceViewNames()
    }
    assert offsets == pytest.approx({"Red": 30.0, "Yellow": -10.0, "Green": 20.0})


def test_a_scene_is_saved_and_loaded_with_its_parameters(loaded, volume, scene, tmp_path):
    loaded.widget.parameters.inputVolume = volume
    loaded.widget.parameters.threshold = 321.0
    slicer.util.updateVolumeFromArray(volume, np.zeros((2, 2, 2), np.int16))
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    # as in Slicer: read while the node was not there yet, the wrapper keeps None until its node is modified
    assert loaded.widget.parameters.inputVolume is None
    loaded.widget.parameters.parameterNode.Modified()
    assert loaded.widget.parameters.inputVolume.GetName() == "CT"
    assert loaded.widget.ui.thresholdSlider.value == 321.0
    with pytest.raises(ValueError, match="mrb only"):
        slicer.util.loadScene(str(tmp_path / "scene.mrml"))
