"""What the slice views show: which volume, which window, which place. Does nothing where there are no views."""

from __future__ import annotations

import slicer
import vtk


def show_ct(volume_node, window: float = 1500.0, level: float = -600.0) -> None:
    """The volume in all slice views, with this window and level (HU; the defaults are a usual lung window)."""
    set_window(volume_node, window, level)
    show_volume(volume_node)


def set_window(volume_node, window: float, level: float) -> None:
    """Show the volume with this window and level, wherever it is shown."""
    if volume_node.GetDisplayNode() is None:
        volume_node.CreateDefaultDisplayNodes()
    display = volume_node.GetScalarVolumeDisplayNode()
    if display is not None:
        display.AutoWindowLevelOff()
        display.SetWindowLevel(window, level)


def show_volume(volume_node) -> None:
    """The volume in all slice views, as its display node has it."""
    application = slicer.app.applicationLogic()
    application.GetSelectionNode().SetActiveVolumeID(volume_node.GetID())
    application.PropagateVolumeSelection(1)  # 1: and fit the views to it


def jump_to(scene, ras) -> None:
    """Show the slices through a point (RAS, mm) in all slice views.

    The image stays where it is in the view; only where the point would lie outside of it, the view is centered on it.
    """
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode", scene):
        if _is_in_view(node, ras):
            node.JumpSliceByOffsetting(*ras)
        else:
            node.JumpSliceByCentering(*ras)


def _is_in_view(node, ras) -> bool:
    to_xy = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(node.GetXYToRAS(), to_xy)
    x, y = to_xy.MultiplyPoint((*ras, 1.0))[:2]
    width, height = node.GetDimensions()[:2]
    return 0 <= x <= width and 0 <= y <= height


def lay_over(scene, volume_node, opacity: float) -> None:
    """Show a volume over the image in all slice views; None takes away whatever lies over it."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene):
        node.SetForegroundVolumeID(volume_node.GetID() if volume_node is not None else None)
        node.SetForegroundOpacity(opacity if volume_node is not None else 0.0)
