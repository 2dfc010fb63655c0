"""Segment: the stroke of a loaded MR, on a thread of its own."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from LesionKitPanel.apply import ApplySection
from LesionKitPanel.slots import slot


class SegmentSection:
    """on_result(segmentation): called when the result is in the scene. on_changed(): a run has begun or ended."""

    def __init__(self, ui, logic, on_result, on_changed):
        self.ui, self.logic = ui, logic
        self._on_result, self._on_changed = on_result, on_changed
        self._parameters = None
        self._target = (None, None)  # volume and segmentation of the run going on
        stages = {
            "checking the image": _("Checking the image"),
            "finding the brain": _("Finding the brain"),
            "aligning with the template": _("Aligning with the template"),
            "segmenting": _("Segmenting"),
            "measuring": _("Measuring"),
        }
        self.apply = ApplySection(
            ui.segmentButton, ui.segmentProgressBar, ui.segmentProgressLabel, ui.segmentStatusLabel, _("Segment"),
            on_changed, stages,
        )  # fmt: skip
        ui.segmentButton.connect("clicked(bool)", self._on_apply)

    def nameChoices(self) -> None:
        """Readable names in place of the parameters' values; the values stay those of the parameter node."""
        names = {
            "auto": _("Auto"), "cpu": _("Processor (CPU)"), "cuda": _("NVIDIA graphics card (CUDA)"),
            "mps": _("Apple graphics (MPS)"), "gan": _("At random (mask GAN)"), "drawn": _("Drawn by me"),
            "none": _("None"), "any": _("Any"), "left": _("Left"), "right": _("Right"), "pix2pix": _("Pix2Pix"),
            "spade": _("SPADE"), "cyclegan": _("CycleGAN"),
        }  # fmt: skip
        for name in ("device", "lesion", "side", "translator"):
            box = getattr(self.ui, f"{name}ComboBox")
            for index in range(box.count):
                box.setItemText(index, names.get(box.itemText(index), box.itemText(index)))

    def check(self, parameters) -> None:
        """Enable Segment, or say in its tool tip why it cannot run."""
        self._parameters = parameters
        volume = parameters.inputVolume if parameters else None
        if volume is None:
            reason = _("Choose an MR volume.")
        else:
            reason = "" if volume.GetImageData() is not None else _("The volume holds no image.")
        self.apply.check(reason, _("Find the stroke. The views stay usable meanwhile."))

    def stop(self) -> None:
        self.apply.stop()

    def close(self) -> None:
        self.apply.close()

    @slot
    def _on_apply(self, _checked=False) -> None:
        if self.apply.running:
            self.apply.cancel()
            return
        from LesionKitLib.run.requirements import PACKAGES

        if not self.apply.packagesAreThere(PACKAGES):
            return
        volume, segmentation = self._parameters.inputVolume, self._parameters.outputSegmentation
        if segmentation is not None and self.logic.volumeOf(segmentation) is not volume:
            segmentation = None  # the result of another image stays as it is
        self._target = volume, segmentation
        work = self.logic.prepare(volume, self._parameters.device)
        self.apply.start(work, self._deliver, _("Cancelled; the scene is as it was."))

    def _deliver(self, result) -> str:
        volume, segmentation = self._target
        if not slicer.mrmlScene.IsNodePresent(volume):
            return _("The image was removed from the scene, so its result was thrown away.")
        if segmentation is not None and not slicer.mrmlScene.IsNodePresent(segmentation):
            segmentation = None
        segmentation = self.logic.showResult(result, volume, segmentation)
        self._on_result(segmentation)
        text = _("Done in {seconds:.1f} s on {device}.").format(
            seconds=result.seconds.get("total", 0.0), device=result.device
        )
        dice = self.logic.diceWithTruth(segmentation, volume)
        truth = _("Dice with the lesion that the image was made with: {dice:.2f}.")
        told = [] if dice is None else [truth.format(dice=dice)]
        return " ".join([text, *told, *result.notes])
