"""Apply, Cancel and progress: the analysis runs on a thread, the panel and the views stay usable."""

from __future__ import annotations

import os

import slicer
from slicer.i18n import tr as _

from LesionKitPanel.apply import ApplySection, duration

from .common import slot


class RunSection:
    """Apply and what happens until there is a result.

    on_result(segmentation): called when the result is in the scene. on_changed(): called when Apply's state may change.
    """

    def __init__(self, ui, logic, on_result, on_changed):
        self.ui, self.logic = ui, logic
        self._on_result, self._on_changed = on_result, on_changed
        self._target = (None, None)  # volume node, and segmentation or None, of the run going on
        self._auto_found = ""  # what "auto" chose in the last run
        stages = {
            "checking the image": _("Checking the image"),
            "finding the lungs": _("Finding the lungs"),
            "segmenting": _("Segmenting"),
            "cleaning the masks": _("Cleaning the masks"),
            "bringing labels to the image": _("Bringing labels to the image"),
            "measuring": _("Measuring"),
            "done": _("Done"),
        }
        self.apply = ApplySection(
            ui.applyButton, ui.progressBar, ui.progressLabel, ui.statusLabel, _("Apply"), self._ended, stages
        )

    @property
    def runner(self):
        return self.apply.runner

    def nameChoices(self) -> None:
        """Readable names in place of the parameters' values; the values stay those of the parameter node."""
        names = {
            "convlstm": _("ConvLSTM (lesions and volumes)"),
            "jcs": _("JCS (also a decision and a heat map)"),
            "multitask": _("Multi-task (also a decision)"),
            "ensemble": _("All together (the mean of the three)"),
            "auto": _("Auto"),
            "cpu": _("Processor (CPU)"),
            "cuda": _("NVIDIA graphics card (CUDA)"),
            "mps": _("Apple graphics (MPS)"),
        }
        for box in (self.ui.networkComboBox, self.ui.deviceComboBox):
            for index in range(box.count):
                box.setItemText(index, names.get(box.itemText(index), box.itemText(index)))

    def checkCanApply(self, volume) -> None:
        """Enable Apply, or say in its tool tip why it cannot run."""
        self.apply.check(self._reason(volume), _("Segment and measure the CT. The views stay usable meanwhile."))
        self._show_device()

    def _reason(self, volume) -> str:
        if volume is None:
            return _("Choose a CT volume.")
        if volume.GetImageData() is None:
            return _("The volume holds no image.")
        return ""

    @slot
    def applyOrCancel(self, volume, segmentation, network: str, device: str) -> None:
        """Start the analysis of the volume, or cancel the one that is running."""
        from LesionKitLib.run.requirements import PACKAGES

        if self.apply.running:
            self.apply.cancel()
            return
        if not self.apply.packagesAreThere(PACKAGES):
            return
        work = self.logic.prepare(volume, network, device)
        if segmentation is not None and self.logic.volumeOf(segmentation) is not volume:
            segmentation = None  # the result of another CT stays as it is
        self._target = (volume, segmentation)
        self.apply.start(work, self._deliver, _("Cancelled; the scene is as it was."))
        self.ui.inputsCollapsibleButton.enabled = False

    def stop(self) -> None:
        """The scene closes: whatever is running ends unseen."""
        self.apply.stop()
        self._let_go()

    def close(self) -> None:
        """The panel or the application ends."""
        self.apply.close()

    def _deliver(self, result) -> str:
        volume, segmentation = self._target
        if not _is_in_scene(volume):
            return _("The CT was removed from the scene, so its result was thrown away.")
        if not _is_in_scene(segmentation):
            segmentation = None
        segmentation = self.logic.showResult(result, volume, segmentation)
        self._auto_found = result.device
        self._on_result(segmentation)
        text = _("Done in {seconds} on {device}.").format(
            seconds=duration(result.seconds.get("total", 0.0)), device=result.device
        )
        return " ".join([text, *result.notes])

    def _ended(self) -> None:
        self._let_go()
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


def _is_in_scene(node) -> bool:
    return node is not None and bool(slicer.mrmlScene.IsNodePresent(node))
