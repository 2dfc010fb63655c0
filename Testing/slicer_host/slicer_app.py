"""Stand-in for the application object with its managers: slicer.app."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
import vtk
from PySide6.QtCore import Property, Signal

from .headless import Application
from .qmrml_widgets import qMRMLWidget
from .scene_files import qSlicerIOManager
from .standins import StandIn

SLICE_VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}


class qSlicerCoreApplication(StandIn, qt.QApplication):
    """What the application without windows knows; the scene and the logics are those of headless.Application."""

    SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)"}
    mrmlSceneChanged = Signal(object)

    def __init__(self, core: Application):
        super().__init__(["Slicer"])
        self._core = core
        self._module_manager = qSlicerModuleManager(self)
        self._io_manager = qSlicerIOManager(self)
        self.applicationName = core.applicationName
        self.organizationName = "LesionKit host"
        self._settings_file = str(Path(core.temporaryPath) / "settings.ini")
        qt.QSettings.setDefaultFormat(qt.QSettings.IniFormat)
        qt.QSettings.setPath(qt.QSettings.IniFormat, qt.QSettings.UserScope, core.temporaryPath)

    temporaryPath = Property(str, lambda self: self._core.temporaryPath)
    slicerHome = Property(str, lambda self: self._core.temporaryPath)
    documentationBaseUrl = Property(str, lambda self: "")
    majorVersion = Property(int, lambda self: 5)
    minorVersion = Property(int, lambda self: 11)
    os = Property(str, lambda self: "linux")

    def mrmlScene(self):
        return self._core.mrmlScene()

    def applicationLogic(self):
        return self._core.applicationLogic()

    def moduleManager(self):
        return self._module_manager

    def moduleLogic(self, name):
        return self._core.module_logics.get(name)

    def coreIOManager(self):
        return self._io_manager

    def settings(self):
        return qt.QSettings()

    def userSettings(self):
        return qt.QSettings(self._settings_file, qt.QSettings.IniFormat)

    def moduleDocumentationUrl(self, _name):
        return ""

    def testingEnabled(self):
        return False  # so that messages are shown: messages.py writes them down


class qSlicerApplication(qSlicerCoreApplication):
    """The application with windows."""

    SIGNALS = {"startupCompleted()", "renderPaused(bool)"}
    startupCompleted, renderPaused = Signal(), Signal(bool)

    def __init__(self, core: Application):
        super().__init__(core)
        self._layout_manager = None  # made when the application is there
        self._startup_slots = []

    def connect(self, signal, receiver, *more):
        """startupCompleted waits for host.load_module, which stands for the start of the application."""
        if signal == "startupCompleted()":
            self._startup_slots.append(receiver)
            return True
        return super().connect(signal, receiver, *more)

    def layoutManager(self):
        if self._layout_manager is None:
            self._layout_manager = qSlicerLayoutManager()
        return self._layout_manager

    def pauseRender(self):
        self.renderPaused.emit(True)

    def resumeRender(self):
        self.renderPaused.emit(False)

    def ioManager(self):
        return self._io_manager

    def setRenderPaused(self, paused):
        self.renderPaused.emit(paused)


class qSlicerModuleManager(StandIn, qt.QObject):
    """Knows the modules and says when one comes or goes."""

    SIGNALS = {"moduleLoaded(QString)", "moduleAboutToBeUnloaded(QString)"}
    moduleLoaded, moduleAboutToBeUnloaded = Signal(str), Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)

    def module(self, name):
        return getattr(slicer.modules, name.lower(), None)

    def modulesNames(self):
        return sorted(module.name for module in vars(slicer.modules).values() if hasattr(module, "name"))


class qMRMLSliceWidget(qMRMLWidget):
    """A slice view with its real node and logic; nothing is drawn."""

    def __init__(self, name: str, orientation: str, parent=None):
        super().__init__(parent)
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._logic.SetMRMLScene(slicer.mrmlScene)
        node = self._logic.AddSliceNode(name)
        node.SetOrientation(orientation)
        node.SetDimensions(256, 256, 1)
        node.SetFieldOfView(256.0, 256.0, 1.0)

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()

    def sliceLogic(self):
        return self._logic

    def fitSliceToBackground(self):
        self._logic.FitSliceToBackground()


class qMRMLLayoutManager(StandIn, qt.QObject):
    """The layout and its three slice views. There is no 3-D view."""

    SIGNALS = {"layoutChanged(int)"}
    layoutChanged = Signal(int)

    def __init__(self, parent=None):
        super().__init__(parent)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
        self._slices = {name: qMRMLSliceWidget(name, orientation) for name, orientation in SLICE_VIEWS.items()}
        self._layout_logic = slicer.vtkMRMLLayoutLogic()
        self._layout_logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._layout_logic.SetMRMLScene(slicer.mrmlScene)  # takes the views' nodes as they are
        self._logics = vtk.vtkCollection()
        for widget in self._slices.values():
            self._logics.AddItem(widget.sliceLogic())
        slicer.app.applicationLogic().SetSliceLogics(self._logics)

    threeDViewCount = Property(int, lambda self: 0)
    plotViewCount = Property(int, lambda self: 0)
    tableViewCount = Property(int, lambda self: 0)

    def layoutLogic(self):
        return self._layout_logic

    def mrmlScene(self):
        return slicer.mrmlScene

    def mrmlSliceLogics(self):
        return self._logics

    def sliceViewNames(self):
        return tuple(self._slices)

    def sliceWidget(self, name):
        return self._slices.get(name)

    def resetSliceViews(self):
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self):
        """There are none."""


class qSlicerLayoutManager(qMRMLLayoutManager):
    """The layout manager of the desktop."""
