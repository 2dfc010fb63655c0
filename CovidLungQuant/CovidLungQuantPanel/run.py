"""Apply, Cancel and progress: the analysis runs on a thread, the panel and the views stay usable."""

from __future__ import annotations

import os

import slicer
from slicer.i18n import tr as _

from LesionKitLib.background import BackgroundRunner

from .common import qtTimer, slot

CLOSE_WAIT_S = 5.0  # how long the application's exit waits for a run; a batch on a slow processor ends within it


class RunSection:
    """Apply and what happens until there is a result.

    on_result(segmentation): called when the result is in the scene. on_changed(): called when Apply's state may change.
    """

    def __init__(self, ui, logic, on_result, on_changed):
        self.ui, self.logic = ui, logic
        self._on_result, self._on_changed = on_result, on_changed
        self._target = None  # (volume node, segmentation or None) of the run going on
        self._auto_found = ""  # what "auto" chose in the last run
        self.runner = BackgroundRunner(qtTimer)
        self._show_apply("")

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
        button = self.ui.applyButton
        if self.runner.running:
            return
        reason = self._reason(volume)
        button.enabled = not reason
        button.toolTip = reason or _("Segment and measure the CT. The views stay usable meanwhile.")
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
        if self.runner.running:
            self.ui.applyButton.enabled = False
            self.ui.applyButton.toolTip = _("The analysis stops after the batch of slices that is being computed.")
            self.ui.progressLabel.text = _("Cancelling…")
            self.runner.cancel()
            return
        if not self._packages_are_there():
            return
        work = self.logic.prepare(volume, network, device)
        if segmentation is not None and self.logic.volumeOf(segmentation) is not volume:
            segmentation = None  # the result of another CT stays as it is
        self._target = (volume, segmentation)
        self.runner.start(work, self._deliver, self._fail, self._show_progress, self._cancelled)
        self._show_running()

    def stop(self) -> None:
        """The scene closes: whatever is running ends unseen."""
        if self.runner.running:
            self.runner.stop()
            self._show_idle("")
        self._target = None

    def close(self) -> None:
        """The panel or the application ends."""
        self.runner.stop(CLOSE_WAIT_S)

    def _packages_are_there(self) -> bool:
        """Install what is missing, after one question that names it all; False when the user does not want it."""
        from LesionKitLib import requirements

        missing = requirements.missing_packages()
        if not missing:
            return True
        self.ui.applyButton.enabled = False  # installing lets events through, a second click among them
        try:
            return requirements.install(missing, slicer.util.confirmOkCancelDisplay, self._show_install)
        finally:
            self._show_idle("")

    def _show_install(self, text: str) -> None:
        self.ui.statusLabel.text = text
        self.ui.statusLabel.setVisible(True)
        slicer.app.processEvents()

    def _deliver(self, result) -> None:
        volume, segmentation = self._take_target()
        if not _is_in_scene(volume):
            self._show_idle(_("The CT was removed from the scene, so its result was thrown away."))
            return
        if not _is_in_scene(segmentation):
            segmentation = None
        segmentation = self.logic.showResult(result, volume, segmentation)
        self._auto_found = result.device
        text = _("Done in {seconds} on {device}.").format(
            seconds=_duration(result.seconds.get("total", 0.0)), device=result.device
        )
        self._show_idle(" ".join([text, *result.notes]))
        self._on_result(segmentation)

    def _fail(self, sentence: str, error: BaseException) -> None:
        self._take_target()
        self._show_idle(_("The analysis failed."))
        slicer.util.errorDisplay(sentence, windowTitle=_("CovidLungQuant"))

    def _cancelled(self) -> None:
        self._take_target()
        self._show_idle(_("Cancelled; the scene is as it was."))

    def _take_target(self):
        target, self._target = self._target, None
        return target or (None, None)

    def _show_running(self) -> None:
        self.ui.applyButton.text = _("Cancel")
        self.ui.applyButton.toolTip = _("Stop the analysis. The scene stays as it was.")
        self.ui.progressBar.setValue(0)
        self.ui.progressBar.setVisible(True)
        self.ui.progressLabel.text = _("Starting…")
        self.ui.progressLabel.setVisible(True)
        self.ui.statusLabel.setVisible(False)
        self.ui.inputsCollapsibleButton.enabled = False

    def _show_progress(self, stage: str, fraction: float, remaining: float | None, elapsed: float) -> None:
        self.ui.progressBar.setValue(round(100 * fraction))
        if not self.ui.applyButton.enabled:
            return  # being cancelled
        parts = [_stage(stage), _("{time} so far").format(time=_duration(elapsed))]
        if remaining is not None:
            parts.append(_("about {time} left").format(time=_duration(remaining)))
        self.ui.progressLabel.text = ", ".join(parts)

    def _show_idle(self, status: str) -> None:
        self._show_apply(status)
        self._on_changed()

    def _show_apply(self, status: str) -> None:
        self.ui.applyButton.text = _("Apply")
        self.ui.progressBar.setVisible(False)
        self.ui.progressLabel.setVisible(False)
        self.ui.statusLabel.text = status
        self.ui.statusLabel.setVisible(bool(status))
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


def _duration(seconds: float) -> str:
    """12 s, or 2 min 5 s."""
    seconds = round(seconds)
    if seconds < 60:
        return _("{seconds} s").format(seconds=seconds)
    return _("{minutes} min {seconds} s").format(minutes=seconds // 60, seconds=seconds % 60)


def _stage(stage: str) -> str:
    """The pipeline's stages, for the user."""
    stages = {
        "checking the image": _("Checking the image"),
        "finding the lungs": _("Finding the lungs"),
        "segmenting": _("Segmenting"),
        "cleaning the masks": _("Cleaning the masks"),
        "bringing labels to the image": _("Bringing labels to the image"),
        "measuring": _("Measuring"),
        "done": _("Done"),
    }
    return stages.get(stage, stage.capitalize())
