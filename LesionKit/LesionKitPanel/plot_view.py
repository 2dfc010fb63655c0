"""The view of a chart that is shown in a panel."""

from __future__ import annotations

import slicer


def plot_view(scene, owner, tag: str):
    """The view node of that singleton tag. It has an owner, so that Slicer's layout does not open a view for it."""
    node = scene.GetSingletonNode(tag, "vtkMRMLPlotViewNode")
    if node is None:
        node = slicer.vtkMRMLPlotViewNode()
        node.SetSingletonTag(tag)
        node.SetLayoutName(tag)
        node.SetName(tag)
        node = scene.AddNode(node)
    node.SetAndObserveParentLayoutNodeID(owner.GetID())  # again after the scene was closed
    return node
