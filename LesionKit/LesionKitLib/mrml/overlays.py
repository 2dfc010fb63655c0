"""Arrays on the grid of a volume as volume nodes to lay over it, such as a network's heat map."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from .nodes import filled

BUILT_IN_COLORS = "vtkMRMLColorTableNodeReverseRainbow"  # blue to red; where Slicer's color files are not installed


def write_overlay(array: np.ndarray, volume_node, name: str, color_node_id: str, node=None, top: float = 1.0):
    """A vtkMRMLScalarVolumeNode of values 0..top [k, j, i] on the grid of ``volume_node``.

    node: is refilled when given. color_node_id: such as "vtkMRMLColorTableNodeFileColdToHotRainbow.txt"; where
    it is not there, BUILT_IN_COLORS are taken.
    Raises ValueError when the array does not have the volume's shape.
    """
    if array.shape != volume_node.GetImageData().GetDimensions()[::-1]:
        raise ValueError("The heat map does not fit the volume; was the volume changed in the meantime?")
    scene = volume_node.GetScene()
    with filled(scene, "vtkMRMLScalarVolumeNode", name, node) as node:
        slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array))
        matrix = vtk.vtkMatrix4x4()
        volume_node.GetIJKToRASMatrix(matrix)
        node.SetIJKToRASMatrix(matrix)
        parent = volume_node.GetParentTransformNode()
        node.SetAndObserveTransformNodeID(parent.GetID() if parent else None)
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        _color(node, color_node_id, top)
    return node


def _color(node, color_node_id: str, top: float) -> None:
    display = node.GetScalarVolumeDisplayNode()
    if display is None:
        return
    for known in (color_node_id, BUILT_IN_COLORS):
        if node.GetScene().GetNodeByID(known):
            display.SetAndObserveColorNodeID(known)
            break
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(0.0, top)
    display.SetLowerThreshold(0.1 * top)
    display.ApplyThresholdOn()
