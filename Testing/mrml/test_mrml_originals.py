"""The model's own result stays at hand, through edits, deletion, saving and loading."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scene_helpers import edit, mask_of
from scene_tables import is_reviewed

from CovidLungQuantLib.labels import LESIONS, LUNGS
from LesionKitLib.mrml.editing import set_reviewed
from LesionKitLib.mrml.originals import ORIGINAL_ATTRIBUTE, read_original, revert_to_ai
from LesionKitLib.mrml.segmentations import get_tag, refresh_algorithm_types


def emptied(segmentation, name, node):
    edit(segmentation, name, np.zeros_like(mask_of(segmentation, name, node)), node)


def through(scene, path):
    """The nodes after saving the scene as .mrb, or as .mrml with files, and loading it."""
    if path.suffix == ".mrb":
        assert scene.WriteToMRB(str(path))
        scene.Clear(False)
        assert scene.ReadFromMRB(str(path), False)
    else:
        scene.SetRootDirectory(str(path.parent))
        for node in slicer.util.getNodesByClass("vtkMRMLStorableNode"):
            if node.GetHideFromEditors() or node.IsA("vtkMRMLColorNode"):
                continue  # Slicer's Save dialog leaves them out
            node.AddDefaultStorageNode()
            storage = node.GetStorageNode()
            suffix = storage.GetDefaultWriteFileExtension()
            storage.SetFileName(str(path.parent / f"{node.GetName().replace(' ', '_')}.{suffix}"))
            assert storage.WriteData(node)
        scene.SetURL(str(path))
        assert scene.Commit()
        scene.Clear(False)
        scene.SetURL(str(path))
        assert scene.Import()
    return (
        scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"),
        scene.GetFirstNodeByClass("vtkMRMLSegmentationNode"),
    )


def test_the_original_holds_every_voxel_the_model_found(chest, logic):
    node = chest.node()
    original = read_original(logic.process(node))
    assert original.fits(node)
    np.testing.assert_array_equal(original.labels([label.key for label in LUNGS]), chest.lungs)
    np.testing.assert_array_equal(original.labels([label.key for label in LESIONS]), chest.lesions)


def test_a_segment_goes_back_to_what_the_model_found(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    emptied(segmentation, "Consolidation", node)
    assert revert_to_ai(segmentation, "consolidation")
    np.testing.assert_array_equal(mask_of(segmentation, "Consolidation", node), chest.lesions == 2)
    assert set(refresh_algorithm_types(segmentation).values()) == {"AUTOMATIC"}


def test_reverting_one_segment_leaves_the_others_as_they_are(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    larger = mask_of(segmentation, "Consolidation", node)
    larger[6:9, 4:6, 3:7] = True  # into ground-glass opacity
    edit(segmentation, "Consolidation", larger, node)
    emptied(segmentation, "Pleural effusion", node)
    assert revert_to_ai(segmentation, "ggo")
    np.testing.assert_array_equal(mask_of(segmentation, "Ground-glass opacity", node), chest.lesions == 1)
    np.testing.assert_array_equal(mask_of(segmentation, "Consolidation", node), larger)
    assert not mask_of(segmentation, "Pleural effusion", node).any()


def test_reverting_all_brings_a_deleted_segment_back(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    before = segmentation.GetSegmentation().GetSegment("effusion")
    tags, color = get_tag(before, "TerminologyEntry"), before.GetColor()
    segmentation.GetSegmentation().RemoveSegment("effusion")
    emptied(segmentation, "Right lung", node)
    assert revert_to_ai(segmentation)
    for labels, classes in ((chest.lungs, LUNGS), (chest.lesions, LESIONS)):
        for label in classes:
            np.testing.assert_array_equal(mask_of(segmentation, label.name, node), labels == label.value)
    again = segmentation.GetSegmentation().GetSegment("effusion")
    assert (get_tag(again, "TerminologyEntry"), again.GetColor()) == (tags, color)
    assert logic.process(node, segmentation) is segmentation, "it counts as unedited again"


def test_a_deleted_segment_alone_cannot_be_reverted(chest, logic):
    segmentation = logic.process(chest.node())
    segmentation.GetSegmentation().RemoveSegment("effusion")
    assert not revert_to_ai(segmentation, "effusion")
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 4


def test_a_segmentation_without_a_models_result_cannot_be_reverted(scene):
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert read_original(segmentation) is None
    assert not revert_to_ai(segmentation)


def test_an_original_that_was_damaged_is_none(chest, logic):
    segmentation = logic.process(chest.node())
    kept = segmentation.GetAttribute(ORIGINAL_ATTRIBUTE)
    for damaged in (kept[: len(kept) // 2], "not base64!", "AAAA"):
        segmentation.SetAttribute(ORIGINAL_ATTRIBUTE, damaged)
        assert read_original(segmentation) is None
        assert not revert_to_ai(segmentation)


def test_a_rerun_renews_the_original_and_clears_the_record_of_edits(chest, logic, analyze):
    node = chest.node()
    segmentation = logic.process(node)
    set_reviewed(segmentation, "ggo")
    analyze.lesions = np.where(chest.lesions == 1, 0, chest.lesions).astype(np.uint8)
    assert logic.process(node, segmentation) is segmentation
    original = read_original(segmentation)
    np.testing.assert_array_equal(original.labels(["ggo", "consolidation", "effusion"]), analyze.lesions)
    assert not is_reviewed(segmentation, "ggo")


def test_a_clone_of_the_segmentation_has_the_original_too(chest, logic, scene):
    node = chest.node()
    segmentation = logic.process(node)
    emptied(segmentation, "Consolidation", node)
    clone = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    clone.Copy(segmentation)
    scene.RemoveNode(segmentation)
    assert revert_to_ai(clone, "consolidation")
    np.testing.assert_array_equal(mask_of(clone, "Consolidation", node), chest.lesions == 2)


@pytest.mark.parametrize("file", ["scene.mrb", "scene.mrml"])
def test_revert_works_after_saving_and_loading_the_scene(chest, logic, scene, tmp_path, file):
    node = chest.node()
    segmentation = logic.process(node)
    emptied(segmentation, "Ground-glass opacity", node)
    emptied(segmentation, "Left lung", node)
    node, segmentation = through(scene, tmp_path / file)
    assert not mask_of(segmentation, "Left lung", node).any()
    assert revert_to_ai(segmentation, "ggo")
    assert revert_to_ai(segmentation, "left_lung")
    np.testing.assert_array_equal(mask_of(segmentation, "Ground-glass opacity", node), chest.lesions == 1)
    np.testing.assert_array_equal(mask_of(segmentation, "Left lung", node), chest.lungs == 2)
    assert set(refresh_algorithm_types(segmentation).values()) == {"AUTOMATIC"}


def test_a_volume_of_another_grid_does_not_fit_the_original(chest, logic):
    original = read_original(logic.process(chest.node()))
    other = chest.node("Other")
    other.SetSpacing(4, 5, 7)
    assert not original.fits(other)
    chest.hu = chest.hu[1:]
    assert not original.fits(chest.node("Shorter"))
