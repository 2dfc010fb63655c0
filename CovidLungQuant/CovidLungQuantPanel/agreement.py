"""Ground truth against prediction."""

from __future__ import annotations

from slicer.i18n import tr as _

from LesionKitPanel.slots import slot
from LesionKitPanel.texts import show_text


class AgreementSection:
    """Compares a result with a segmentation of known lesions."""

    def __init__(self, ui, logic):
        self.ui, self.logic = ui, logic
        self._segmentation = None
        ui.groundTruthSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._check)
        ui.compareButton.connect("clicked(bool)", self._on_compare)
        self.show(None)

    def show(self, segmentation) -> None:
        """What is compared from now on; None: nothing."""
        if segmentation is not self._segmentation or segmentation is None:
            self._segmentation = segmentation
            show_text(self.ui.agreementLabel, "")
            self._check()

    def stop(self) -> None:
        """The scene closes: nothing runs here."""

    def close(self) -> None:
        """Let go of the segmentation."""
        self._segmentation = None

    @slot
    def _check(self, _node=None) -> None:
        """Enable Compare, or say in its tool tip why it cannot run."""
        truth = self.ui.groundTruthSelector.currentNode()
        reason = ""
        if self._segmentation is None:
            reason = _("There is no result to compare.")
        elif truth is None:
            reason = _("Choose the segmentation that holds the ground truth.")
        elif truth is self._segmentation:
            reason = _("This is the result itself; choose the segmentation that holds the ground truth.")
        self.ui.compareButton.enabled = not reason
        self.ui.compareButton.toolTip = reason or _(
            "Make a segmentation of what was found, what was missed and what is a false positive."
        )

    @slot
    def _on_compare(self, _checked=False) -> None:
        outcome = self.logic.compareWithTruth(self._segmentation, self.ui.groundTruthSelector.currentNode())
        dice = "–" if outcome["dice"] is None else f"{outcome['dice']:.2f}"
        text = _("Found {found:.1f} ml, missed {missed:.1f} ml, false positive {extra:.1f} ml; Dice {dice}").format(
            found=outcome["true_positive_ml"],
            missed=outcome["false_negative_ml"],
            extra=outcome["false_positive_ml"],
            dice=dice,
        )
        show_text(self.ui.agreementLabel, text)
