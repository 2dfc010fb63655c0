"""Apply and Cancel for a brain MR."""

from __future__ import annotations

from slicer.i18n import tr as _

from LesionKitPanel import run


class RunSection(run.RunSection):
    """See LesionKitPanel.run."""

    def __init__(self, ui, logic, on_result, on_changed):
        stages = {
            "checking the image": _("Checking the image"),
            "finding the brain": _("Finding the brain"),
            "aligning with the template": _("Aligning with the template"),
            "segmenting": _("Segmenting"),
            "measuring": _("Measuring"),
        }
        super().__init__(ui, logic, on_result, on_changed, self._prepare_mr, stages, _("Choose an MR volume."))

    def nameChoices(self) -> None:
        """Readable names in place of the parameters' values."""
        names = {
            "gan": _("At random (mask GAN)"), "drawn": _("Drawn by me"), "none": _("None"), "any": _("Any"),
            "left": _("Left"), "right": _("Right"), "pix2pix": _("Pix2Pix"), "spade": _("SPADE"),
            "cyclegan": _("CycleGAN"),
        }  # fmt: skip
        boxes = [getattr(self.ui, f"{name}ComboBox") for name in ("device", "lesion", "side", "translator")]
        run.name_choices(boxes, names)

    def _prepare_mr(self, parameters):
        return self.logic.prepare(parameters.inputVolume, parameters.device)

    def _remarks(self, segmentation, volume) -> list[str]:
        dice = self.logic.diceWithTruth(segmentation, volume)
        text = _("Dice with the lesion that the image was made with: {dice:.2f}.")
        return [] if dice is None else [text.format(dice=dice)]
