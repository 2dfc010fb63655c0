"""Synthesize: an image from labels with a lesion that the GAN or the user draws; before and after."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from LesionKitPanel.apply import ApplySection
from LesionKitPanel.slots import slot


class SynthesizeSection:
    """on_result(volume): called when an image is in the scene. on_draw(segmentation, volume): to edit it."""

    def __init__(self, ui, logic, on_result, on_changed, on_draw=None):
        self.ui, self.logic = ui, logic
        self._on_result, self.on_draw = on_result, on_draw
        self._parameters = None
        self._compared = None  # the image that the slider blends
        self._drawing = None  # the segmentation that the lesion being used was drawn in
        self._asked = None  # smallest and largest ml of the lesion being drawn at random
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
        is_drawn = parameters is not None and parameters.drawnSegmentation is not None
        self.ui.drawButton.text = _("Edit…") if is_drawn else _("Draw…")
        self._follow(parameters.inputVolume if parameters else None)
        if parameters is None:
            reason = _("There is no scene.")
        elif lesion == "drawn" and parameters.drawnSegmentation is None:
            reason = _("Draw a lesion, or choose the segmentation that holds it.")
        else:
            reason = range_reason(parameters)
        self.apply.check(reason, _("Make the image. The views stay usable meanwhile."))

    def stop(self) -> None:
        self.apply.stop()
        self._follow(None)

    def close(self) -> None:
        self.apply.close()

    @slot
    def _on_apply(self, _checked=False) -> None:
        from LesionKitLib.run.requirements import PACKAGES

        if not self.apply.mayStart(PACKAGES):
            return
        chosen = self._parameters
        lesion = chosen.drawnSegmentation if chosen.lesion == "drawn" else chosen.lesion
        self._asked = volume_range(chosen) if chosen.lesion == "gan" else None
        work = self.logic.prepareSynthesis(
            chosen.labelsVolume,
            lesion,
            chosen.translator,
            chosen.seed,
            volume_range(chosen),
            chosen.side,
            chosen.device,
        )
        self._drawing = chosen.drawnSegmentation if chosen.lesion == "drawn" else None
        self.apply.start(work, self._deliver, _("Cancelled; the scene is as it was."))

    def _deliver(self, result) -> str:
        self._on_result(self.logic.showSynthesis(result, self._drawing))
        about = result.summary()
        text = _("Lesion {ml:.1f} ml, {translator}, {seconds:.1f} s.").format(
            ml=about["lesion_ml"], translator=about["translator"], seconds=about["seconds"].get("total", 0.0)
        )
        if self._asked is not None and not self._asked[0] <= about["lesion_ml"] <= self._asked[1]:
            text += " " + _("No lesion within the range was drawn; this one is the nearest.")
        return " ".join([text, *result.notes])

    @slot
    def _on_draw(self, _checked=False) -> None:
        """The drawing in the editor, on the labels; without one an empty lesion segment."""
        labels = self._parameters.labelsVolume or self.logic.templateNode()
        self.logic.showLabels(labels)
        segmentation = self._parameters.drawnSegmentation
        if segmentation is None:
            segmentation = self._parameters.drawnSegmentation = self.logic.newDrawing(labels)
        if self.on_draw is not None:
            self.on_draw(segmentation, labels)

    @slot
    def _on_compare(self, value: float) -> None:
        if self._compared is not None and slicer.mrmlScene.IsNodePresent(self._compared):
            self.logic.compare(self._compared, value / 100)

    def _follow(self, volume) -> None:
        """The slider blends this image with its labels where it has any; on a change it goes back to the image."""
        if volume is not self._compared:
            self.ui.compareSlider.value = 0
            self._compared = volume
        self.ui.compareSlider.enabled = self.logic.labelsOf(volume) is not None


def volume_range(parameters) -> tuple[float, float]:
    """The smallest lesion is 20 voxels of 1 mm."""
    return max(parameters.minimumMl, 0.02), parameters.maximumMl


def range_reason(parameters) -> str:
    """Why no lesion can be drawn at random; "" when one can."""
    if parameters.lesion == "gan" and parameters.maximumMl < max(parameters.minimumMl, 0.02):
        return _("The largest volume is below the smallest.")
    return ""
