"""The Segment Editor: to correct a result, or to draw the lesion that an image is made with."""

from __future__ import annotations

from slicer.i18n import tr as _

from LesionKitPanel.editor import EditorSection

EDITOR_TAG = "StrokeSynth.SegmentEditor"
EFFECTS = ["Paint", "Draw", "Erase", "Threshold", "Scissors", "Islands", "Smoothing", "Margin"]


class EditSection(EditorSection):
    """Edits the result, or a drawing that the user began."""

    def __init__(self, ui, logic):
        self.logic = logic
        self._result = None
        super().__init__(ui, EDITOR_TAG, EFFECTS)

    def show(self, segmentation) -> None:
        """Edit this result from now on; None: nothing. A drawing that was begun goes on while the result stays."""
        if segmentation is not self._result:
            self._result = segmentation
            self.edit(segmentation, self.logic.volumeOf(segmentation) if segmentation is not None else None)

    def close(self) -> None:
        """The panel ends, or the scene closes."""
        self._let_go()
        self._result = None
        self._show_nothing()

    def _show_edits(self, edits: int, seconds: int, reviewed: bool) -> None:
        self.ui.editedLabel.text = _("{name}: {edits} edits.").format(name=self._segmentation.GetName(), edits=edits)

    def _show_nothing(self) -> None:
        super()._show_nothing()
        self.ui.editedLabel.text = _("There is nothing to edit.")
