"""What PythonQt refuses, the host refuses too, or finds afterwards; what PythonQt lets pass in silence, it refuses."""

from __future__ import annotations

import pytest


@pytest.fixture
def qt(host):
    import qt

    return qt


@pytest.fixture
def slider(host):
    import ctk

    return ctk.ctkSliderWidget()


@pytest.fixture
def selector(scene):
    import slicer

    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.noneEnabled = True
    selector.setMRMLScene(scene)
    return selector


def test_a_property_is_an_attribute_and_not_a_method(qt):
    label = qt.QLabel("one")
    label.text = "two"
    assert label.text == "two"
    with pytest.raises(TypeError):
        label.text()
    with pytest.raises(AttributeError, match="not writable"):
        label.width = 3


def test_an_unknown_name_raises(qt, slider):
    with pytest.raises(AttributeError):
        qt.QLabel().caption  # noqa: B018
    with pytest.raises(AttributeError):
        slider.caption  # noqa: B018


def test_an_unknown_signal_raises(qt, selector):
    with pytest.raises(ValueError, match="no signal nosuch"):
        qt.QPushButton().connect("nosuch(int)", print)
    with pytest.raises(ValueError, match="no signal currentNodeChanged"):
        selector.connect("currentNodeChanged(vtkMRMLVolumeNode*)", print)
    with pytest.raises(AttributeError):
        selector.nosuch.connect(print)
    with pytest.raises(ValueError, match="expected 'signal"):
        qt.QPushButton().connect("clicked", print)
    with pytest.raises(TypeError, match="cannot be called"):
        qt.QPushButton().connect("clicked()", None)


def test_a_stand_in_refuses_a_new_attribute_at_once(slider):
    with pytest.raises(AttributeError, match="no attribute 'remark'"):
        slider.remark = "mine"
    with pytest.raises(AttributeError, match="no attribute '_remark'"):
        slider._remark = "mine"


def test_the_audit_finds_a_new_attribute_on_a_widget_of_qt(host, qt):
    from slicer_host.audit import new_attributes

    top = qt.QWidget()
    button = qt.QPushButton("Apply", top)
    button.name = "applyButton"
    assert new_attributes([top]) == []
    button.remark = "mine"
    assert new_attributes([top]) == ["QPushButton 'applyButton': remark"]
    del button.remark  # the audit would fail this test


def test_the_audit_keeps_what_a_slot_raises(host, qt):
    button = qt.QPushButton()
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    assert [type(error) for error in host.uncaught.found] == [ZeroDivisionError]
    host.uncaught.found.clear()  # the audit would fail this test


def test_the_audit_keeps_what_qt_complains_about(host, qt):
    widget = qt.QWidget()
    first, second = qt.QVBoxLayout(widget), qt.QVBoxLayout(widget)
    assert widget.layout() is first and second is not None
    assert len(host.qt_warnings) == 1 and "already has a layout" in host.qt_warnings[0]
    host.qt_warnings.clear()  # the audit would fail this test


@pytest.mark.parametrize("signal, arguments", [("clicked(bool)", [False]), ("clicked()", [])])
def test_a_signal_s_spelling_decides_what_its_slot_is_given(qt, signal, arguments):
    button, given = qt.QPushButton(), []
    button.connect(signal, lambda *values: given.extend(values))
    button.click()
    assert given == arguments


def test_a_slot_with_an_optional_argument_is_given_the_click_s_false(qt):
    """The usual trap: clicked.connect(run) with run(device="auto")."""
    button, given = qt.QPushButton(), []
    button.clicked.connect(lambda device="auto": given.append(device))
    button.click()
    assert given == [False]


def test_disconnecting_ends_the_calls(qt, selector, scene):
    calls = []

    def slot(*_):
        calls.append(1)

    button = qt.QPushButton()
    button.connect("clicked()", slot)
    button.disconnect("clicked()", slot)
    selector.connect("currentNodeChanged(vtkMRMLNode*)", slot)
    selector.disconnect("currentNodeChanged(vtkMRMLNode*)", slot)
    button.click()
    selector.setCurrentNode(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))
    assert calls == []


def test_enumerators_are_integers(qt):
    box = qt.QCheckBox()
    box.checked = True
    assert box.checkState() == 2 == qt.Qt.Checked
    assert qt.Qt.Horizontal != 2


def test_current_data_of_a_combo_box_is_unusable(qt):
    box = qt.QComboBox()
    box.addItem("GPU", "cuda")
    assert box.itemData(box.currentIndex) == "cuda"
    with pytest.raises(AttributeError, match="itemData"):
        box.currentData  # noqa: B018


def test_a_dialog_that_would_wait_raises(qt):
    with pytest.raises(AssertionError, match="would wait"):
        qt.QDialog().exec_()


@pytest.mark.parametrize(
    "widget, message",
    [
        ('<widget class="qMRMLNonsense" name="x"/>', "no stand-in for qMRMLNonsense"),
        ('<widget class="ctkSliderWidget" name="x"><property name="limit"><double>3</double></property></widget>',
         "ctkSliderWidget has no property limit"),
    ],
)  # fmt: skip
def test_a_ui_file_may_not_name_what_is_not_there(host, tmp_path, widget, message):
    import slicer

    path = tmp_path / "Panel.ui"
    layout = f'<layout class="QVBoxLayout" name="rows"><item>{widget}</item></layout>'
    path.write_text(f'<ui version="4.0"><class>P</class><widget class="QWidget" name="P">{layout}</widget></ui>')
    with pytest.raises(ValueError, match=message):
        slicer.util.loadUI(str(path))


def test_the_node_selector_follows_the_scene(selector, scene):
    chosen = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", chosen.append)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "not a volume")
    assert (selector.nodeCount(), selector.currentNode()) == (1, None)
    selector.setCurrentNode(node)
    scene.RemoveNode(node)
    assert (chosen, selector.currentNode()) == ([node, None], None)


def test_the_node_selector_without_none_takes_the_first_node(selector, scene):
    selector.noneEnabled = False
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    assert selector.currentNode() is node


def test_the_node_selector_leaves_child_types_and_hidden_nodes_out(selector, scene):
    selector.showChildNodeTypes = False
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    hidden = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "hidden")
    hidden.HideFromEditorsOn()
    selector.showHidden = True
    assert [selector.nodeFromIndex(0), selector.nodeCount()] == [hidden, 1]
    selector.showHidden = False
    assert selector.nodeCount() == 0


def test_the_node_selector_s_new_node_is_selected_and_named(selector):
    selector.baseName = "Result"
    assert selector.addNode() is selector.currentNode()
    assert selector.currentNode().GetName() == "Result"


def test_a_tool_tip_reads_back_as_a_paragraph_as_in_slicer(host):
    import qt

    button = qt.QPushButton()
    button.toolTip = "Press."
    assert button.toolTip == "<p>Press.</p>"
    button.toolTip = button.toolTip
    assert button.toolTip == "<p>Press.</p>"
    button.toolTip = ""
    assert button.toolTip == ""
    button.deleteLater()
