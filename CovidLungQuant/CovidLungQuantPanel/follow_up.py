"""Examinations of one patient at two or more dates: which lesions grew, shrank, are new or gone; with its report."""

from __future__ import annotations

import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from LesionKitPanel.apply import ApplySection
from LesionKitPanel.lesions import LesionTable
from LesionKitPanel.slots import slot
from LesionKitPanel.texts import show_text


class FollowUpSection(VTKObservationMixin):
    """Compares a result with one of another date, or all of the scene, on a thread; study dates give their order."""

    def __init__(self, ui, logic):
        super().__init__()
        self.ui, self.logic = ui, logic
        self._segmentation = None
        stages = {
            "measuring": _("Measuring"),
            "comparing examinations": _("Comparing examinations"),
            "writing files": _("Writing files"),
        }
        self.apply = ApplySection(
            ui.followUpButton, ui.followUpProgressBar, ui.followUpProgressLabel, ui.followUpStatusLabel, _("Compare"),
            self._check, stages,
        )  # fmt: skip
        self.lesions = LesionTable(ui.followUpTable, self._show_lesion)
        ui.earlierSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._check)
        ui.followUpAllCheckBox.connect("toggled(bool)", self._check)
        ui.followUpButton.connect("clicked(bool)", self._on_compare)
        self._show_outcome()
        self._check()

    def show(self, segmentation) -> None:
        """What is compared from now on; None: nothing."""
        if segmentation is not self._segmentation or segmentation is None:
            self.removeObservers()
            self._segmentation = segmentation
            if segmentation is not None:
                self.addObserver(segmentation, vtk.vtkCommand.ModifiedEvent, self._show_outcome)
                earlier = segmentation.GetNodeReference(self.logic.EARLIER_ROLE)
                if earlier is not None:
                    self.ui.earlierSelector.setCurrentNode(earlier)
            self.apply.say("")
            self._check()
        self._show_outcome()

    def stop(self) -> None:
        """The scene closes: what is being compared ends unseen."""
        self.apply.stop()

    def close(self) -> None:
        """The panel ends."""
        self.apply.close()
        self.removeObservers()
        self._segmentation = None

    @slot
    def _check(self, _node=None) -> None:
        """Enable Compare, or say in its tool tip why it cannot run."""
        other = self.ui.earlierSelector.currentNode()
        everything = self.ui.followUpAllCheckBox.checked
        self.ui.earlierSelector.enabled = not everything
        reason = ""
        if self._segmentation is None:
            reason = _("There is no result to compare.")
        elif everything:
            reason = "" if len(self.logic.results()) > 1 else _("There is no other result in the scene.")
        elif other is None:
            reason = _("Choose the result of another date.")
        elif other is self._segmentation:
            reason = _("This is the result itself; choose the result of another date.")
        self.apply.check(reason, _("Register the lungs, match the lesions, and list what changed."))

    @slot
    def _on_compare(self, _checked=False) -> None:
        if not self.apply.mayStart():
            return
        path = self.ui.followUpFolderPathLineEdit
        segmentation = self._segmentation
        everything = self.ui.followUpAllCheckBox.checked
        chosen = self.logic.results() if everything else [self.ui.earlierSelector.currentNode(), segmentation]
        work = self.logic.prepareFollowUp(chosen, path.currentPath.strip())
        if path.currentPath.strip():
            path.addCurrentPathToHistory()

        def deliver(found) -> str:
            followup, ordered, names = found
            self.logic.showFollowUp(followup, ordered, segmentation)
            return _("Written: {names}").format(names=", ".join(names)) if names else ""

        self.apply.start(work, deliver, _("Cancelled; nothing was compared."))

    @slot
    def _show_outcome(self, _caller=None, _event=None) -> None:
        """The last comparison of the result, which the scene keeps; a new run forgets it."""
        segmentation = self._segmentation
        state = self.logic.followUpFor(segmentation) if segmentation is not None else None
        if state is None:
            show_text(self.ui.followUpLabel, "")
            self.lesions.fill((), [])
            return
        show_text(self.ui.followUpLabel, " ".join([state["outcome"], *state["notes"]]))
        self.lesions.fill(*self.logic.followUpRows(segmentation), segmentation)

    def _show_lesion(self, place) -> None:
        if self._segmentation is not None:
            self.logic.showFollowUpLesion(self._segmentation, *place)
