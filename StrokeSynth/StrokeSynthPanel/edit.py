"""The Segment Editor: to correct a result, or to draw the lesion that an image is made with."""

from __future__ import annotations

from slicer.i18n import tr as _

from LesionKitPanel import edit

EDITOR_TAG = "StrokeSynth.SegmentEditor"


class EditSection(edit.EditSection):
    """Edits the result, or a drawing that the user began. See LesionKitPanel.edit."""

    def __init__(self, ui, logic, parent):
        self._result = None
        super().__init__(ui, logic, parent, EDITOR_TAG)

    def show(self, segmentation) -> None:
        """Edit this result from now on; None: nothing. A drawing that was begun goes on until there is another
        result."""
        if segmentation is not self._result:
            is_drawing = self._segmentation is not None and self._segmentation is not self._result
            self._result = segmentation
            if is_drawing and segmentation is None:
                return
            self.edit(segmentation, self.logic.volumeOf(segmentation) if segmentation is not None else None)

    def stop(self) -> None:
        self._result = None
        super().stop()

    @property
    def _is_result(self) -> bool:
        return self._segmentation is self._result

    def showState(self) -> None:
        super().showState()
        for button in (self.ui.reviewedButton, self.ui.nextLesionButton, self.ui.previousLesionButton):
            button.enabled = self._is_result  # nothing to say about a drawing

    def _state(self, told: dict) -> str:
        if self._is_result:
            return super()._state(told)
        return _("Draw the lesion into '{name}', then press Synthesize.").format(name=self._segmentation.GetName())

    def _reason_against_revert(self) -> str:
        return super()._reason_against_revert() if self._is_result else _("A drawing has nothing to go back to.")
