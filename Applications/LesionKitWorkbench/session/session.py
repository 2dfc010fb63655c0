"""What the tabs of a page share: scene, views, editor, messages, autosave and the files of this session."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import slicer
from trame_slicer.core import SlicerApp

from LesionKitLib.run.background import BackgroundRunner
from LesionKitWorkbench.host.application import load_module, start
from LesionKitWorkbench.views.grid import ViewGrid

from .autosave import Autosave
from .strokes import StrokeStore
from .timers import AsyncTimer

AUTOSAVE_DELAY_MS = 400  # after the last change
log = logging.getLogger(__name__)


class Session:
    """One user's scene. server: of trame; folder: for the files of this session, emptied by whoever made it."""

    def __init__(self, server, folder: Path):
        self.server, self.state, self.folder = server, server.state, folder
        self.uploads, self.exports = folder / "uploads", folder / "exports"
        for place in (self.uploads, self.exports, folder / "scene", folder / "cache"):
            place.mkdir(parents=True, exist_ok=True)
        self.slicer_app = SlicerApp()
        start(self.slicer_app, folder / "cache")
        self.scene = self.slicer_app.scene
        self.views = ViewGrid(server, self.slicer_app)
        self.runner = BackgroundRunner(AsyncTimer, yield_s=0.0)
        self._autosave = Autosave(self.scene, folder / "scene")
        self._strokes = StrokeStore(folder / "scene")
        self._save_timer = AsyncTimer(AUTOSAVE_DELAY_MS, self._save_now)
        self.state.update({"message": "", "message_shown": False, "busy": False, "busy_text": "", "busy_percent": 0})

    def module(self, name: str):
        """A scripted module's file, loaded as Slicer does."""
        return load_module(name)

    def say(self, sentence: str) -> None:
        """Show one sentence on the page."""
        with self.state:
            self.state.message, self.state.message_shown = sentence, bool(sentence)

    def changed(self) -> None:
        """Something was changed that must not be lost."""
        self._save_timer.start()

    def keep_strokes(self, segmentation, labels) -> None:
        """Keep what was drawn, on a thread; labels: of LiveMeasurement, which nobody writes to."""
        if labels is not None and not self._save_timer.running:
            self._strokes.keep(segmentation, labels)

    def kept_strokes(self, segmentation):
        """(label maps, attributes) that were kept since the scene was written, or None; see StrokeStore.read."""
        return self._strokes.read(segmentation)

    def restore(self) -> bool:
        """Bring back the scene of this session as it was kept; False where nothing was."""
        try:
            return self._autosave.restore()
        except Exception:
            log.exception("The kept scene could not be read.")
            self.say("What was kept of this session could not be read; it starts anew.")
            return False

    def run(self, work, on_result, stages: dict | None = None) -> None:
        """work(progress) on a thread, with progress and Cancel on the page; on_result(result) in the server's loop.

        Raises ValueError while other work is running.
        """
        if self.runner.running:
            raise ValueError("Something is running already; wait for it, or cancel it.")
        names = stages or {}

        def show(stage, fraction, remaining, _elapsed):
            left = f", about {round(remaining)} s left" if remaining is not None else ""
            with self.state:
                self.state.busy_text = f"{names.get(stage, stage.capitalize())}{left}"
                self.state.busy_percent = round(100 * fraction)

        def deliver(result):
            self._idle()
            on_result(result)
            self.changed()

        def fail(sentence, _error):
            self._idle()
            self.say(sentence)

        def cancelled():
            self._idle()
            self.say("Cancelled; nothing was changed.")

        with self.state:
            self.state.busy, self.state.busy_text, self.state.busy_percent = True, "Starting…", 0
        self.runner.start(work, deliver, fail, show, cancelled)

    def cancel(self) -> None:
        """Stop the running work after what it is at."""
        with self.state:
            self.state.busy_text = "Cancelling…"
        self.runner.cancel()

    def close(self) -> None:
        """The session ends; its files are the gateway's to remove."""
        self.runner.stop(1.0)
        self._save_timer.stop()
        self._strokes.close()

    def new_folder(self, name: str) -> Path:
        """An empty folder among this session's exports."""
        folder = self.exports / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _idle(self) -> None:
        with self.state:
            self.state.busy, self.state.busy_text, self.state.busy_percent = False, "", 0

    def _save_now(self) -> None:
        self._save_timer.stop()
        if slicer.mrmlScene.IsBatchProcessing():
            self._save_timer.start()
            return
        self._strokes.forget()
        self._autosave.save()
