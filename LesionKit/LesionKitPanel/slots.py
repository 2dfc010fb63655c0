"""Timers, and slots that tell the user what went wrong."""

from __future__ import annotations

import functools
import logging

import qt
import slicer
from slicer.i18n import tr as _

log = logging.getLogger(__name__)


def qtTimer(interval_ms: int, callback) -> qt.QTimer:
    """A stopped, repeating timer of the main thread, as LesionKitLib.run.background wants it."""
    timer = qt.QTimer()
    timer.setInterval(interval_ms)
    timer.connect("timeout()", callback)
    return timer


def slot(method):
    """A slot whose errors become one sentence in a dialog and a traceback in the log.

    Qt calls slots from C++, where an exception would only be printed and forgotten.
    """

    @functools.wraps(method)
    def guarded(self, *arguments):
        try:
            return method(self, *arguments)
        except Exception as error:
            log.exception("%s failed", method.__qualname__)
            showError(error)

    return guarded


def showError(error: BaseException) -> None:
    """One sentence in a dialog."""
    from LesionKitLib.run.background import user_sentence

    slicer.util.errorDisplay(user_sentence(error), windowTitle=_("LesionKit"))
