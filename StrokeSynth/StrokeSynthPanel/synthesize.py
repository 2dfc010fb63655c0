"""Synthesize: an image from labels with a lesion that the GAN or the user draws; before and after."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from LesionKitPanel.apply import ApplySection
from LesionKitPanel.common import slot


class SynthesizeSection:
    """on_result(volume): called when an image is in the scene. on_draw(segmentation, volume): to edit it."""

    def __init__(self, ui, logic, on_result, on_changed, on_draw=None):
        self.ui, self.logic = ui, logic
        self._on_result, self.on_draw = on_result, on_draw
        self._parameters = None
        self._shown = None  # the image made last
        stages = {
            "reading labels": _("Reading the labels"),
            "drawing the lesion": _("Drawing the lesion"),
            "translating slices": _("Translating slices"),
        }
        self.apply = ApplySection(
            ui.synthesizeButton, ui.synthesizeProgressBar, ui.synthesizeProgressLabel, ui.synthesizeStatusLabel,
            _("Synthesize"), on_changed, stages,
        )  # fmt: skip
        ui.synthesizeButton.connect("clicked(bool)", self._on_apply)
        ui.drawButton.connect("clicked(bool)", self._on_draw)
        ui.compareSlider.connect("valueChanged(double)", self._on_compare)

    def check(self, parameters) -> None:
        """Enable Synthesize, or say in its tool tip why it cannot run; show what the choice of lesion asks for."""
        self._parameters = parameters
        lesion = parameters.lesion if parameters else "gan"
        for name in ("minimumMlSlider", "maximumMlSlider", "sideComboBox"):
            getattr(self.ui, name).enabled = lesion == "gan"
        for name in ("drawnSegmentationSelector", "drawButton"):
            getattr(self.ui, name).enabled = lesion == "drawn"
        if parameters is None:
            reason = _("There is no scene.")
        elif lesion == "drawn" and parameters.drawnSegmentation is None:
            reason = _("Draw a lesion, or choose the segmentation that holds it.")
        else:
            reason = range_reason(parameters)
        self.apply.check(reason, _("Make the image. The views stay usable meanwhile."))

    def stop(self) -> None:
        self.apply.stop()
        self._shown = None
        self.ui.compareSlider.enabled = False

    def close(self) -> None:
        self.apply.close()

    @slot
    def _on_apply(self, _checked=False) -> None:
        if self.apply.running:
            self.apply.cancel()
            return
        from LesionKitLib.requirements import PACKAGES

        if not self.apply.packagesAreThere(PACKAGES):
            return
        chosen = self._parameters
        lesion = chosen.drawnSegmentation if chosen.lesion == "drawn" else chosen.lesion
        work = self.logic.prepareSynthesis(
            chosen.labelsVolume,
            lesion,
            chosen.translator,
            chosen.seed,
            volume_range(chosen),
            chosen.side,
            chosen.device,
        )
        self.apply.start(work, self._deliver, _("Cancelled; the scene is as it was."))

    def _deliver(self, result) -> str:
        self._shown = self.logic.showSynthesis(result)
        self.ui.compareSlider.enabled = True
        self.ui.compareSlider.value = 0
        self._on_result(self._shown)
        about = result.summary()
        return _("Lesion {ml:.1f} ml, {translator}, {seconds:.1f} s.").format(
            ml=about["lesion_ml"], translator=about["translator"], seconds=about["seconds"].get("total", 0.0)
        )

    @slot
    def _on_draw(self, _checked=False) -> None:
        """An empty lesion segment on the labels, in the editor."""
        labels = self._parameters.labelsVolume or self.logic.templateNode()
        self.logic.showLabels(labels)
        segmentation = self.logic.newDrawing(labels)
        self._parameters.drawnSegmentation = segmentation
        if self.on_draw is not None:
            self.on_draw(segmentation, labels)

    @slot
    def _on_compare(self, value: float) -> None:
        if self._shown is not None and slicer.mrmlScene.IsNodePresent(self._shown):
            self.logic.compare(self._shown, value / 100)


def volume_range(parameters) -> tuple[float, float]:
    """The smallest lesion is 20 voxels of 1 mm."""
    return max(parameters.minimumMl, 0.02), parameters.maximumMl


def range_reason(parameters) -> str:
    """Why no lesion can be drawn at random; "" when one can."""
    if parameters.lesion == "gan" and parameters.maximumMl < max(parameters.minimumMl, 0.02):
        return _("The largest volume is below the smallest.")
    return ""
