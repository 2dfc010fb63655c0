"""A panel's parameter node: bound to its widgets, let go before the scene closes, taken up again after it."""

from __future__ import annotations

import slicer
import vtk
from slicer.util import VTKObservationMixin


def load_ui(widget, name: str):
    """Show Resources/UI/<name> in a module's panel; returns its children by name."""
    content = slicer.util.loadUI(widget.resourcePath(f"UI/{name}"))
    widget.layout.setContentsMargins(0, 0, 0, 0)  # the content has its own, and there are only 380 pixels
    widget.layout.addWidget(content)
    content.setMRMLScene(slicer.mrmlScene)  # which the .ui file's connections pass on
    return slicer.util.childWidgetVariables(content)


class SceneParameters(VTKObservationMixin):
    """The user's choices in the present scene, shown by the widgets that have a SlicerParameterName.

    widget: the module's widget, with ui and logic. wrapper: the parameterNodeWrapper class. choices: {name: allowed
    values, the first for one that another version saved}. on_bound(): the widgets show the values and may be given
    readable names. on_changed(): a value changed, or there are none (``node`` is None). on_close(): the scene is about
    to close.
    """

    def __init__(self, widget, wrapper: type, choices: dict, on_bound, on_changed, on_close):
        super().__init__()
        self.node = None
        self._widget, self._wrapper, self._choices = widget, wrapper, choices
        self._on_bound, self._on_changed, self._on_close = on_bound, on_changed, on_close
        self._gui_tag = None
        bound = [(child.property("SlicerParameterName"), child) for child in vars(widget.ui).values()]
        self._bound = {name: child for name, child in bound if name}
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._on_scene_start_close)
        self.addObserver(scene, scene.EndCloseEvent, self._on_scene_end_close)
        self.addObserver(scene, scene.StartImportEvent, self._on_scene_start_import)
        self.addObserver(scene, scene.EndImportEvent, self._on_scene_end_import)
        self._was_shown = False  # before the import that is going on

    def take_up(self, choose: bool = True) -> None:
        """The scene's own choices; with ``choose``, the first image of the scene where none is chosen."""
        from LesionKitLib.mrml.parameter_wrappers import wrapped

        if slicer.mrmlScene.IsBatchProcessing():
            return  # half a scene; its end comes as an event of its own
        node = self._widget.logic.getParameterNode()
        for name, values in self._choices.items():
            if node.GetParameter(name) and node.GetParameter(name) not in values:
                node.SetParameter(name, values[0])
        parameters = wrapped(node, self._wrapper)
        # The wrapper gives values from memory, and may have read them while the scene was only half there.
        parameters.Modified()
        self.set(parameters)
        if choose and self.node.inputVolume is None:
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            own = [volume for volume in volumes if volume.GetClassName() == "vtkMRMLScalarVolumeNode"]
            self.node.inputVolume = own[0] if own else None

    def set(self, node) -> None:
        """Show these choices and let the panel change them; None lets go of the scene."""
        if self.node is not None:
            self.node.disconnectGui(self._gui_tag)
            self.removeObserver(self.node, vtk.vtkCommand.ModifiedEvent, self._on_modified)
        self.node = None
        if node is not None:
            # connectGui(ui) would not tell the tag that disconnectGui needs
            self._gui_tag = node.connectParametersToGui(self._bound)
            self.node = node  # from here on there is something to disconnect
            self._on_bound()
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._on_modified)
        self._on_modified()

    def close(self) -> None:
        """The panel ends."""
        self.set(None)
        self.removeObservers()

    def _on_modified(self, _caller=None, _event=None) -> None:
        if self.node is not None and slicer.mrmlScene.IsBatchProcessing():
            return  # a scene is being loaded; its end comes as an event of its own
        self._on_changed()

    def _on_scene_start_close(self, _caller=None, _event=None) -> None:
        self._on_close()
        self.set(None)

    def _on_scene_end_close(self, _caller=None, _event=None) -> None:
        if self._widget.parent.isEntered:  # shown while the scene is closed: make it usable at once
            self.take_up()

    def _on_scene_start_import(self, _caller=None, _event=None) -> None:
        """Widgets must not write what they show into a parameter node that is just being read."""
        self._was_shown = self.node is not None
        self.set(None)

    def _on_scene_end_import(self, _caller=None, _event=None) -> None:
        if self._was_shown or self._widget.parent.isEntered:
            self.take_up(choose=False)
