"""A scalar volume node as a Volume."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.errors import UnusableInput


def volume_from_node(node) -> Volume:
    """The image of a vtkMRMLScalarVolumeNode, placed where the scene shows it.

    array: (k, j, i), a view of the node's voxels (no copy; do not write to it). ijk_to_ras: to world coordinates, so
    linear transforms above the node are included and spacings and volumes are those of the world. Raises
    UnusableInput for no node, no image, several components per voxel, and for transforms that bend or shear.
    """
    _require_scalar_volume(node)
    volume = Volume(_voxels(node), local_ijk_to_ras(node), node.GetName() or "")
    parent = node.GetParentTransformNode()
    if parent is None:
        return volume
    if not parent.IsTransformToWorldLinear():
        raise UnusableInput(
            "The volume is under a transform that is not linear; harden the transform on the volume first."
        )
    to_world = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(to_world)
    try:
        return replace(volume, ijk_to_ras=array_from_matrix(to_world) @ volume.ijk_to_ras)
    except UnusableInput:
        raise UnusableInput(
            "The transform on the volume shears it or collapses it; resample the volume to a straight grid first."
        ) from None


def local_ijk_to_ras(node) -> np.ndarray:
    """4 x 4, mm, from voxel (i, j, k) to the coordinates that the node's parent transform starts from."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return array_from_matrix(matrix)


def array_from_matrix(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """4 x 4 float array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def matrix_from_array(array: np.ndarray) -> vtk.vtkMatrix4x4:
    """The inverse of array_from_matrix."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array, float).ravel())
    return matrix


def _require_scalar_volume(node) -> None:
    if node is None:
        raise UnusableInput("No volume is chosen.")
    if not isinstance(node, slicer.vtkMRMLScalarVolumeNode) or isinstance(node, slicer.vtkMRMLLabelMapVolumeNode):
        raise UnusableInput("A scalar volume is needed, not a label map, a color image or another kind of data.")
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise UnusableInput("The volume holds no image.")
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        raise UnusableInput(f"The volume has {components} values per voxel (a color image?), but one is needed.")


def _voxels(node) -> np.ndarray:
    image = node.GetImageData()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
