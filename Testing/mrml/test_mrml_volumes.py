"""From a scalar volume node to a Volume."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk

from LesionKitLib.imaging.volume import LPS_IN_RAS, affine
from LesionKitLib.mrml.volumes import volume_from_node
from LesionKitLib.run.errors import UnusableInput

ANGLE = np.radians(20)
OBLIQUE = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])


def add_linear_transform(scene, matrix):
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.asarray(matrix, float)))
    return node


@pytest.mark.parametrize(
    "directions",
    [LPS_IN_RAS, np.eye(3), LPS_IN_RAS @ OBLIQUE, np.diag([1.0, -1.0, -1.0]), np.eye(3)[[2, 0, 1]]],
    ids=["axial", "flipped", "oblique", "feet up", "sagittal"],
)
def test_geometry_and_voxels_are_the_nodes_own(scene, directions):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    matrix = affine((0.7, 0.9, 3.0), directions, (10, -20, 30))
    volume = volume_from_node(slicer.util.addVolumeFromArray(array, matrix, "CT"))
    np.testing.assert_allclose(volume.ijk_to_ras, matrix)
    np.testing.assert_array_equal(volume.array, array)
    assert volume.array.dtype == np.int16
    assert volume.name == "CT"


def test_voxels_are_not_copied(scene):
    node = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4), np.float32))
    assert np.shares_memory(volume_from_node(node).array, slicer.util.arrayFromVolume(node))


def test_linear_transforms_above_the_volume_are_concatenated(scene):
    node = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4), np.int16), affine((1, 2, 3)))
    turn, scale = np.eye(4), np.diag([1.0, 1.0, 2.0, 1.0])
    turn[:3, :3], turn[:3, 3] = OBLIQUE, (5, 6, 7)
    outer, inner = add_linear_transform(scene, turn), add_linear_transform(scene, scale)
    inner.SetAndObserveTransformNodeID(outer.GetID())
    node.SetAndObserveTransformNodeID(inner.GetID())
    volume = volume_from_node(node)
    np.testing.assert_allclose(volume.ijk_to_ras, turn @ scale @ affine((1, 2, 3)))
    np.testing.assert_allclose(volume.spacing, (1, 2, 6))


def test_a_bending_transform_is_refused_with_the_advice_to_harden_it(scene):
    node = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4), np.int16))
    bend = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    spline = vtk.vtkThinPlateSplineTransform()
    points = vtk.vtkPoints()
    moved = vtk.vtkPoints()
    for n, point in enumerate([(0, 0, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9), (9, 9, 9)]):
        points.InsertNextPoint(point)
        moved.InsertNextPoint(point[0] + n * n, point[1], point[2])
    spline.SetSourceLandmarks(points)
    spline.SetTargetLandmarks(moved)
    bend.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(bend.GetID())
    with pytest.raises(UnusableInput, match="harden the transform"):
        volume_from_node(node)


def test_a_shearing_transform_is_refused_and_named_as_the_cause(scene):
    node = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4), np.int16))
    shear = np.eye(4)
    shear[0, 2] = 0.3
    node.SetAndObserveTransformNodeID(add_linear_transform(scene, shear).GetID())
    with pytest.raises(UnusableInput, match="transform on the volume"):
        volume_from_node(node)


def test_no_node_is_refused(scene):
    with pytest.raises(UnusableInput, match="No volume"):
        volume_from_node(None)


def test_a_volume_without_image_is_refused(scene):
    with pytest.raises(UnusableInput, match="holds no image"):
        volume_from_node(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))


def test_a_color_image_is_refused(scene):
    array = np.zeros((2, 3, 4, 3), np.uint8)
    node = slicer.util.addVolumeFromArray(array, nodeClassName="vtkMRMLVectorVolumeNode")
    with pytest.raises(UnusableInput, match="3 values per voxel"):
        volume_from_node(node)


def test_a_label_map_is_refused(scene):
    node = slicer.util.addVolumeFromArray(np.ones((2, 3, 4), np.uint8), nodeClassName="vtkMRMLLabelMapVolumeNode")
    with pytest.raises(UnusableInput, match="scalar volume"):
        volume_from_node(node)
