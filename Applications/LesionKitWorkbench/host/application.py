"""slicer.app, slicer.mrmlScene and slicer.modules of this process, and modules' files loaded beside them."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import slicer
import slicer.util  # the modules use it without importing it

from LesionKitLib.run.errors import MissingResource

from . import parameter_node, scripted_module

ROOT = Path(__file__).resolve().parents[3]


class Application:
    """slicer.app: the names that the modules' logics use, and no others.

    slicer_app: trame_slicer.core.SlicerApp. temporary: folder of this session for files that may go at its end.
    """

    applicationName = "LesionKit Workbench"

    def __init__(self, slicer_app, temporary: Path):
        self._slicer_app = slicer_app
        self.temporaryPath = str(temporary)
        self._data_io = _data_io(slicer_app, temporary)

    def mrmlScene(self):
        return self._slicer_app.scene

    def applicationLogic(self):
        return self._slicer_app.app_logic

    def testingEnabled(self) -> bool:
        return False

    def processEvents(self) -> None:
        """The server's own loop turns; nothing here must wait for it."""

    def connect(self, _signal: str, _call) -> None:
        """The desktop's signals do not occur."""


def _data_io(slicer_app, cache: Path):
    """Scene bundles (.mrb) are unpacked into a cache; without one vtkMRMLScene.ReadFromMRB refuses."""
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.SetMRMLScene(slicer_app.scene)
    remote.SetMRMLApplicationLogic(slicer_app.app_logic)
    remote.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    manager = slicer.vtkDataIOManagerLogic()
    manager.SetMRMLScene(slicer_app.scene)
    manager.SetMRMLApplicationLogic(slicer_app.app_logic)
    manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
    remote.AddDataIOToScene()
    return remote, manager


def start(slicer_app, temporary: Path) -> Application:
    """Make this scene the one of ``slicer``; once per process, because Slicer's Python knows one scene only."""
    if hasattr(slicer, "app"):
        raise RuntimeError("This process has its scene already; every session needs a process of its own.")
    slicer.app = Application(slicer_app, temporary)
    slicer.mrmlScene = slicer_app.scene
    slicer.modules = types.SimpleNamespace()
    logics = {
        "volumes": slicer_app.volumes_logic,
        "segmentations": slicer_app.segmentations_logic,
        "subjecthierarchy": slicer_app.subject_hierarchy_logic,
        "colors": slicer_app.color_logic,
        "tables": slicer_app.register_module_logic(slicer.vtkSlicerTablesLogic()),
    }
    for name, logic in logics.items():
        setattr(slicer.modules, name, types.SimpleNamespace(name=name, logic=lambda logic=logic: logic))
    _add_python_modules()
    return slicer.app


def load_module(name: str) -> types.ModuleType:
    """The scripted module of this name, as Slicer imports it: its file, and its folder on sys.path.

    Raises MissingResource where the modules' files are not beside this package, as in a wheel.
    """
    if name not in sys.modules:
        file = ROOT / name / f"{name}.py"
        if not file.is_file():
            raise MissingResource(
                "The Workbench runs from a copy of the repository, which holds the modules' own files."
            )
        sys.path.insert(0, str(file.parent))
        spec = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _add_python_modules() -> None:
    """The Python files that Slicer adds to its package ``slicer``: translation, base classes, parameter nodes."""
    i18n = types.ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    i18n.translate = lambda _context, text: text
    files = {"i18n": i18n, "ScriptedLoadableModule": scripted_module, "parameterNodeWrapper": parameter_node}
    for name, module in files.items():
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
