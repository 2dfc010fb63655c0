"""The host, an empty scene, and the audit after each test. One host per test process."""

from __future__ import annotations

from pathlib import Path

import pytest
from slicer_host import host as slicer_host_module

MODULES = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def host():
    return slicer_host_module.start()


@pytest.fixture(autouse=True)
def audit(host):
    """Fails a test that gave a widget a new attribute, left an exception to Qt or VTK, or made Qt complain."""
    from slicer_host.audit import new_attributes

    host.messages.clear()
    host.uncaught.found.clear()
    host.qt_warnings.clear()
    yield
    host.process_events()
    uncaught, warnings = list(host.uncaught.found), list(host.qt_warnings)
    attributes = new_attributes(host.app.allWidgets())
    assert (attributes, uncaught, warnings) == ([], [], [])


@pytest.fixture
def scene(host):
    """The scene, empty but for the views' singletons; modules that the test loaded are gone afterwards."""
    clear(host)
    host.app.mrmlScene().SetUndoOff()
    yield host.app.mrmlScene()
    clear(host)


def clear(host) -> None:
    """Closing a scene empties a module's parameter node but leaves it there: it goes too."""
    scene = host.app.mrmlScene()
    host.unload_modules()
    scene.Clear(False)
    for kind in ("vtkMRMLScriptedModuleNode", "vtkMRMLSegmentEditorNode"):
        while scene.GetNumberOfNodesByClass(kind):
            scene.RemoveNode(scene.GetNthNodeByClass(0, kind))


@pytest.fixture
def load(host, scene):
    """load(name): the module of this repository by its name, as host.load_module gives it."""
    return lambda name: host.load_module(MODULES / name / f"{name}.py")
