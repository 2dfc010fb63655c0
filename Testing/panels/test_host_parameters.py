"""Parameters are typed, checked, kept in the scene and shown by the widgets that Slicer pairs with their types."""

from __future__ import annotations

import enum
import pathlib
from types import SimpleNamespace
from typing import Annotated, Optional

import pytest
import slicer
from slicer_host.headless import start

start()
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper  # noqa: E402


class Network(enum.Enum):
    CONVLSTM = "convlstm"
    JCS = "jcs"

    def label(self):
        return self.value.upper()


@parameterNodeWrapper
class Parameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    other: Optional[slicer.vtkMRMLSegmentationNode]  # noqa: UP045 (Slicer understands no other spelling)
    limit: Optional[float]  # noqa: UP045
    opacity: Annotated[float, WithinRange(0, 1), Default(0.5)]
    count: int = 3
    device: Annotated[str, Choice(["auto", "cpu"])] = "auto"
    network: Network = Network.JCS
    outline: bool
    folder: pathlib.Path = pathlib.Path("out")


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


@pytest.fixture
def parameters(node):
    return Parameters(node)


def test_defaults_hold_before_anything_is_set(parameters):
    values = [parameters.getValue(name) for name in Parameters.allParameters]
    assert values == [None, None, None, 0.5, 3, "auto", Network.JCS, False, pathlib.Path("out")]


def test_values_are_checked(parameters):
    with pytest.raises(ValueError, match="range"):
        parameters.opacity = 2
    with pytest.raises(ValueError, match="one of"):
        parameters.device = "abacus"
    with pytest.raises(TypeError):
        parameters.count = "three"
    with pytest.raises(TypeError):
        parameters.volume = slicer.vtkMRMLSegmentationNode()
    with pytest.raises(AttributeError, match="no parameter"):
        parameters.opactiy = 0.3


def test_a_type_that_slicer_does_not_know_is_refused():
    with pytest.raises(TypeError, match="Unable to create serializer"):

        @parameterNodeWrapper
        class Wrong:
            value: float | None


def test_parameters_come_back_from_a_saved_scene(parameters, scene, tmp_path):
    volume = slicer.util.addVolumeFromArray(__import__("numpy").zeros((2, 3, 4), "int16"), name="CT")
    parameters.volume, parameters.limit, parameters.network = volume, 2.5, Network.CONVLSTM
    parameters.folder, parameters.outline = pathlib.Path("there"), True
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(False)

    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))

    again = Parameters(scene.GetFirstNodeByClass("vtkMRMLScriptedModuleNode"))
    assert again.volume.GetName() == "CT" and again.volume is not volume
    assert (again.limit, again.network, again.folder, again.outline) == (
        2.5, Network.CONVLSTM, pathlib.Path("there"), True,
    )  # fmt: skip
    assert again.other is None


def test_two_wrappers_of_one_node_agree(parameters, node):
    Parameters(node).count = 8
    assert parameters.count == 8


@pytest.fixture
def widgets(host, scene):
    import ctk
    import qt

    selector = slicer.qMRMLNodeComboBox()
    selector.noneEnabled = True
    selector.setMRMLScene(scene)
    found = {
        "volume": selector, "opacity": ctk.ctkSliderWidget(), "count": qt.QSpinBox(), "device": qt.QComboBox(),
        "network": qt.QComboBox(), "outline": qt.QCheckBox(), "folder": ctk.ctkPathLineEdit(),
    }  # fmt: skip
    for name, widget in found.items():
        widget.setProperty("SlicerParameterName", name)
    return SimpleNamespace(**found)


def test_widgets_show_the_parameters(parameters, widgets):
    parameters.connectGui(widgets)
    parameters.opacity, parameters.count, parameters.device = 0.25, 9, "cpu"
    parameters.network, parameters.outline, parameters.folder = Network.CONVLSTM, True, pathlib.Path("x")
    assert (widgets.opacity.value, widgets.count.value, widgets.device.currentText) == (0.25, 9, "cpu")
    assert (widgets.network.currentText, widgets.outline.checked) == ("CONVLSTM", True)
    assert widgets.folder.currentPath == "x"


def test_widgets_change_the_parameters(parameters, widgets, scene):
    parameters.connectGui(widgets)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    widgets.volume.setCurrentNode(volume)
    widgets.count.value = 12
    widgets.device.currentIndex = 1
    widgets.outline.checked = True
    assert (parameters.volume, parameters.count, parameters.device, parameters.outline) == (volume, 12, "cpu", True)


def test_connect_gui_returns_nothing_as_in_slicer(parameters, widgets):
    assert parameters.connectGui(widgets) is None
    parameters.disconnectGui(None)
    widgets.count.value = 12
    assert parameters.count == 12


def test_disconnecting_by_tag_ends_the_binding(parameters, widgets):
    tag = parameters.connectParametersToGui({"count": widgets.count})
    parameters.disconnectGui(tag)
    widgets.count.value = 12
    assert parameters.count == 3


@pytest.mark.parametrize("name", ["count", "volume"])
def test_a_widget_that_slicer_does_not_pair_with_the_type_is_refused(parameters, host, name):
    import qt

    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        parameters.connectParametersToGui({name: qt.QLabel()})


def test_an_unknown_parameter_name_on_a_widget_is_refused(parameters, widgets):
    widgets.count.setProperty("SlicerParameterName", "cuont")
    with pytest.raises(ValueError, match="cuont"):
        parameters.connectGui(widgets)


def test_a_change_of_several_parameters_at_once_is_told_once(parameters):
    told = []
    parameters.AddObserver("ModifiedEvent", lambda *_: told.append(1))
    with slicer.util.NodeModify(parameters):
        parameters.count, parameters.opacity = 5, 0.1
    assert told == [1]


def test_an_abstract_node_type_cannot_be_bound_to_a_selector(node, widgets):
    """Slicer makes a node of the type to ask for its class name."""

    @parameterNodeWrapper
    class OfAnyVolume:
        volume: slicer.vtkMRMLVolumeNode

    with pytest.raises(TypeError, match="abstract"):
        OfAnyVolume(node).connectParametersToGui({"volume": widgets.volume})


def test_values_come_from_memory_until_the_node_tells_of_a_change(parameters, node, scene):
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    node.DisableModifiedEventOn()
    node.SetNodeReferenceID("volume", volume.GetID())
    node.DisableModifiedEventOff()
    assert parameters.volume is None
    parameters.Modified()
    assert parameters.volume is volume
