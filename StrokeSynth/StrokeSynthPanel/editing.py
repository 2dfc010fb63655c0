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
        """Edit this result from now on; None: nothing. A drawing that was begun goes on until there is another
        result."""
        if segmentation is not self._result:
            is_drawing = self._segmentation is not None and self._segmentation is not self._result
            self._result = segmentation
            if is_drawing and segmentation is None:
                return
            self.edit(segmentation, self.logic.volumeOf(segmentation) if segmentation is not None else None)

    def close(self) -> None:
        """The panel ends, or the scene closes."""
        self._let_go()
        self._result = None
        self._show_nothing()

    def _show_edits(self, edits: int, seconds: int, reviewed: bool) -> None:
        is_result = self._segmentation is self._result
        for button in (self.ui.revertButton, self.ui.reviewedButton):  # nothing to say about a drawing
            button.enabled = is_result
        name = self._segmentation.GetName()
        if not is_result:
            text = _("Draw the lesion into '{name}', then press Synthesize.").format(name=name)
        elif edits == 1:
            text = _("{name}: 1 edit.").format(name=name)
        else:
            text = _("{name}: {edits} edits.").format(name=name, edits=edits)
        self.ui.editedLabel.text = text

    def _show_nothing(self) -> None:
        super()._show_nothing()
        self.ui.editedLabel.text = _("There is nothing to edit.")
