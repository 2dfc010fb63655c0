"""An error while nodes are written leaves the scene as it was, and nodes that still tell of their changes."""

from __future__ import annotations

import pytest
import vtk

from LesionKitLib.mrml import charts, overlays, segmentations, tables


def node_ids(scene):
    return sorted(scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes()))


def tells_of_changes(node) -> bool:
    told = []
    tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: told.append(1))
    node.Modified()
    node.RemoveObserver(tag)
    return bool(told)


def broken(*_arguments, **_options):
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    "where, name",
    [
        (segmentations, "store_original"), (segmentations, "_style"), (tables, "split_unit"), (charts, "_bars"),
        (charts, "write_table"),
    ],
)  # fmt: skip
def test_a_first_result_that_cannot_be_written_leaves_nothing(chest, logic, scene, monkeypatch, where, name):
    node = chest.node()
    before = node_ids(scene)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, broken)
        with pytest.raises(RuntimeError):
            logic.process(node)
    assert node_ids(scene) == before
    assert logic.process(node).GetSegmentation().GetNumberOfSegments() == 5


@pytest.mark.parametrize("where, name", [(segmentations, "store_original"), (tables, "split_unit")])
def test_a_renewed_result_that_cannot_be_written_still_tells_of_its_changes(chest, logic, monkeypatch, where, name):
    node = chest.node()
    segmentation = logic.process(node)
    nodes = [segmentation, logic.tableFor(segmentation), logic.chartFor(segmentation)]
    with monkeypatch.context() as patch:
        patch.setattr(where, name, broken)
        with pytest.raises(RuntimeError):
            logic.process(node, segmentation)
    assert all(tells_of_changes(one) for one in nodes)


def test_a_heat_map_that_cannot_be_written_leaves_no_volume(chest, logic, scene, monkeypatch):
    node = chest.node()
    before = node_ids(scene)
    monkeypatch.setattr(overlays, "_color", broken)
    with pytest.raises(RuntimeError):
        overlays.write_overlay(chest.hu.astype("float32"), node, "map", "none")
    assert node_ids(scene) == before
