"""What the slice views show: which volume, which window, which place. Does nothing where there are no views."""

from __future__ import annotations

import slicer


def show_ct(volume_node, window: float = 1500.0, level: float = -600.0) -> None:
    """The volume in all slice views, with this window and level (HU; the defaults are a usual lung window)."""
    if volume_node.GetDisplayNode() is None:
        volume_node.CreateDefaultDisplayNodes()
    display = volume_node.GetScalarVolumeDisplayNode()
    if display is not None:
        display.AutoWindowLevelOff()
        display.SetWindowLevel(window, level)
    show_volume(volume_node)


def show_volume(volume_node) -> None:
    """The volume in all slice views, as its display node has it."""
    application = slicer.app.applicationLogic()
    application.GetSelectionNode().SetActiveVolumeID(volume_node.GetID())
    application.PropagateVolumeSelection(1)  # 1: and fit the views to it


def jump_to(scene, ras) -> None:
    """Center all slice views on a point (RAS, mm)."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode", scene):
        node.JumpSliceByCentering(*ras)


def lay_over(scene, volume_node, opacity: float) -> None:
    """Show a volume over the image in all slice views; None takes away whatever lies over it."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene):
        node.SetForegroundVolumeID(volume_node.GetID() if volume_node is not None else None)
        node.SetForegroundOpacity(opacity if volume_node is not None else 0.0)
