"""Where results stand in the subject hierarchy."""

from __future__ import annotations

import slicer


def place_under(node, volume_node) -> None:
    """Put ``node`` under the item of the image that it was made from; needs both in one scene."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volume_node.GetScene())
    none = hierarchy.GetInvalidItemID()
    parent = hierarchy.GetItemByDataNode(volume_node)
    if parent == none:
        parent = hierarchy.GetSceneItemID()
    item = hierarchy.GetItemByDataNode(node)
    if item == none:  # no subject hierarchy plugins: an application without Qt
        hierarchy.CreateItem(parent, node)
    else:
        hierarchy.SetItemParent(item, parent)
