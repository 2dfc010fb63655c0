"""A scene on slicer-core, a small chest, and a pipeline that answers at once. One application per test process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scene_helpers import MODULE_FILE, Chest, FakeAnalyze
from slicer_host.headless import load_module, start

from LesionKitLib.imaging.volume import affine


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.mrml)


@pytest.fixture(scope="session")
def application():
    return start()


@pytest.fixture(scope="session")
def module(application):
    return load_module(MODULE_FILE)


@pytest.fixture
def scene(application):
    scene = application.mrmlScene()
    scene.Clear(False)
    scene.SetUndoOff()
    yield scene
    scene.Clear(False)


@pytest.fixture
def chest():
    lungs = np.zeros((12, 16, 20), np.uint8)
    lungs[1:11, 3:13, 2:9] = 1
    lungs[1:11, 3:13, 11:18] = 2
    lesions = np.zeros_like(lungs)
    lesions[6:9, 4:8, 3:7] = 1
    lesions[3:5, 4:9, 12:15] = 2
    lesions[1:3, 9:13, 12:17] = 3
    hu = np.choose(lesions, (np.where(lungs > 0, -850, 30), -600, 20, 10)).astype(np.int16)
    return Chest(hu, lungs, lesions, affine((4.0, 5.0, 6.0), origin=(30.0, -20.0, 100.0)))


@pytest.fixture
def analyze(chest):
    return FakeAnalyze(chest)


@pytest.fixture
def logic(module, scene, analyze):
    return module.CovidLungQuantLogic(analyze=analyze)
