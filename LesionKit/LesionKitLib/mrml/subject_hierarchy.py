"""Where results stand in the subject hierarchy."""

from __future__ import annotations

import slicer


def place_beside(node, volume_node) -> None:
    """Put ``node`` under the study (or folder) that the volume belongs to; needs both in one scene."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volume_node.GetScene())
    parent = hierarchy.GetSceneItemID()
    volume_item = hierarchy.GetItemByDataNode(volume_node)
    if volume_item != hierarchy.GetInvalidItemID():
        parent = hierarchy.GetItemParent(volume_item)
    item = hierarchy.GetItemByDataNode(node)
    if item == hierarchy.GetInvalidItemID():  # no subject hierarchy plugins: an application without Qt
        hierarchy.CreateItem(parent, node)
    else:
        hierarchy.SetItemParent(item, parent)
