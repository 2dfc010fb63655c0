"""What the panels of the modules share: sections that follow the choices of the scene, for as long as there is one."""

from __future__ import annotations


class PanelWidget:
    """A mixin, before ScriptedLoadableModuleWidget.

    A module's setup makes ``ui``, ``logic``, ``runSection`` and ``sections``, and then calls followScene. It has
    _onParametersChanged() and _onClose(), see LesionKitPanel.parameters.SceneParameters.
    """

    def __init__(self, parent=None):
        super().__init__(parent)
        self.logic = None
        self.sections = ()
        self.scene = None  # LesionKitPanel.parameters.SceneParameters

    @property
    def _parameterNode(self):
        return self.scene.node if self.scene else None

    def followScene(self, wrapper: type, choices: dict) -> None:
        """Bind the widgets to the choices of the present scene and of those that come; see SceneParameters."""
        from .parameters import SceneParameters

        self.scene = SceneParameters(
            self, wrapper, choices, self.runSection.nameChoices, self._onParametersChanged, self._onClose
        )
        self.scene.take_up()

    def cleanup(self):
        """The application ends or the module is reloaded: nothing may outlive the panel."""
        if self.scene:
            self.scene.close()
        for section in self.sections:
            section.close()

    def enter(self):
        """The user opens the module."""
        self.scene.take_up()


class ResultPanelWidget(PanelWidget):
    """A panel whose run gives a segmentation, which its ``editSection`` edits."""

    def enter(self):
        """The user opens the module."""
        super().enter()
        self.editSection.enter()

    def exit(self):
        """The user opens another module. A run goes on, and so do the numbers; only the editor lets go of the views."""
        self.editSection.leave()

    def _onResult(self, segmentation, measurements):
        self._parameterNode.outputSegmentation = segmentation  # which shows it in every section
        self.resultsSection.showMeasured(measurements)
        self.ui.resultsCollapsibleButton.collapsed = False
