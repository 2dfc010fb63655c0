"""Stand-ins for what surrounds a scripted module: the C++ module object and the C++ half of its panel."""

from __future__ import annotations

import sys

import qt
import slicer
from PySide6.QtCore import Property

from .qmrml_widgets import qSlicerWidget
from .standins import StandIn, stored


class qSlicerAbstractCoreModule(StandIn, qt.QObject):
    """A module as the module list shows it."""

    title = stored(str, "")
    helpText = stored(str, "")
    acknowledgementText = stored(str, "")
    categories = stored("QStringList", [])
    contributors = stored("QStringList", [])
    dependencies = stored("QStringList", [])
    associatedNodeTypes = stored("QStringList", [])
    hidden = stored(bool, False)
    index = stored(int, -1)
    name = Property(str, lambda self: self._name)
    path = Property(str, lambda self: self._path)

    def __init__(self, name: str, path: str):
        super().__init__()
        self._name, self._path = name, path

    def logic(self):
        """Scripted modules have their logic in Python."""

    def mrmlScene(self):
        return slicer.mrmlScene


class qSlicerScriptedLoadableModule(qSlicerAbstractCoreModule):
    """The C++ object behind a scripted module: slicer.modules.<name in lower case>."""

    def __init__(self, name: str, path: str):
        super().__init__(name, path)
        self._icon, self._representation = None, None

    def _set_icon(self, icon):
        self._icon = icon

    icon = Property(object, lambda self: self._icon, _set_icon)

    def widgetRepresentation(self):
        """The panel, made at the first call."""
        if self._representation is None:
            self._representation = qSlicerScriptedLoadableModuleWidget(self._name)
        return self._representation


class qSlicerAbstractModuleWidget(qSlicerWidget):
    """A panel that is entered and left."""

    isEntered = Property(bool, lambda self: self._is_entered)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._is_entered = False


class qSlicerScriptedLoadableModuleWidget(qSlicerAbstractModuleWidget):
    """The widget that a scripted panel fills; Slicer gives it a scene and a layout."""

    moduleName = Property(str, lambda self: self._module_name)

    def __init__(self, module_name: str):
        super().__init__()
        self._module_name, self._python = module_name, None
        self.setLayout(qt.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)
        self.reload()

    def self(self):
        return self._python

    def reload(self):
        """Make the Python half anew from the module's source, as it is loaded now."""
        kind = getattr(sys.modules[self._module_name], f"{self._module_name}Widget")
        self._python = kind(self)
        setattr(slicer.modules, f"{self._module_name}Widget", self._python)
        self._python.setup()
        if self._is_entered and hasattr(self._python, "enter"):
            self._python.enter()
