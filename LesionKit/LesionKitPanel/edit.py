"""Slicer's Segment Editor in a panel: one segmentation at a time, from lesion to lesion, revert to AI, reviewed."""

from __future__ import annotations

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from .slots import slot
from .texts import show_text

EFFECTS = ["Paint", "Draw", "Erase", "Threshold", "Scissors", "Islands", "Smoothing", "Margin"]
MORE_EFFECTS = ["Level tracing", "Fill between slices", "Grow from seeds", "Logical operators"]
UNDO_STATES = 30


class EditSection(VTKObservationMixin):
    """Edits one segmentation on the image that it belongs to.

    ui: with segmentEditorWidget, moreEffectsCheckBox, editCollapsibleButton, revertButton, reviewedButton,
    editStateLabel, previousLesionButton, nextLesionButton and lesionPlaceLabel. parent: the panel's widget, owner of
    the shortcuts. tag: of the editor's settings in the scene.
    """

    def __init__(self, ui, logic, parent, tag: str):
        super().__init__()
        self.ui, self.logic, self._tag = ui, logic, tag
        self._segmentation = None
        self._is_entered = False
        self._places = None  # list of (text, RAS mm), largest first; None: to be looked up
        self._position = -1
        self._shortcuts = [
            self._shortcut("Shift+N", self._on_next, parent),
            self._shortcut("Shift+P", self._on_previous, parent),
            self._shortcut("Shift+R", ui.reviewedButton.click, parent),
        ]
        ui.nextLesionButton.connect("clicked(bool)", self._on_next)
        ui.previousLesionButton.connect("clicked(bool)", self._on_previous)
        ui.revertButton.connect("clicked(bool)", self._on_revert)
        ui.reviewedButton.connect("clicked(bool)", self._on_reviewed)
        ui.editCollapsibleButton.connect("contentsCollapsed(bool)", self._on_collapsed)
        ui.moreEffectsCheckBox.connect("toggled(bool)", self._on_more_effects)
        ui.segmentEditorWidget.unorderedEffectsVisible = False
        self._on_more_effects(ui.moreEffectsCheckBox.checked)
        ui.segmentEditorWidget.maximumNumberOfUndoStates = UNDO_STATES
        self._show_nothing()

    def show(self, segmentation) -> None:
        """Edit this result from now on; None: nothing."""
        if segmentation is not self._segmentation:
            self.edit(segmentation, self.logic.volumeOf(segmentation) if segmentation is not None else None)

    def edit(self, segmentation, volume) -> None:
        """Edit this segmentation on this volume from now on; None: nothing."""
        self._let_go()
        self._segmentation = segmentation
        if segmentation is None:
            self._show_nothing()
            return
        editor = self.ui.segmentEditorWidget
        editor_node = self._editor_node(segmentation.GetScene())
        editor.setMRMLSegmentEditorNode(editor_node)
        editor.setSegmentationNode(segmentation)
        editor.setSourceVolumeNode(volume)
        # not the widget's own signal: that comes from clicks on a row, and not from the keys Q and W
        self.addObserver(editor_node, vtk.vtkCommand.ModifiedEvent, self._check_revert)
        self.ui.editCollapsibleButton.enabled = True
        self.ui.editCollapsibleButton.toolTip = _("Correct the result by hand; all numbers follow.")
        self._show_place()
        self.showState()
        self._attach()

    def close(self) -> None:
        """The panel ends; the shortcuts would outlive it, as they belong to the main window."""
        self.stop()
        for shortcut in self._shortcuts:
            shortcut.enabled = False
            shortcut.deleteLater()
        self._shortcuts = []

    def stop(self) -> None:
        """The scene closes."""
        self._let_go()
        self._show_nothing()

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

    def showState(self) -> None:
        """After a change of the segments: number of edits, and whether a person has reviewed the result."""
        from LesionKitLib.mrml.editing import editing_summary

        self._places = None  # looked up again when the next one is wanted
        if self._segmentation is None:
            return
        told = editing_summary(self._segmentation)
        self.ui.reviewedButton.checked = told["reviewed"]
        self.ui.reviewedButton.text = _("Reviewed") if told["reviewed"] else _("Mark as reviewed")
        show_text(self.ui.editStateLabel, self._state(told))
        self._check_revert()

    def _state(self, told: dict) -> str:
        """What is said of an editing_summary."""
        seconds = round(told["edit_seconds"])
        return _("{name}. Edits: {edits}, in {minutes} min {seconds} s. {state}.").format(
            name=self._segmentation.GetName(),
            edits=told["edits"],
            minutes=seconds // 60,
            seconds=seconds % 60,
            state=_("Reviewed by a person") if told["reviewed"] else _("Not reviewed"),
        )

    def _show_nothing(self) -> None:
        show_text(self.ui.editStateLabel, _("There is nothing to edit."))
        self.ui.lesionPlaceLabel.text = ""
        self.ui.reviewedButton.checked = False
        self.ui.editCollapsibleButton.collapsed = True
        self.ui.editCollapsibleButton.enabled = False
        self.ui.editCollapsibleButton.toolTip = _("There is no result to correct.")

    # the editor -------------------------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        """Of the segmentation and the views. The image goes first: without a segmentation the editor takes none."""
        self._detach()
        self.removeObservers()
        if self._segmentation is not None:
            self.ui.segmentEditorWidget.setSourceVolumeNode(None)
            self.ui.segmentEditorWidget.setSegmentationNode(None)
        self._segmentation = self._places = None
        self._position = -1

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

    def _editor_node(self, scene):
        """The editor's settings in this scene."""
        node = scene.GetSingletonNode(self._tag, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(self._tag)
            node = scene.AddNode(node)
        return node

    def _shortcut(self, keys: str, call, parent):
        shortcut = qt.QShortcut(qt.QKeySequence(keys), slicer.util.mainWindow() or parent)
        shortcut.enabled = False
        shortcut.connect("activated()", call)
        return shortcut

    @slot
    def _on_more_effects(self, shown: bool) -> None:
        """Offer the effects for whole regions too; one that is in use and goes out of sight is let go."""
        editor = self.ui.segmentEditorWidget
        node = editor.mrmlSegmentEditorNode()
        if not shown and node is not None and node.GetActiveEffectName() in MORE_EFFECTS:
            editor.setActiveEffectByName("")
        editor.setEffectNameOrder(EFFECTS + (MORE_EFFECTS if shown else []))

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
        if self._places is None:
            self._places = self.logic.lesionPlaces(self._segmentation)
            self._position = min(self._position, len(self._places) - 1)
        count = len(self._places)
        if count:
            self._position = (self._position + step) % count if self._position >= 0 else (0 if step > 0 else count - 1)
            jump_to(self._segmentation.GetScene(), self._places[self._position][1])
        self._show_place()

    def _show_place(self) -> None:
        if self._places and self._position >= 0:
            text = _("{number} of {count}: {lesion}").format(
                number=self._position + 1, count=len(self._places), lesion=self._places[self._position][0]
            )
        elif self._places is not None and not self._places:
            text = _("No lesion")
        else:
            text = _("From lesion to lesion, the largest first")
        self.ui.lesionPlaceLabel.text = text

    # revert and review ------------------------------------------------------------------------------------------------

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

    def _check_revert(self, _caller=None, _event=None) -> None:
        """Enable Revert, or say in its tool tip why it cannot run."""
        reason = self._reason_against_revert()
        self.ui.revertButton.enabled = not reason
        self.ui.revertButton.toolTip = reason or _(
            "Bring back what the network found for the selected segment. Undo takes it back."
        )

    def _reason_against_revert(self) -> str:
        from LesionKitLib.mrml.segmentations import ALGORITHM_TYPE_TAG, get_tag

        if self._segmentation is None:
            return _("There is no result to correct.")
        segment_id = self.ui.segmentEditorWidget.currentSegmentID()
        segment = self._segmentation.GetSegmentation().GetSegment(segment_id) if segment_id else None
        if segment is None:
            return _("Select a segment in the list below.")
        reasons = {"AUTOMATIC": _("This segment is as the network left it."), "SEMIAUTOMATIC": ""}
        return reasons.get(get_tag(segment, ALGORITHM_TYPE_TAG), _("This segment was drawn by a person."))
