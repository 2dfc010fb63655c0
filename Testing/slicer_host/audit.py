"""Finds afterwards what PythonQt would have refused at once: new attributes on Qt's own widgets.

The classes of PySide6 cannot be made to refuse them; the stand-ins do. Also keeps the exceptions that Qt and VTK print
and forget when they come out of a slot, a timer or an observer.
"""

from __future__ import annotations

import sys

import qt


def new_attributes(objects) -> list[str]:
    """'Class name.attribute' for each attribute that no Qt class defines, on the given objects and their children."""
    found = []
    for top in objects:
        for item in [top, *top.findChildren(qt.QObject)]:
            kind = type(item)
            if kind.__module__.startswith("PySide6."):
                names = [name for name in vars(item) if not hasattr(kind, name)]
                found += [f"{kind.__name__} {item.objectName!r}: {name}" for name in names]
    return sorted(set(found))


class Uncaught:
    """Exceptions that reached nobody, oldest first."""

    def __init__(self):
        self.found: list[BaseException] = []

    def install(self) -> None:
        original = sys.excepthook

        def keep(kind, error, traceback):
            self.found.append(error)
            original(kind, error, traceback)

        sys.excepthook = keep
