"""Slicer's Segment Editor in the panel: to correct a result, or to draw the lesion that an image is made with."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from LesionKitPanel.common import slot

EDITOR_TAG = "StrokeSynth.SegmentEditor"
EFFECTS = ["Paint", "Draw", "Erase", "Threshold", "Scissors", "Islands", "Smoothing", "Margin"]


class EditSection:
    """Edits one segmentation on the image that it belongs to."""

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        self._segmentation = None  # being edited: the result, or a drawing
        self._result = None
        self._is_entered = False
        ui.revertButton.connect("clicked(bool)", self._on_revert)
        ui.reviewedButton.connect("clicked(bool)", self._on_reviewed)
        ui.editCollapsibleButton.connect("contentsCollapsed(bool)", self._on_collapsed)
        ui.segmentEditorWidget.setEffectNameOrder(EFFECTS)
        ui.segmentEditorWidget.unorderedEffectsVisible = False
        ui.segmentEditorWidget.maximumNumberOfUndoStates = 10
        self._show_nothing()

    def show(self, segmentation) -> None:
        """Edit this result from now on; None: nothing. A drawing that was begun goes on while the result stays."""
        if segmentation is not self._result:
            self._result = segmentation
            self.edit(segmentation, self.logic.volumeOf(segmentation) if segmentation is not None else None)

    def edit(self, segmentation, volume) -> None:
        """Edit any segmentation on any volume."""
        self._let_go()
        self._segmentation = segmentation
        if segmentation is None:
            self._show_nothing()
            return
        editor = self.ui.segmentEditorWidget
        editor.setMRMLSegmentEditorNode(_editor_node(segmentation.GetScene()))
        editor.setSegmentationNode(segmentation)
        editor.setSourceVolumeNode(volume)
        self.ui.editCollapsibleButton.enabled = True
        self.showState()
        self._attach()

    def close(self) -> None:
        """The panel ends, or the scene closes."""
        self._let_go()
        self._result = None
        self._show_nothing()

    def enter(self) -> None:
        """The module is shown: the editor's hold on the views is active."""
        self._is_entered = True
        self._attach()

    def leave(self) -> None:
        """Another module is shown."""
        self._is_entered = False
        self._detach()

    def showState(self) -> None:
        """Whose voxels these are, and whether a person has reviewed them."""
        from LesionKitLib.mrml.exported import editing_state

        if self._segmentation is None:
            return
        edits, _seconds, reviewed = editing_state(self._segmentation)
        self.ui.reviewedButton.checked = reviewed
        self.ui.reviewedButton.text = _("Reviewed") if reviewed else _("Mark as reviewed")
        self.ui.editedLabel.text = _("{name}: {edits} edits.").format(name=self._segmentation.GetName(), edits=edits)

    def _show_nothing(self) -> None:
        self.ui.editedLabel.text = _("There is nothing to edit.")
        self.ui.reviewedButton.checked = False
        self.ui.editCollapsibleButton.collapsed = True
        self.ui.editCollapsibleButton.enabled = False

    def _let_go(self) -> None:
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
        from LesionKitLib.mrml.exported import edited_segments

        for segment_id in edited_segments(self._segmentation):
            set_reviewed(self._segmentation, segment_id, checked)
        self.showState()


def _editor_node(scene):
    """The editor's settings in this scene."""
    node = scene.GetSingletonNode(EDITOR_TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.vtkMRMLSegmentEditorNode()
        node.SetSingletonTag(EDITOR_TAG)
        node = scene.AddNode(node)
    return node
