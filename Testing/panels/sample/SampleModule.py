"""A scripted module as small as can be, shaped like Slicer's template: what the tests of the host load."""

from typing import Annotated, Optional

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class SampleModule(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Sample")
        self.parent.categories = ["Testing"]


@parameterNodeWrapper
class SampleParameters:
    inputVolume: vtkMRMLScalarVolumeNode
    threshold: Annotated[float, WithinRange(-100, 500)] = 100
    invert: bool = False
    label: Optional[str] = None  # noqa: UP045 (Slicer understands no other spelling)


class SampleModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.log = []

    def setup(self):
        super().setup()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SampleModule.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SampleModuleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.initializeParameterNode()

    def cleanup(self):
        self.removeObservers()
        self.log.append("cleanup")

    def enter(self):
        self.log.append("enter")

    def exit(self):
        self.log.append("exit")

    def onSceneEndClose(self, _caller, _event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        self.parameters = SampleParameters(self.logic.getParameterNode())
        self.parameters.connectGui(self.ui)

    def onApplyButton(self, checked):
        self.log.append(("apply", checked))
        with slicer.util.tryWithErrorDisplay(_("It did not work.")):
            self.logic.process(self.parameters.inputVolume)


class SampleModuleLogic(ScriptedLoadableModuleLogic):
    def process(self, volume):
        if volume is None:
            raise ValueError("No volume is chosen.")


class SampleModuleTest(ScriptedLoadableModuleTest):
    def runTest(self):
        self.delayDisplay("It runs")
        self.assertIsNotNone(slicer.modules.samplemodule)
