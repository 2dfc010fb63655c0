"""Correcting the result by hand: Slicer's Segment Editor, the way from lesion to lesion, revert, reviewed."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from LesionKitPanel.editor import EditorSection

from .common import slot

EDITOR_TAG = "CovidLungQuant.SegmentEditor"
EFFECTS = ["Paint", "Draw", "Erase", "Threshold", "Scissors", "Islands", "Smoothing", "Margin", "Logical operators"]


class EditSection(EditorSection):
    """Edits one segmentation on the CT that it belongs to. parent: the panel's widget, owner of the shortcuts."""

    def __init__(self, ui, logic, parent):
        self.logic = logic
        self._lesions = None  # list of LesionPlace, largest first; None: to be looked up
        self._position = -1
        super().__init__(ui, EDITOR_TAG, EFFECTS)
        self._shortcuts = [
            self._shortcut("Shift+N", self._on_next, parent),
            self._shortcut("Shift+P", self._on_previous, parent),
            self._shortcut("Shift+R", self.ui.reviewedButton.click, parent),
        ]
        ui.nextLesionButton.connect("clicked(bool)", self._on_next)
        ui.previousLesionButton.connect("clicked(bool)", self._on_previous)
        ui.segmentEditorWidget.connect("currentSegmentIDChanged(QString)", self._on_segment_chosen)

    def show(self, segmentation) -> None:
        """Edit this segmentation from now on; None: nothing."""
        if segmentation is self._segmentation:
            return
        self.edit(segmentation, self.logic.volumeOf(segmentation) if segmentation is not None else None)
        if segmentation is not None:
            self.ui.editCollapsibleButton.toolTip = _("Correct the result by hand; all numbers follow.")
            self._show_lesion()

    def close(self) -> None:
        """The panel ends; the shortcuts would outlive it, as they belong to the main window."""
        self._let_go()
        for shortcut in self._shortcuts:
            shortcut.enabled = False
            shortcut.deleteLater()
        self._shortcuts = []

    def _let_go(self) -> None:
        super()._let_go()
        self._lesions = None
        self._position = -1

    def enter(self) -> None:
        """The module is shown: shortcuts and the editor's hold on the views are active."""
        for shortcut in self._shortcuts:
            shortcut.enabled = True
        super().enter()

    def leave(self) -> None:
        """Another module is shown."""
        for shortcut in self._shortcuts:
            shortcut.enabled = False
        super().leave()

    def setMask(self, inside: bool) -> None:
        """Let the editor change voxels inside the segments only (lungs and lesions together), or everywhere."""
        node = self.ui.segmentEditorWidget.mrmlSegmentEditorNode()
        if node is not None:
            modes = slicer.vtkMRMLSegmentationNode
            node.SetMaskMode(modes.EditAllowedInsideAllSegments if inside else modes.EditAllowedEverywhere)

    def showCounts(self, _counts=None) -> None:
        """The segments have changed: lesions are looked up again when the next one is wanted."""
        self._lesions = None
        self.showState()

    def _show_nothing(self) -> None:
        super()._show_nothing()
        self.ui.lesionLabel.text = ""
        self.ui.editStateLabel.text = ""
        self.ui.editCollapsibleButton.toolTip = _("There is no result to correct.")

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
            from LesionKitLib.imaging.lesion_components import lesion_components

            volume, _lungs, lesions = self.logic.labelsFor(self._segmentation, self.logic.volumeOf(self._segmentation))
            self._lesions = lesion_components(volume, lesions)
            self._position = min(self._position, len(self._lesions) - 1)
        return self._lesions

    def _show_lesion(self) -> None:
        from CovidLungQuantLib.labels import LESIONS

        if self._lesions is None or self._position < 0:
            text = _("From lesion to lesion, the largest first")
            if self._lesions is not None and not self._lesions:
                text = _("No lesion of 0.1 ml or more")
        else:
            lesion = self._lesions[self._position]
            names = {label.value: label.name for label in LESIONS}
            text = _("{number} of {count}: {name}, {ml:.1f} ml").format(
                number=self._position + 1, count=len(self._lesions), name=names[lesion.label], ml=lesion.ml
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

    def _show_edits(self, edits: int, seconds: int, reviewed: bool) -> None:
        self.ui.editStateLabel.text = _("Edits: {edits}, in {minutes} min {seconds} s. {state}.").format(
            edits=edits,
            minutes=seconds // 60,
            seconds=seconds % 60,
            state=_("Reviewed by a person") if reviewed else _("Not reviewed"),
        )
        self._check_revert()
