"""One button that starts long work and cancels it, with progress beside it; the work runs on a thread of its own."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from LesionKitLib.run.background import BackgroundRunner

from .slots import qtTimer
from .texts import show_text

CLOSE_WAIT_S = 5.0  # how long the application's exit waits for the work


class ApplySection:
    """button, progressBar, progressLabel, statusLabel: the widgets. caption: of the button while nothing runs.

    stages: what a stage of the work is called for the user. on_changed(): called when the work has ended in any way.
    """

    def __init__(self, button, progressBar, progressLabel, statusLabel, caption: str, on_changed, stages=None):
        self.button, self._bar, self._label, self._status = button, progressBar, progressLabel, statusLabel
        self._caption, self._on_changed, self._stages = caption, on_changed, stages or {}
        self.runner = BackgroundRunner(qtTimer)
        self._show_idle("")

    @property
    def running(self) -> bool:
        return self.runner.running

    def check(self, reason: str, toolTip: str) -> None:
        """Enable the button; with a reason disable it, and say why in its tool tip."""
        if not self.running:
            self.button.enabled = not reason
            self.button.toolTip = reason or toolTip

    def start(self, work, on_result, cancelled: str) -> None:
        """Run work(progress); on_result(result) on the main thread returns the sentence to show, ``cancelled`` is the
        one after Cancel. Errors are shown in a dialog."""

        def deliver(result):
            self._finish(on_result(result) or "")

        def fail(sentence, _error):
            self._finish(_("It failed."))
            slicer.util.errorDisplay(sentence, windowTitle=_("LesionKit"))

        self.runner.start(work, deliver, fail, self._show_progress, lambda: self._finish(cancelled))
        self.button.text = _("Cancel")
        self.button.toolTip = _("Stop after what is being worked on.")
        self._bar.setValue(0)
        self._label.text = _("Starting…")
        self._status.setVisible(False)
        for widget in (self._bar, self._label):
            widget.setVisible(True)

    def cancel(self) -> None:
        self.button.enabled = False
        self._label.text = _("Cancelling…")
        self.runner.cancel()

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the progress."""
        self._status.setVisible(bool(sentence))
        show_text(self._status, sentence)

    def stop(self) -> None:
        """The scene closes: whatever is running ends unseen."""
        if self.running:
            self.runner.stop()
            self._show_idle("")

    def close(self) -> None:
        """The panel or the application ends."""
        self.runner.stop(CLOSE_WAIT_S)

    def mayStart(self, packages=()) -> bool:
        """After a click on the button: whether work may start now. While work runs the click cancels it instead."""
        if self.running:
            self.cancel()
            return False
        return not packages or self.packagesAreThere(packages)

    def packagesAreThere(self, packages) -> bool:
        """Install what is missing, after one question that names it all; False when the user does not want it."""
        from LesionKitLib.run import requirements

        missing = requirements.missing_packages(packages)
        if not missing:
            return True
        self.button.enabled = False  # installing lets events through, a second click among them
        try:
            return requirements.install(missing, slicer.util.confirmOkCancelDisplay, self._show_install)
        finally:
            self._finish("")

    def _show_install(self, text: str) -> None:
        self.say(text)
        slicer.app.processEvents()

    def _finish(self, sentence: str) -> None:
        self._show_idle(sentence)
        self._on_changed()

    def _show_idle(self, sentence: str) -> None:
        self.button.text = self._caption
        for widget in (self._bar, self._label):
            widget.setVisible(False)
        self.say(sentence)

    def _show_progress(self, stage: str, fraction: float, remaining: float | None, elapsed: float) -> None:
        self._bar.setValue(round(100 * fraction))
        if not self.button.enabled:
            return  # being cancelled
        parts = [self._stages.get(stage, stage.capitalize()), _("{time} so far").format(time=duration(elapsed))]
        if remaining is not None:
            parts.append(_("about {time} left").format(time=duration(remaining)))
        self._label.text = ", ".join(parts)


def duration(seconds: float) -> str:
    """12 s, or 2 min 5 s."""
    seconds = round(seconds)
    if seconds < 60:
        return _("{seconds} s").format(seconds=seconds)
    return _("{minutes} min {seconds} s").format(minutes=seconds // 60, seconds=seconds % 60)
