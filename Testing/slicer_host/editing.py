"""A person's work in the Segment Editor: one stroke, carried out by Slicer's own logic with its masking and undo."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk


def stroke(editor, mask: np.ndarray, erase: bool = False) -> None:
    """Add voxels to the chosen segment, or take them away, as Paint and Erase do when the mouse is let go.

    editor: a qMRMLSegmentEditorWidget with segmentation, source volume and segment. mask: boolean [k, j, i] on the
    source volume's grid. Voxels outside the editable area stay; by the editor's overwrite mode, other segments give
    way. An undo state is saved before.
    """
    volume = editor.sourceVolumeNode()
    if mask.shape != slicer.util.arrayFromVolume(volume).shape:
        raise ValueError(f"The mask has the shape {mask.shape}, not that of the source volume")
    _modify(editor, mask, "Remove" if erase else "Add")


def grow(editor, mm: float) -> None:
    """The effect Margin: the chosen segment grows by ``mm``, all its voxels are given to it anew."""
    from scipy import ndimage

    volume = editor.sourceVolumeNode()
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(editor.segmentationNode(), editor.currentSegmentID(), volume) > 0
    distance = ndimage.distance_transform_edt(~mask, sampling=volume.GetSpacing()[::-1])
    _modify(editor, distance <= mm, "Set")


def _modify(editor, mask: np.ndarray, mode: str) -> None:
    volume, segmentation = editor.sourceVolumeNode(), editor.segmentationNode()
    logic = slicer.vtkSlicerSegmentEditorLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    logic.SetSegmentEditorNode(editor.mrmlSegmentEditorNode())
    logic.SetSegmentationNode(segmentation)
    logic.SetSourceVolumeNode(volume)
    logic.UpdateReferenceGeometryImage()
    logic.ResetModifierLabelmapToDefault()
    logic.UpdateMaskLabelmap()
    editor.saveStateForUndo()
    kind = getattr(logic, f"ModificationMode{mode}")
    image = _oriented_image(mask, volume)
    logic.ModifySegmentByLabelmap(segmentation, editor.currentSegmentID(), image, kind, False, False)


def _oriented_image(mask: np.ndarray, volume):
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*reversed(mask.shape))
    image.SetGeometryFromImageToWorldMatrix(matrix)
    values = numpy_to_vtk(np.ascontiguousarray(mask, np.uint8).ravel(), deep=True)
    image.GetPointData().SetScalars(values)
    return image
