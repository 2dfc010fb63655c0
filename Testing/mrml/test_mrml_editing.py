"""What a person changes stays, is measured, and is labeled as such."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scene_helpers import draw, edit, mask_of
from scene_tables import read_table

from CovidLungQuantLib.labels import CONSOLIDATION, GGO, LESIONS, lungs_with_lesions
from LesionKitLib.mrml.segmentations import get_tag, is_edited, refresh_algorithm_types, terminology_entry


def segment_id(segmentation, name):
    return segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)


def voxels_of(segmentation, node):
    """Segment ID -> its voxels, of all segments."""
    content = segmentation.GetSegmentation()
    return {i: mask_of(segmentation, content.GetSegment(i).GetName(), node) for i in content.GetSegmentIDs()}


@pytest.fixture
def smaller(chest):
    """What a second analysis finds: less ground-glass opacity, no effusion."""
    lesions = chest.lesions.copy()
    lesions[8] = 0
    lesions[lesions == 3] = 0
    return lesions


def test_a_rerun_renews_unedited_segments_in_place(chest, logic, analyze, smaller, scene):
    node = chest.node()
    first = logic.process(node)
    table = logic.tableFor(first)
    ids = first.GetSegmentation().GetSegmentIDs()
    first.GetSegmentation().GetSegment(ids[2]).SetColor(0.1, 0.2, 0.3)
    analyze.lesions = smaller
    second = logic.process(node, first)
    assert second is first
    assert logic.tableFor(second) is table
    assert second.GetSegmentation().GetSegmentIDs() == ids
    assert second.GetSegmentation().GetNumberOfLayers() == 2
    assert second.GetSegmentation().GetSegment(ids[2]).GetColor() == (0.1, 0.2, 0.3)
    for label in LESIONS:
        np.testing.assert_array_equal(mask_of(second, label.name, node), smaller == label.value)
    assert read_table(table)[0]["Effusion (ml)"] == 0
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


@pytest.mark.parametrize("name", ["Right lung", "Ground-glass opacity", "Pleural effusion"])
def test_a_rerun_leaves_an_edited_segmentation_untouched_and_puts_the_result_beside_it(
    chest, logic, analyze, smaller, name
):
    node = chest.node()
    first = logic.process(node)
    mask = mask_of(first, name, node)
    mask[5] = ~mask[5]
    edit(first, name, mask, node)
    before = voxels_of(first, node)
    rows = read_table(logic.tableFor(first))
    analyze.lesions = smaller
    second = logic.process(node, first)
    assert second is not first
    assert second.GetName() != first.GetName()
    assert logic.tableFor(second) is not logic.tableFor(first)
    for kept, mask in voxels_of(first, node).items():
        np.testing.assert_array_equal(mask, before[kept])
    np.testing.assert_equal(read_table(logic.tableFor(first)), rows)
    np.testing.assert_array_equal(mask_of(second, "Ground-glass opacity", node), smaller == 1)


def test_a_rerun_does_not_bring_back_a_deleted_segment(chest, logic):
    node = chest.node()
    first = logic.process(node)
    first.GetSegmentation().RemoveSegment(segment_id(first, "Pleural effusion"))
    second = logic.process(node, first)
    assert second is not first
    assert first.GetSegmentation().GetNumberOfSegments() == 4


def test_a_rerun_keeps_a_drawn_segment_even_inside_a_layer_of_the_model(chest, logic, analyze, smaller):
    node = chest.node()
    first = logic.process(node)
    nodule = np.zeros(chest.lungs.shape, bool)
    nodule[9:11, 10:12, 3:6] = True
    drawn = draw(first, "Nodule", nodule, node)
    content = first.GetSegmentation()
    content.CollapseBinaryLabelmaps(False)  # as Slicer does when it saves
    assert len(content.GetSegmentIDsForLayer(content.GetLayerIndex(drawn))) > 1
    analyze.lesions = smaller.copy()
    analyze.lesions[nodule] = 2  # the model now claims the same voxels
    second = logic.process(node, first)
    assert second is first
    np.testing.assert_array_equal(mask_of(second, "Nodule", node), nodule)
    layer = slicer.util.arrayFromSegmentInternalBinaryLabelmap(second, drawn)
    assert set(np.unique(layer)) == {0, content.GetSegment(drawn).GetLabelValue()}, "voxels of nobody were left behind"
    for label in LESIONS:
        np.testing.assert_array_equal(mask_of(second, label.name, node), analyze.lesions == label.value)


def test_a_segmentation_of_another_volume_is_left_alone(chest, logic):
    first = logic.process(chest.node("A"))
    before = voxels_of(first, slicer.util.getNode("A"))
    second = logic.process(chest.node("B"), first)
    assert second is not first
    for kept, mask in voxels_of(first, slicer.util.getNode("A")).items():
        np.testing.assert_array_equal(mask, before[kept])


def test_an_empty_segmentation_chosen_by_the_user_receives_the_result(chest, logic, scene):
    mine = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    assert logic.process(chest.node(), mine) is mine
    assert mine.GetSegmentation().GetNumberOfSegments() == 5
    assert mine.GetDisplayNode() is not None


def test_a_duplicate_of_a_models_segment_is_not_taken_for_the_models_own(chest, logic):
    node = chest.node()
    first = logic.process(node)
    content = first.GetSegmentation()
    copy = slicer.vtkSegment()
    copy.DeepCopy(content.GetSegment(segment_id(first, "Consolidation")))
    content.AddSegment(copy, "copy")
    assert is_edited(first, "copy")
    assert logic.process(node, first) is not first


def test_algorithm_types_follow_the_voxels_there_and_back(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    edited, kept = segment_id(segmentation, "Consolidation"), segment_id(segmentation, "Right lung")
    original = mask_of(segmentation, "Consolidation", node)
    changed = original.copy()
    changed[2:4] = False
    edit(segmentation, "Consolidation", changed, node)
    drawn = draw(segmentation, "Nodule", np.roll(original, 3, axis=0), node)
    types = refresh_algorithm_types(segmentation)
    assert (types[edited], types[kept], types[drawn]) == ("SEMIAUTOMATIC", "AUTOMATIC", "MANUAL")
    for name, wanted in types.items():
        tag = get_tag(segmentation.GetSegmentation().GetSegment(name), "DICOM.SegmentAlgorithmType")
        assert tag == wanted
    edit(segmentation, "Consolidation", original, node)
    assert refresh_algorithm_types(segmentation)[edited] == "AUTOMATIC"


def test_renaming_and_recoloring_is_not_an_edit_of_the_voxels(chest, logic):
    segmentation = logic.process(chest.node())
    name = segment_id(segmentation, "Ground-glass opacity")
    segment = segmentation.GetSegmentation().GetSegment(name)
    segment.SetName("GGO")
    segment.SetColor(1, 0, 1)
    assert not is_edited(segmentation, name)


def test_measure_follows_an_edit_and_fills_the_same_table(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    table = logic.tableFor(segmentation)
    mask = mask_of(segmentation, "Ground-glass opacity", node)
    mask[8] = False
    edit(segmentation, "Ground-glass opacity", mask, node)
    measurements = logic.measure(segmentation, node)
    assert measurements["total"]["ggo_ml"] == pytest.approx(mask.sum() * 0.12)
    assert logic.tableFor(segmentation) is table
    assert read_table(table)[0]["GGO (ml)"] == pytest.approx(mask.sum() * 0.12)


def test_measuring_an_unedited_result_gives_the_pipelines_numbers(chest, logic, analyze):
    node = chest.node()
    segmentation = logic.process(node)
    assert logic.measure(segmentation, node) == analyze(logic.volumeFor(node)).measurements


def test_values_beyond_the_scale_count_as_its_ends_as_they_do_in_the_pipeline(chest, logic):
    chest.hu[5, 5, 5] = 9000
    node = chest.node()
    segmentation = logic.process(node)
    mean = logic.measure(segmentation, node)["total"]["lung_mean_hu"]
    assert mean == pytest.approx(np.clip(chest.hu, -1024, 3071)[chest.lungs > 0].mean())


def test_a_drawn_segment_counts_by_its_terminology(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    extra = np.zeros(chest.lungs.shape, bool)
    extra[9:11, 4:6, 12:14] = True
    drawn = draw(segmentation, "Seen by the expert", extra, node)
    before = logic.measure(segmentation, node)["total"]["consolidation_ml"]
    tags = segmentation.GetSegmentation().GetSegment(drawn)
    tags.SetTag("TerminologyEntry", terminology_entry(CONSOLIDATION))
    after = logic.measure(segmentation, node)["total"]["consolidation_ml"]
    assert after - before == pytest.approx(extra.sum() * 0.12)


def test_a_voxel_in_two_findings_counts_once_as_the_denser_one(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    both = chest.lesions == GGO.value
    extended = mask_of(segmentation, "Consolidation", node) | both
    segmentation.GetSegmentation().SeparateSegmentLabelmap(segment_id(segmentation, "Consolidation"))
    edit(segmentation, "Consolidation", extended, node)
    assert mask_of(segmentation, "Ground-glass opacity", node).any() or both.any()
    total = logic.measure(segmentation, node)["total"]
    assert total["consolidation_ml"] == pytest.approx(extended.sum() * 0.12)
    assert total["ggo_ml"] == 0


def test_lesion_drawn_outside_the_lungs_counts_as_lesion_and_as_lung_of_the_nearer_side(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    before = logic.measure(segmentation, node)
    mask = mask_of(segmentation, "Ground-glass opacity", node)
    mask[6, 5, 0:2] = True
    edit(segmentation, "Ground-glass opacity", mask, node)
    after = logic.measure(segmentation, node)
    for key in ("ggo_ml", "lung_ml"):
        assert after["total"][key] - before["total"][key] == pytest.approx(2 * 0.12)
    right = {row["side"]: row for row in after["regions"] if row["third"] == "all"}["right"]
    assert right["lung_ml"] == pytest.approx(((chest.lungs == 1).sum() + 2) * 0.12)


def test_lesions_inside_the_lungs_leave_the_lungs_as_they_are(chest):
    assert lungs_with_lesions(chest.lungs, chest.lesions, (4, 5, 6)) is chest.lungs


def test_voxels_painted_beyond_the_volume_are_left_out(chest, logic, scene):
    wide = slicer.util.addVolumeFromArray(np.zeros((12, 16, 30), np.int16), chest.ijk_to_ras, "Wide")
    node = chest.node()
    segmentation = logic.process(node)
    mask = np.zeros((12, 16, 30), bool)
    mask[6, 5, 14:28] = True
    edit(segmentation, "Ground-glass opacity", mask, wide)
    assert logic.measure(segmentation, node)["total"]["ggo_ml"] == pytest.approx(6 * 0.12)


def test_a_segment_in_another_geometry_is_resampled(chest, logic, scene):
    node = chest.node()
    segmentation = logic.process(node)
    finer = chest.ijk_to_ras @ np.diag([0.5, 0.5, 0.5, 1.0])
    finer[:3, 3] = (chest.ijk_to_ras @ [-0.25, -0.25, -0.25, 1])[:3]
    fine = np.kron(chest.lesions == 1, np.ones((2, 2, 2), bool))
    grid = slicer.util.addVolumeFromArray(np.zeros(fine.shape, np.int16), finer, "Fine")
    segmentation.GetSegmentation().SeparateSegmentLabelmap(segment_id(segmentation, "Ground-glass opacity"))
    edit(segmentation, "Ground-glass opacity", fine, grid)
    assert logic.measure(segmentation, node)["total"]["ggo_ml"] == pytest.approx((chest.lesions == 1).sum() * 0.12)


def test_a_segmentation_moved_away_from_its_volume_is_measured_where_it_lies(chest, logic, scene):
    node = chest.node()
    segmentation = logic.process(node)
    shift = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = chest.ijk_to_ras[:3, :3] @ (0, 0, 5)
    shift.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    segmentation.SetAndObserveTransformNodeID(shift.GetID())
    total = logic.measure(segmentation, node)["total"]
    assert total["lung_ml"] == pytest.approx((chest.lungs[:7] > 0).sum() * 0.12)
    assert total["ggo_ml"] == pytest.approx((chest.lesions[:7] == 1).sum() * 0.12)


def test_a_segmentation_without_lungs_is_a_value_error_with_a_sentence(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    for name in ("Right lung", "Left lung"):
        segmentation.GetSegmentation().RemoveSegment(segment_id(segmentation, name))
    with pytest.raises(ValueError, match="holds no lung"):
        logic.measure(segmentation, node)


def test_observers_never_see_a_segment_without_its_voxels_during_a_rerun(chest, logic, analyze, smaller):
    node = chest.node()
    segmentation = logic.process(node)
    content = segmentation.GetSegmentation()
    seen = []
    wanted = {(chest.lesions == 1).sum(), (smaller == 1).sum()}
    tag = content.AddObserver(
        slicer.vtkSegmentation.SourceRepresentationModified,
        lambda *_: seen.append(mask_of(segmentation, "Ground-glass opacity", node).sum()),
    )
    analyze.lesions = smaller
    logic.process(node, segmentation)
    content.RemoveObserver(tag)
    assert seen
    assert set(seen) <= wanted
    assert seen[-1] == (smaller == 1).sum()


def test_undo_of_the_editor_brings_back_the_voxels_from_before_a_rerun(chest, logic, analyze, smaller):
    node = chest.node()
    segmentation = logic.process(node)
    history = slicer.vtkSegmentationHistory()
    history.SetSegmentation(segmentation.GetSegmentation())
    assert history.SaveState()
    analyze.lesions = smaller
    logic.process(node, segmentation)
    assert history.RestorePreviousState()
    for label in LESIONS:
        np.testing.assert_array_equal(mask_of(segmentation, label.name, node), chest.lesions == label.value)
    assert set(refresh_algorithm_types(segmentation).values()) == {"AUTOMATIC"}


def test_a_surface_shown_in_3d_follows_a_rerun(chest, logic, analyze, smaller):
    node = chest.node()
    segmentation = logic.process(node)
    assert segmentation.CreateClosedSurfaceRepresentation()
    name = segment_id(segmentation, "Ground-glass opacity")

    def height():
        bounds = segmentation.GetSegmentation().GetSegment(name).GetRepresentation("Closed surface").GetBounds()
        return bounds[5] - bounds[4]

    before = height()
    analyze.lesions = smaller
    logic.process(node, segmentation)
    assert height() < before - 3
