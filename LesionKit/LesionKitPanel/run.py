"""Apply, Cancel and progress: the analysis runs on a thread, the panel and the views stay usable."""

from __future__ import annotations

import os

import slicer
from slicer.i18n import tr as _

from .apply import ApplySection, duration
from .slots import slot


class RunSection:
    """Apply and what happens until there is a result.

    ui: with applyButton, progressBar, progressLabel, statusLabel, inputsCollapsibleButton and deviceFoundLabel.
    on_result(segmentation, measurements): called when the result is in the scene. on_changed(): a run has begun or
    ended. prepare(parameters): the analysis as a function of a Progress. stages: what a stage of the work is called for
    the user. choose: the sentence that asks for an image.
    """

    def __init__(self, ui, logic, on_result, on_changed, prepare, stages: dict, choose: str):
        self.ui, self.logic = ui, logic
        self._on_result, self._on_changed = on_result, on_changed
        self._prepare, self._choose = prepare, choose
        self._parameters = None
        self._volume = None  # the image that the sentence below the button is about
        self._target = (None, None)  # volume node, and segmentation or None, of the run going on
        self._auto_found = ""  # what "auto" chose in the last run
        self.apply = ApplySection(
            ui.applyButton, ui.progressBar, ui.progressLabel, ui.statusLabel, _("Apply"), self._ended, stages
        )
        ui.applyButton.connect("clicked(bool)", self._on_apply)

    def check(self, parameters) -> None:
        """Enable Apply, or say in its tool tip why it cannot run; parameters: of the panel, or None."""
        self._parameters = parameters
        volume = parameters.inputVolume if parameters is not None else None
        if volume is not self._volume and not self.apply.running:
            self._volume = volume
            self.apply.say("")  # it was about another image
        self.apply.check(self._reason(volume), _("Segment and measure the image. The views stay usable meanwhile."))
        self._show_device()

    def stop(self) -> None:
        """The scene closes: whatever is running ends unseen."""
        self.apply.stop()
        self._let_go()

    def close(self) -> None:
        """The panel or the application ends."""
        self.apply.close()

    def _reason(self, volume) -> str:
        if volume is None:
            return self._choose
        return "" if volume.GetImageData() is not None else _("The volume holds no image.")

    def _remarks(self, segmentation, volume) -> list[str]:
        """More sentences about a result that has just come."""
        return []

    @slot
    def _on_apply(self, _checked=False) -> None:
        from LesionKitLib.run.requirements import PACKAGES

        if self._parameters is None or not self.apply.mayStart(PACKAGES):
            return
        volume, segmentation = self._parameters.inputVolume, self._parameters.outputSegmentation
        work = self._prepare(self._parameters)
        if segmentation is not None and self.logic.volumeOf(segmentation) is not volume:
            segmentation = None  # the result of another image stays as it is
        self._target = (volume, segmentation)
        self._volume = volume
        self.apply.start(work, self._deliver, _("Cancelled; the scene is as it was."))
        self.ui.inputsCollapsibleButton.enabled = False

    def _deliver(self, result) -> str:
        volume, segmentation = self._target
        if not _is_in_scene(volume):
            return _("The image was removed from the scene, so its result was thrown away.")
        if not _is_in_scene(segmentation):
            segmentation = None
        segmentation = self.logic.showResult(result, volume, segmentation)
        self._auto_found = result.device
        self._on_result(segmentation, result.measurements)
        text = _("{image}: done in {seconds} on {device}.").format(
            image=volume.GetName(), seconds=duration(result.seconds.get("total", 0.0)), device=result.device
        )
        return " ".join([text, *self._remarks(segmentation, volume), *result.notes])

    def _ended(self) -> None:
        self._let_go()
        self._volume = self._parameters.inputVolume if self._parameters is not None else None
        self._on_changed()

    def _let_go(self) -> None:
        self._target = (None, None)
        self.ui.inputsCollapsibleButton.enabled = True

    def _show_device(self) -> None:
        """Without importing PyTorch, which takes seconds: known once a run has imported it."""
        if self._auto_found:
            text = _("The last run used: {device}.").format(device=self._auto_found)
        else:
            text = _("This computer: CPU, {count} cores; a graphics card is looked for when Apply is pressed.").format(
                count=os.cpu_count() or 1
            )
        self.ui.deviceFoundLabel.text = text


def name_choices(boxes, names: dict[str, str]) -> None:
    """Readable names in combo boxes in place of the parameters' values, which stay those of the parameter node."""
    devices = {
        "auto": _("Auto"),
        "cpu": _("Processor (CPU)"),
        "cuda": _("NVIDIA graphics card (CUDA)"),
        "mps": _("Apple graphics (MPS)"),
    }
    for box in boxes:
        for index in range(box.count):
            text = box.itemText(index)
            box.setItemText(index, names.get(text) or devices.get(text) or text)


def _is_in_scene(node) -> bool:
    return node is not None and bool(slicer.mrmlScene.IsNodePresent(node))
