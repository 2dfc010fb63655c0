"""BodyPartRouter's logic on slicer-core alone: images and heat maps as nodes, volumes as images."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import slicer
from router_fixtures import BrightnessClassifier, picture, write_xray
from slicer_host.headless import load_module

from LesionKitLib.run.errors import Cancelled, UnusableInput
from LesionKitLib.run.progress import Progress

MODULE_FILE = Path(__file__).parents[2] / "BodyPartRouter" / "BodyPartRouter.py"


@pytest.fixture(scope="module")
def router(application):
    return load_module(MODULE_FILE)


@pytest.fixture
def logic(router, scene):
    logic = router.BodyPartRouterLogic(loadClassifier=lambda network, device: BrightnessClassifier())
    yield logic
    logic.removeThumbnails()


def volumes():
    return slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def test_files_are_examined_with_a_thumbnail_for_each(logic, tmp_path):
    paths = [write_xray(tmp_path / f"{label}.dcm", label) for label in ("spine", "abdomen")]
    found = logic.process([tmp_path])
    assert sorted(one.label for one in found) == ["abdomen", "spine"]
    assert all(Path(one.thumbnail).is_file() for one in found)
    assert volumes() == [] and all(path.exists() for path in paths)


def test_the_file_that_a_volume_came_from_is_found_by_the_database_or_its_storage(logic, tmp_path, monkeypatch):
    node = slicer.util.addVolumeFromArray(np.zeros((1, 4, 4)), np.eye(4), "image")
    assert logic.fileOf(node) is None
    path = write_xray(tmp_path / "a.dcm")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(tmp_path / "gone.dcm"))
    node.SetAndObserveStorageNodeID(storage.GetID())
    assert logic.fileOf(node) is None
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    database = SimpleNamespace(fileForInstance={"1.2.3": str(path)}.get)
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    assert logic.fileOf(node) == path


def test_pixels_of_a_volume_become_an_image_and_a_color_image_gray(logic):
    gray = picture("spine").astype(np.int16)
    node = slicer.util.addVolumeFromArray(gray[None], np.eye(4), "gray")
    assert logic.xrayOf(node).pixels == pytest.approx(gray / 4095)
    colors = np.repeat((gray // 16).astype(np.uint8)[None, :, :, None], 3, axis=3)
    node = slicer.util.addVolumeFromArray(colors, np.eye(4), "colors", "vtkMRMLVectorVolumeNode")
    assert logic.xrayOf(node).pixels.shape == gray.shape
    (found,) = logic.prepareVolume(node)(Progress())
    assert found.label == "spine" and found.in_memory


@pytest.mark.parametrize("array", [np.zeros((3, 4, 4)), np.zeros((1, 4, 4))])
def test_a_stack_or_a_blank_image_is_refused(logic, array):
    with pytest.raises(UnusableInput):
        logic.xrayOf(slicer.util.addVolumeFromArray(array, np.eye(4), "x"))


def test_an_image_is_shown_once_with_its_heat_map_on_the_same_grid(logic, tmp_path):
    from LesionKitLib.mrml.volumes import local_ijk_to_ras

    write_xray(tmp_path / "spine.dcm", "spine", ImagerPixelSpacing=[0.5, 0.5])
    (examined,) = logic.process([tmp_path])
    image = logic.show(examined)
    heat = logic.showHeatmap(examined)
    assert logic.show(examined) is image and logic.showHeatmap(examined) is heat
    assert len(volumes()) == 2
    assert local_ijk_to_ras(heat) == pytest.approx(local_ijk_to_ras(image))
    assert slicer.util.arrayFromVolume(heat)[0, 0, -1] > slicer.util.arrayFromVolume(heat)[0, 0, 0]


def test_the_thread_that_classifies_and_the_one_that_explains_never_share_a_network(router, scene, tmp_path):
    loaded = []

    def load(network, device):
        loaded.append(BrightnessClassifier())
        return loaded[-1]

    write_xray(tmp_path / "spine.dcm", "spine")
    logic = router.BodyPartRouterLogic(loadClassifier=load)
    (examined,) = logic.process([tmp_path])
    logic.showHeatmap(examined)
    logic.process([tmp_path])
    logic.showHeatmap(examined)
    logic.removeThumbnails()
    assert len(loaded) == 2 and loaded[0].calls == [1, 1] and loaded[1].calls == []


def test_a_heat_map_needs_a_network_that_has_run(logic, tmp_path):
    from BodyPartRouterLib.routing.examination import Examined

    with pytest.raises(ValueError, match="Classify"):
        logic.showHeatmap(Examined(write_xray(tmp_path / "a.dcm")))


def test_planning_and_routing_can_be_cancelled(logic, tmp_path):
    write_xray(tmp_path / "in" / "a.dcm", "spine")
    found = logic.process([tmp_path / "in"])
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        logic.prepareRoute(found, logic.rulesFor("", str(tmp_path / "out")))(progress)
    assert not (tmp_path / "out").exists()


def test_rules_or_a_folder_are_needed(logic):
    with pytest.raises(ValueError, match="Choose rules"):
        logic.rulesFor("", "")


def test_the_module_s_own_test_passes(router, scene):
    router.BodyPartRouterTest().runTest()
