"""Slicer's Segment Editor in a panel: one segmentation at a time, reverted to what the AI found, marked as reviewed."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from .slots import slot


class EditorSection:
    """Edits one segmentation on the image that it belongs to.

    ui: with segmentEditorWidget, editCollapsibleButton, revertButton and reviewedButton. tag: of the editor's settings
    in the scene. effects: names of the editor's tools, in their order. A panel's own section says in showState and
    _show_nothing what the user reads.
    """

    def __init__(self, ui, tag: str, effects: list[str]):
        self.ui, self._tag = ui, tag
        self._segmentation = None
        self._is_entered = False
        ui.revertButton.connect("clicked(bool)", self._on_revert)
        ui.reviewedButton.connect("clicked(bool)", self._on_reviewed)
        ui.editCollapsibleButton.connect("contentsCollapsed(bool)", self._on_collapsed)
        ui.segmentEditorWidget.setEffectNameOrder(effects)
        ui.segmentEditorWidget.unorderedEffectsVisible = False
        ui.segmentEditorWidget.maximumNumberOfUndoStates = 10
        self._show_nothing()

    def edit(self, segmentation, volume) -> None:
        """Edit this segmentation on this volume from now on; None: nothing."""
        self._let_go()
        self._segmentation = segmentation
        if segmentation is None:
            self._show_nothing()
            return
        editor = self.ui.segmentEditorWidget
        editor.setMRMLSegmentEditorNode(self._editor_node(segmentation.GetScene()))
        editor.setSegmentationNode(segmentation)
        editor.setSourceVolumeNode(volume)
        self.ui.editCollapsibleButton.enabled = True
        self.showState()
        self._attach()

    def enter(self) -> None:
        """The module is shown: the editor's hold on the views is active."""
        self._is_entered = True
        self._attach()

    def leave(self) -> None:
        """Another module is shown."""
        self._is_entered = False
        self._detach()

    def showState(self) -> None:
        """Number of edits, and whether a person has reviewed the result."""
        from LesionKitLib.mrml.editing import editing_summary

        if self._segmentation is None:
            return
        told = editing_summary(self._segmentation)
        edits, seconds, reviewed = told["edits"], told["edit_seconds"], told["reviewed"]
        self.ui.reviewedButton.checked = reviewed
        self.ui.reviewedButton.text = _("Reviewed") if reviewed else _("Mark as reviewed")
        self._show_edits(edits, round(seconds), reviewed)

    def _show_edits(self, edits: int, seconds: int, reviewed: bool) -> None:
        """Say it to the user; each panel in its own words."""

    def _show_nothing(self) -> None:
        self.ui.reviewedButton.checked = False
        self.ui.editCollapsibleButton.collapsed = True
        self.ui.editCollapsibleButton.enabled = False

    def _let_go(self) -> None:
        """Of the segmentation and the views."""
        self._detach()
        if self._segmentation is not None:
            self.ui.segmentEditorWidget.setSegmentationNode(None)
        self._segmentation = None

    def _attach(self) -> None:
        """The editor listens to the views only while it can be seen."""
        if self._is_entered and self._segmentation is not None and not self.ui.editCollapsibleButton.collapsed:
            self.ui.segmentEditorWidget.setupViewObservations()
            self.ui.segmentEditorWidget.installKeyboardShortcuts()

    def _detach(self) -> None:
        editor = self.ui.segmentEditorWidget
        if editor.mrmlSegmentEditorNode() is not None:
            editor.setActiveEffectByName("")
        editor.uninstallKeyboardShortcuts()
        editor.removeViewObservations()

    def _on_collapsed(self, collapsed: bool) -> None:
        self._detach()
        if not collapsed:
            self._attach()

    @slot
    def _on_revert(self, _checked=False) -> None:
        from LesionKitLib.mrml.editing import revert_to_ai

        self.ui.segmentEditorWidget.saveStateForUndo()
        if not revert_to_ai(self._segmentation, self.ui.segmentEditorWidget.currentSegmentID()):
            raise ValueError(_("What the network found is not kept with this segment."))

    @slot
    def _on_reviewed(self, checked=False) -> None:
        from LesionKitLib.mrml.editing import set_reviewed

        if self._segmentation is not None:
            for segment_id in self._segmentation.GetSegmentation().GetSegmentIDs():
                set_reviewed(self._segmentation, segment_id, checked)
        self.showState()

    def _editor_node(self, scene):
        """The editor's settings in this scene."""
        node = scene.GetSingletonNode(self._tag, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(self._tag)
            node = scene.AddNode(node)
        return node
