"""Filling nodes so that an error leaves neither half a node nor a node that no longer tells of its changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import slicer


@contextmanager
def new_nodes_removed_on_error(scene) -> Iterator[None]:
    """Whatever nodes the body adds to the scene go again when it raises."""
    before = {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}
    try:
        yield
    except BaseException:
        nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
        for node in [node for node in nodes if node.GetID() not in before]:
            if scene.IsNodePresent(node):  # it may have gone together with one before it
                scene.RemoveNode(node)
        raise


@contextmanager
def filled(scene, class_name: str, name: str, node=None) -> Iterator:
    """A node to fill: ``node``, or a new one of this class and name; its events come once, at the end.

    On an error whatever was made new goes again, and the error is passed on.
    """
    with new_nodes_removed_on_error(scene):
        node = node or scene.AddNewNodeByClass(class_name, name)
        with slicer.util.NodeModify(node):
            yield node
