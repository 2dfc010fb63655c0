"""What the stand-ins for ctk's and Slicer's own widgets are made of. pythonqt.install() comes first.

A stand-in derives from StandIn and from the Qt class that the real widget derives from, and spells its signals as C++
does in SIGNALS, since Qt itself knows no vtkMRMLNode*. It offers only names that the real widget has:
Testing/panels/test_host_standins.py compares it with slicer-widget-api.json.
"""

from __future__ import annotations

import sys

from PySide6 import QtCore

CLASSES: dict[str, type] = {}  # every stand-in by its name; .ui files are built from it


class StandIn:
    """Refuses new attributes, as PythonQt does; only the host's own code may add private ones."""

    SIGNALS: frozenset[str] = frozenset()

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        inherited = (getattr(base, "SIGNALS", frozenset()) for base in cls.__bases__)
        cls.SIGNALS = frozenset(cls.__dict__.get("SIGNALS", ())).union(*inherited)
        CLASSES[cls.__name__] = cls

    def __setattr__(self, name, value):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller == "slicer_host.uiloader":
            return  # PySide6's loader offers the children as attributes of the top widget; PythonQt's does not
        if not hasattr(type(self), name) and not (name.startswith("_") and caller.startswith("slicer_host.")):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        super().__setattr__(name, value)

    def className(self) -> str:
        return type(self).__name__


class Observations:
    """Observers of VTK objects on behalf of a widget; they end with it."""

    def __init__(self, widget):
        self._tags = []
        widget.destroyed.connect(self.clear)

    def add(self, observed, event, callback) -> None:
        if observed is not None:
            self._tags.append((observed, observed.AddObserver(event, callback)))

    def clear(self, *_) -> None:
        while self._tags:
            observed, tag = self._tags.pop()
            observed.RemoveObserver(tag)


class Named(QtCore.Property):
    """A Q_PROPERTY that knows its own name."""

    def __set_name__(self, owner, name):
        self.holder["name"] = name


def stored(kind, default, changed: str | None = None):
    """A Q_PROPERTY that is only kept; changed names a method to call after a change.

    kind: bool, int, float, str, or "QStringList". Values of another type are converted, as PythonQt does silently.
    """
    holder = {}

    def get(self):
        value = self.__dict__.get(f"_{holder['name']}", default)
        return list(value) if kind == "QStringList" else value

    def put(self, value):
        value = [str(item) for item in value] if kind == "QStringList" else kind(value)
        is_new = value != get(self)
        self.__dict__[f"_{holder['name']}"] = value
        if is_new and changed:
            getattr(self, changed)()

    found = Named(kind, get, put)
    found.holder = holder
    return found


def forwarded(kind, child: str, name: str | None = None):
    """A Q_PROPERTY that is the property of a child widget (child: the attribute that holds it)."""
    holder = {}

    def get(self):
        return getattr(getattr(self, child), name or holder["name"])

    def put(self, value):
        setattr(getattr(self, child), name or holder["name"], kind(value))

    found = Named(kind, get, put)
    found.holder = holder
    return found
