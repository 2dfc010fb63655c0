"""Dialogs of slicer.util and of Qt, written down instead of shown: nobody is there to close them.

A question without a prepared answer raises, so that no test answers one by accident.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

import qt
import slicer.util


@dataclass(frozen=True)
class Message:
    """kind: info, warning, error, or the name of the function that asked."""

    kind: str
    text: str
    title: str
    details: str


class Messages:
    """What was shown, in order. ``answers``: replies to coming questions (True for OK, Yes or Retry; paths)."""

    def __init__(self):
        self.shown: list[Message] = []
        self.answers: deque = deque()

    def clear(self) -> None:
        self.shown.clear()
        self.answers.clear()

    def texts(self, kind: str) -> list[str]:
        return [message.text for message in self.shown if message.kind == kind]

    def answer(self, *replies) -> None:
        self.answers.extend(replies)

    def show(self, kind, level, text, windowTitle=None, **options) -> None:
        logging.log(level, text)
        self.shown.append(Message(kind, str(text), windowTitle or "", options.get("detailedText", "")))

    def ask(self, kind, text, windowTitle=None, **options):
        self.show(kind, logging.INFO, text, windowTitle, **options)
        if not self.answers:
            raise AssertionError(f"Nobody is there to answer: {text}")
        return self.answers.popleft()

    def install(self) -> None:
        """Put itself in the place of the functions that open a window and wait."""
        util = slicer.util
        util.infoDisplay = self._shower("info", logging.INFO)
        util.warningDisplay = self._shower("warning", logging.WARNING)
        util.errorDisplay = self._shower("error", logging.ERROR)
        for name in ("confirmOkCancelDisplay", "confirmYesNoDisplay", "confirmRetryCloseDisplay"):
            setattr(util, name, self._asker(name, bool))
        util.messageBox = self._asker("messageBox", lambda reply: reply)
        util.delayDisplay = self._delay_display
        for name in ("getOpenFileName", "getSaveFileName", "getOpenFileNames", "getExistingDirectory"):
            setattr(qt.QFileDialog, name, staticmethod(self._file_asker(name)))
        for name in ("question", "warning", "critical", "information"):
            setattr(qt.QMessageBox, name, staticmethod(self._box_asker(name)))
        for dialog in (qt.QDialog, qt.QMessageBox, qt.QFileDialog, qt.QInputDialog, qt.QMenu):
            for verb in ("exec", "exec_"):
                setattr(dialog, verb, self._refuse_to_wait)

    def _shower(self, kind, level):
        def display(text, windowTitle=None, parent=None, standardButtons=None, **options):
            self.show(kind, level, text, windowTitle, **options)

        return display

    def _asker(self, kind, convert):
        def display(text, windowTitle=None, parent=None, **options):
            return convert(self.ask(kind, text, windowTitle, **options))

        return display

    def _delay_display(self, message, autoCloseMsec=1000, parent=None, **options):
        self.show("delay", logging.INFO, message, **options)
        slicer.app.processEvents()

    def _file_asker(self, kind):
        return lambda parent=None, caption="", directory="", *more: self.ask(kind, caption)

    def _box_asker(self, kind):
        return lambda parent, title, text, *more: self.ask(kind, text, title)

    @staticmethod
    def _refuse_to_wait(dialog, *arguments):
        raise AssertionError(f"{type(dialog).__name__} would wait for a person: {getattr(dialog, 'windowTitle', '')}")
