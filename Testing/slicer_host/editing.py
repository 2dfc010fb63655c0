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
    volume, segmentation = editor.sourceVolumeNode(), editor.segmentationNode()
    if mask.shape != slicer.util.arrayFromVolume(volume).shape:
        raise ValueError(f"The mask has the shape {mask.shape}, not that of the source volume")
    logic = slicer.vtkSlicerSegmentEditorLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    logic.SetSegmentEditorNode(editor.mrmlSegmentEditorNode())
    logic.SetSegmentationNode(segmentation)
    logic.SetSourceVolumeNode(volume)
    logic.UpdateReferenceGeometryImage()
    logic.ResetModifierLabelmapToDefault()
    editor.saveStateForUndo()
    mode = logic.ModificationModeRemove if erase else logic.ModificationModeAdd
    segment_id = editor.currentSegmentID()
    logic.ModifySegmentByLabelmap(segmentation, segment_id, _oriented_image(mask, volume), mode, False, False)


def _oriented_image(mask: np.ndarray, volume):
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*reversed(mask.shape))
    image.SetGeometryFromImageToWorldMatrix(matrix)
    values = numpy_to_vtk(np.ascontiguousarray(mask, np.uint8).ravel(), deep=True)
    image.GetPointData().SetScalars(values)
    return image
