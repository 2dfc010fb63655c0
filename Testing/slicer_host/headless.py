"""An application without Qt on slicer-core: the scene, the module logics, and the Python that Slicer adds around them.

start() fills in what the slicer-core wheel leaves out and a module's logic leans on: slicer.mrmlScene, slicer.app,
slicer.modules, slicer.i18n, slicer.ScriptedLoadableModule. load_module() then imports a scripted module's file. Only
what LesionKit uses is offered; anything else raises AttributeError, as a reminder that it was never tried here.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import types
from pathlib import Path

import slicer
import slicer.util  # modules use it without importing it
import vtk

from . import parameter_node, scripted_module

LOGICS = {
    "Colors": slicer.vtkMRMLColorLogic,
    "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
    "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
    "Tables": slicer.vtkSlicerTablesLogic,
    "Volumes": slicer.vtkSlicerVolumesLogic,
}


# what Slicer's subject hierarchy plugins list
LISTED = ("vtkMRMLTransformableNode", "vtkMRMLTableNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode")


class Application:
    """slicer.app, and what keeps the scene alive."""

    applicationName = "Slicer"

    def __init__(self):
        self._scene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetMRMLScene(self._scene)
        self._logic.GetColorLogic().SetMRMLScene(self._scene)
        self._cache = tempfile.TemporaryDirectory(prefix="slicer-host-")
        self._data_io = self._make_data_io()
        self.module_logics = {name: self._make_logic(name, kind) for name, kind in LOGICS.items()}
        self._scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._on_node_added)
        self._scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._on_node_about_to_be_removed)

    def mrmlScene(self):
        return self._scene

    def applicationLogic(self):
        return self._logic

    def testingEnabled(self) -> bool:
        return True

    def processEvents(self) -> None:
        """There is no event loop."""

    @property
    def temporaryPath(self) -> str:
        return self._cache.name

    def _make_logic(self, name: str, kind: type):
        logic = kind()
        logic.SetMRMLScene(self._scene)
        logic.SetMRMLApplicationLogic(self._logic)
        self._logic.SetModuleLogic(name, logic)
        return logic

    def _make_data_io(self):
        """Scene bundles (.mrb) are unpacked into a cache; without one vtkMRMLScene.ReadFromMRB refuses."""
        remote = slicer.vtkMRMLRemoteIOLogic()
        remote.SetMRMLScene(self._scene)
        remote.SetMRMLApplicationLogic(self._logic)
        remote.GetCacheManager().SetRemoteCacheDirectory(self._cache.name)
        manager = slicer.vtkDataIOManagerLogic()
        manager.SetMRMLScene(self._scene)
        manager.SetMRMLApplicationLogic(self._logic)
        manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
        remote.AddDataIOToScene()
        return remote, manager

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_added(self, _scene, _event, node):
        """In Slicer, subject hierarchy plugins (Qt) give every data node an item of its own."""
        is_listed = any(node.IsA(kind) for kind in LISTED)
        if self._scene.IsBatchProcessing() or node.GetHideFromEditors() or not is_listed:
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        if hierarchy.GetItemByDataNode(node) == hierarchy.GetInvalidItemID():
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_about_to_be_removed(self, _scene, _event, node):
        """And they take it away again."""
        hierarchies = slicer.util.getNodesByClass("vtkMRMLSubjectHierarchyNode", self._scene)
        if not hierarchies or node is hierarchies[0]:
            return
        item = hierarchies[0].GetItemByDataNode(node)
        if item != hierarchies[0].GetInvalidItemID():
            hierarchies[0].RemoveItem(item, False, False)


def start() -> Application:
    """The application of this process, made at the first call."""
    if not hasattr(slicer, "app"):
        slicer.app = Application()
        slicer.mrmlScene = slicer.app.mrmlScene()
        slicer.modules = types.SimpleNamespace()
        for name, logic in slicer.app.module_logics.items():
            setattr(slicer.modules, name.lower(), types.SimpleNamespace(name=name, logic=lambda logic=logic: logic))
        _add_python_modules()
    return slicer.app


def load_module(path: str | Path) -> types.ModuleType:
    """Import a scripted module's file under its own name, as Slicer does; its folder goes on sys.path for its Lib."""
    path = Path(path)
    if path.stem in sys.modules:
        return sys.modules[path.stem]
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _add_python_modules() -> None:
    """The Python files that Slicer adds to the package ``slicer``: translation, base classes, parameter nodes."""
    i18n = types.ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    i18n.translate = lambda context, text: text
    files = {"i18n": i18n, "ScriptedLoadableModule": scripted_module, "parameterNodeWrapper": parameter_node}
    for name, module in files.items():
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
