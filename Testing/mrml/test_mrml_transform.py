"""A CT under a transform: results stand on its grid, stay there while the editor works, and are read as they lie."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from scene_helpers import mask_of
from vtk.util.numpy_support import vtk_to_numpy

from CovidLungQuantLib.labels import GGO, LESIONS, LUNGS
from LesionKitLib.mrml.segmentations import is_edited, read_labels
from LesionKitLib.mrml.volumes import array_from_matrix


@pytest.fixture
def moved(chest, logic, scene):
    """(CT under a rotation, its result)."""
    node = chest.node()
    transform = vtk.vtkTransform()
    transform.RotateX(7)
    transform.RotateZ(11)
    transform.Translate(3.3, 4.4, 5.1)
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    parent.SetMatrixTransformToParent(transform.GetMatrix())
    node.SetAndObserveTransformNodeID(parent.GetID())
    return node, logic.process(node)


def grid_of(segmentation, segment_id):
    image = segmentation.GetSegmentation().GetSegment(segment_id).GetRepresentation("Binary labelmap")
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return array_from_matrix(matrix)


def stroke(scene, node, segmentation, mask):
    logic = slicer.vtkSlicerSegmentEditorLogic()
    logic.SetMRMLScene(scene)
    settings = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    logic.SetSegmentEditorNode(settings)
    logic.SetSegmentationNode(segmentation)
    logic.SetSourceVolumeNode(node)
    settings.SetSelectedSegmentID("ggo")
    logic.UpdateReferenceGeometryImage()
    logic.ResetModifierLabelmapToDefault()
    image = logic.GetModifierLabelmap()
    assert image.GetDimensions()[::-1] == mask.shape, "the editor works on the CT's own grid"
    vtk_to_numpy(image.GetPointData().GetScalars()).reshape(mask.shape)[mask] = 1
    image.Modified()
    logic.UpdateMaskLabelmap()
    logic.ModifySegmentByLabelmap(segmentation, "ggo", image, logic.ModificationModeAdd, False, False)


def test_an_edit_leaves_the_segments_on_the_grid_of_the_ct(chest, scene, moved):
    node, segmentation = moved
    mask = np.zeros(chest.lungs.shape, bool)
    mask[6, 9:12, 4:8] = True
    stroke(scene, node, segmentation, mask)
    for segment_id in ("ggo", "right_lung"):
        np.testing.assert_allclose(grid_of(segmentation, segment_id), chest.ijk_to_ras, atol=1e-9)
    lesions = chest.lesions.copy()
    lesions[mask] = GGO.value
    np.testing.assert_array_equal(read_labels(segmentation, node, LESIONS), lesions)
    assert is_edited(segmentation, "ggo") and not is_edited(segmentation, "consolidation")


def shift_grids(segmentation, by_mm):
    content = segmentation.GetSegmentation()
    for image in {
        id(i): i for i in (content.GetSegment(s).GetRepresentation("Binary labelmap") for s in content.GetSegmentIDs())
    }.values():
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        for row, mm in enumerate(by_mm):
            matrix.SetElement(row, 3, matrix.GetElement(row, 3) + mm)
        image.SetImageToWorldMatrix(matrix)


def test_labels_a_fraction_of_a_voxel_off_the_ct_are_read_as_they_lie(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    shift_grids(segmentation, (0.08, -0.08, 0.08))
    for classes, labels in ((LUNGS, chest.lungs), (LESIONS, chest.lesions)):
        np.testing.assert_array_equal(read_labels(segmentation, node, classes), labels)


def test_labels_whole_voxels_away_are_read_there(chest, logic):
    node = chest.node()
    segmentation = logic.process(node)
    shift_grids(segmentation, chest.ijk_to_ras[:3, :3] @ (2, 0, -1) + 0.1)
    wanted = np.zeros_like(chest.lesions)
    wanted[:-1, :, 2:] = chest.lesions[1:, :, :-2]
    np.testing.assert_array_equal(read_labels(segmentation, node, LESIONS), wanted)


def test_a_ct_whose_transform_was_taken_away_is_still_measured(chest, moved, logic):
    node, segmentation = moved
    node.SetAndObserveTransformNodeID(None)
    segmentation.SetAndObserveTransformNodeID(None)
    np.testing.assert_array_equal(read_labels(segmentation, node, LESIONS), chest.lesions)
    np.testing.assert_array_equal(mask_of(segmentation, "Consolidation", node), chest.lesions == 2)
