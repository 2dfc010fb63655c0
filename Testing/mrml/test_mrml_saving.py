"""What a saved scene or segmentation file brings back."""

from __future__ import annotations

import numpy as np
import pytest
from scene_helpers import edit, mask_of
from scene_tables import read_table

from CovidLungQuantLib.labels import LESIONS, LUNGS
from LesionKitLib.mrml.segmentations import get_tag, refresh_algorithm_types

TAGS = (
    "TerminologyEntry",
    "DICOM.SegmentAlgorithmType",
    "DICOM.SegmentAlgorithmName",
    "LesionKit.Fingerprint",
    "LesionKit.Class",
)


def tags_of(segmentation):
    content = segmentation.GetSegmentation()
    return {i: [get_tag(content.GetSegment(i), tag) for tag in TAGS] for i in content.GetSegmentIDs()}


def through_bundle(scene, path):
    assert scene.WriteToMRB(str(path))
    scene.Clear(False)
    assert scene.ReadFromMRB(str(path), False)
    return (
        scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"),
        scene.GetFirstNodeByClass("vtkMRMLSegmentationNode"),
    )


def through_seg_nrrd(segmentation, path):
    segmentation.AddDefaultStorageNode()
    storage = segmentation.GetStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(segmentation)
    copy = segmentation.GetScene().AddNewNodeByClass("vtkMRMLSegmentationNode", "Copy")
    copy.AddDefaultStorageNode()
    copy.GetStorageNode().SetFileName(str(path))
    assert copy.GetStorageNode().ReadData(copy)
    return copy


def test_a_seg_nrrd_file_keeps_voxels_tags_and_fingerprints(chest, logic, tmp_path):
    node = chest.node()
    segmentation = logic.process(node)
    copy = through_seg_nrrd(segmentation, tmp_path / "result.seg.nrrd")
    assert tags_of(copy) == tags_of(segmentation)
    for labels, classes in ((chest.lungs, LUNGS), (chest.lesions, LESIONS)):
        for label in classes:
            np.testing.assert_array_equal(mask_of(copy, label.name, node), labels == label.value)
    assert set(refresh_algorithm_types(copy).values()) == {"AUTOMATIC"}
    assert logic.measure(copy, node) == logic.measure(segmentation, node)


def test_an_empty_class_survives_a_seg_nrrd_file_unedited(chest, logic, analyze, tmp_path):
    analyze.lesions = np.where(chest.lesions == 3, 0, chest.lesions).astype(np.uint8)
    segmentation = logic.process(chest.node())
    copy = through_seg_nrrd(segmentation, tmp_path / "result.seg.nrrd")
    assert set(refresh_algorithm_types(copy).values()) == {"AUTOMATIC"}


def test_an_edit_made_before_saving_is_still_known_after_loading(chest, logic, tmp_path):
    node = chest.node()
    segmentation = logic.process(node)
    mask = mask_of(segmentation, "Consolidation", node)
    mask[3] = False
    edit(segmentation, "Consolidation", mask, node)
    copy = through_seg_nrrd(segmentation, tmp_path / "result.seg.nrrd")
    types = refresh_algorithm_types(copy)
    assert types[copy.GetSegmentation().GetSegmentIdBySegmentName("Consolidation")] == "SEMIAUTOMATIC"
    assert list(types.values()).count("AUTOMATIC") == 4


def test_a_scene_bundle_keeps_segments_table_units_and_their_connection(chest, logic, scene, tmp_path):
    segmentation = logic.process(chest.node())
    tags, rows = tags_of(segmentation), read_table(logic.tableFor(segmentation))
    node, segmentation = through_bundle(scene, tmp_path / "scene.mrb")
    table = logic.tableFor(segmentation)
    assert tags_of(segmentation) == tags
    assert [list(row) for row in read_table(table)] == [list(row) for row in rows]
    for row, expected in zip(read_table(table), rows, strict=True):
        for column, value in expected.items():
            assert row[column] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-5, nan_ok=True))
    assert table.GetColumnUnitLabel("Lung volume (ml)") == "ml"
    assert table.GetLocked()


def test_a_rerun_after_loading_renews_the_unedited_segmentation_in_place(chest, logic, analyze, scene, tmp_path):
    logic.process(chest.node())
    node, segmentation = through_bundle(scene, tmp_path / "scene.mrb")
    analyze.lesions = np.where(chest.lesions == 2, 0, chest.lesions).astype(np.uint8)
    assert logic.process(node, segmentation) is segmentation
    assert not mask_of(segmentation, "Consolidation", node).any()
