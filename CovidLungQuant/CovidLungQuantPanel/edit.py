"""Correcting the result by hand: Slicer's Segment Editor, the way from lesion to lesion, revert, reviewed."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from .common import slot

EDITOR_TAG = "CovidLungQuant.SegmentEditor"
EFFECTS = ["Paint", "Draw", "Erase", "Threshold", "Scissors", "Islands", "Smoothing", "Margin", "Logical operators"]


class EditSection:
    """Edits one segmentation on the CT that it belongs to. parent: the panel's widget, owner of the shortcuts."""

    def __init__(self, ui, logic, parent):
        self.ui, self.logic = ui, logic
        self._segmentation = None
        self._lesions = None  # list of LesionPlace, largest first; None: to be looked up
        self._position = -1
        self._is_entered = False
        self._shortcuts = [
            self._shortcut("Shift+N", self._on_next, parent),
            self._shortcut("Shift+P", self._on_previous, parent),
            self._shortcut("Shift+R", self.ui.reviewedButton.click, parent),
        ]
        ui.nextLesionButton.connect("clicked(bool)", self._on_next)
        ui.previousLesionButton.connect("clicked(bool)", self._on_previous)
        ui.revertButton.connect("clicked(bool)", self._on_revert)
        ui.reviewedButton.connect("clicked(bool)", self._on_reviewed)
        ui.editCollapsibleButton.connect("contentsCollapsed(bool)", self._on_collapsed)
        ui.segmentEditorWidget.connect("currentSegmentIDChanged(QString)", self._on_segment_chosen)
        ui.segmentEditorWidget.setEffectNameOrder(EFFECTS)
        ui.segmentEditorWidget.unorderedEffectsVisible = False
        ui.segmentEditorWidget.maximumNumberOfUndoStates = 10
        self._show_nothing()

    def show(self, segmentation) -> None:
        """Edit this segmentation from now on; None: nothing."""
        if segmentation is self._segmentation:
            return
        self._let_go()
        self._segmentation = segmentation
        if segmentation is None:
            self._show_nothing()
            return
        editor = self.ui.segmentEditorWidget
        editor.setMRMLSegmentEditorNode(_editor_node(segmentation.GetScene()))
        editor.setSegmentationNode(segmentation)
        editor.setSourceVolumeNode(self.logic.volumeOf(segmentation))
        self.ui.editCollapsibleButton.enabled = True
        self.ui.editCollapsibleButton.toolTip = _("Correct the result by hand; all numbers follow.")
        self._show_lesion()
        self._show_state()
        self._attach()

    def close(self) -> None:
        """The panel ends; the shortcuts would outlive it, as they belong to the main window."""
        self._let_go()
        for shortcut in self._shortcuts:
            shortcut.enabled = False
            shortcut.deleteLater()
        self._shortcuts = []

    def _let_go(self) -> None:
        """Of the segmentation and the views."""
        self._detach()
        if self._segmentation is not None:
            self.ui.segmentEditorWidget.setSegmentationNode(None)
        self._segmentation = self._lesions = None
        self._position = -1

    def enter(self) -> None:
        """The module is shown: shortcuts and the editor's hold on the views are active."""
        self._is_entered = True
        for shortcut in self._shortcuts:
            shortcut.enabled = True
        self._attach()

    def leave(self) -> None:
        """Another module is shown."""
        self._is_entered = False
        for shortcut in self._shortcuts:
            shortcut.enabled = False
        self._detach()

    def setMask(self, inside: bool) -> None:
        """Let the editor change voxels inside the segments only (lungs and lesions together), or everywhere."""
        node = self.ui.segmentEditorWidget.mrmlSegmentEditorNode()
        if node is not None:
            modes = slicer.vtkMRMLSegmentationNode
            node.SetMaskMode(modes.EditAllowedInsideAllSegments if inside else modes.EditAllowedEverywhere)

    def showCounts(self, _counts=None) -> None:
        """The segments have changed: lesions are looked up again when the next one is wanted."""
        self._lesions = None
        self._show_state()

    def _show_nothing(self) -> None:
        self.ui.lesionLabel.text = ""
        self.ui.editStateLabel.text = ""
        self.ui.reviewedButton.checked = False
        self.ui.editCollapsibleButton.collapsed = True
        self.ui.editCollapsibleButton.enabled = False
        self.ui.editCollapsibleButton.toolTip = _("There is no result to correct.")

    # the editor -------------------------------------------------------------------------------------------------------

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

    def _shortcut(self, keys: str, call, parent):
        shortcut = qt.QShortcut(qt.QKeySequence(keys), slicer.util.mainWindow() or parent)
        shortcut.enabled = False
        shortcut.connect("activated()", call)
        return shortcut

    # lesion after lesion ----------------------------------------------------------------------------------------------

    @slot
    def _on_next(self, _checked=False) -> None:
        self._step(+1)

    @slot
    def _on_previous(self, _checked=False) -> None:
        self._step(-1)

    def _step(self, step: int) -> None:
        from LesionKitLib.mrml.views import jump_to

        if self._segmentation is None:
            return
        count = len(self._places())
        if count:
            self._position = (self._position + step) % count if self._position >= 0 else (0 if step > 0 else count - 1)
            jump_to(self._segmentation.GetScene(), self._lesions[self._position].ras)
        self._show_lesion()

    def _places(self) -> list:
        if self._lesions is None:
            from CovidLungQuantLib.lesion_list import list_lesions

            volume, _lungs, lesions = self.logic.labelsFor(self._segmentation, self.logic.volumeOf(self._segmentation))
            self._lesions = list_lesions(volume, lesions)
            self._position = min(self._position, len(self._lesions) - 1)
        return self._lesions

    def _show_lesion(self) -> None:
        from CovidLungQuantLib.labels import LESIONS

        if self._lesions is None or self._position < 0:
            text = _("From lesion to lesion, the largest first")
            if self._lesions is not None and not self._lesions:
                text = _("No lesion of 0.1 ml or more")
        else:
            place = self._lesions[self._position]
            names = {label.key: label.name for label in LESIONS}
            text = _("{number} of {count}: {name}, {ml:.1f} ml").format(
                number=self._position + 1, count=len(self._lesions), name=names[place.key], ml=place.ml
            )
        self.ui.lesionLabel.text = text

    # revert and review ------------------------------------------------------------------------------------------------

    def _on_segment_chosen(self, _segment_id=None) -> None:
        self._check_revert()

    def _check_revert(self) -> None:
        """Enable Revert, or say in its tool tip why it cannot run."""
        reason = self._reason_against_revert()
        self.ui.revertButton.enabled = not reason
        self.ui.revertButton.toolTip = reason or _(
            "Bring back what the network found for the selected segment. Undo takes it back."
        )

    def _reason_against_revert(self) -> str:
        from LesionKitLib.mrml.segmentations import ALGORITHM_TYPE_TAG, get_tag

        segment_id = self.ui.segmentEditorWidget.currentSegmentID()
        segment = self._segmentation.GetSegmentation().GetSegment(segment_id) if self._segmentation else None
        if segment is None:
            return _("Select a segment in the list below.")
        reasons = {"AUTOMATIC": _("This segment is as the network left it."), "SEMIAUTOMATIC": ""}
        return reasons.get(get_tag(segment, ALGORITHM_TYPE_TAG), _("This segment was drawn by a person."))

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

        if self._segmentation is not None:
            for segment_id in edited_segments(self._segmentation):
                set_reviewed(self._segmentation, segment_id, checked)
        self._show_state()

    def _show_state(self) -> None:
        """Number of edits, their time, and whether the result is reviewed."""
        from LesionKitLib.mrml.exported import editing_state

        if self._segmentation is None:
            return
        edits, seconds, reviewed = editing_state(self._segmentation)
        seconds = round(seconds)
        self.ui.reviewedButton.checked = reviewed
        self.ui.reviewedButton.text = _("Reviewed") if reviewed else _("Mark as reviewed")
        self.ui.editStateLabel.text = _("Edits: {edits}, in {minutes} min {seconds} s. {state}.").format(
            edits=edits,
            minutes=seconds // 60,
            seconds=seconds % 60,
            state=_("Reviewed by a person") if reviewed else _("Not reviewed"),
        )
        self._check_revert()


def _editor_node(scene):
    """The editor's settings in this scene."""
    node = scene.GetSingletonNode(EDITOR_TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.vtkMRMLSegmentEditorNode()
        node.SetSingletonTag(EDITOR_TAG)
        node = scene.AddNode(node)
    return node
