"""The view of a chart that is shown in a panel."""

from __future__ import annotations

import slicer


class ChartView:
    """A qMRMLPlotWidget in a group box that can be collapsed. tag: of its view node in the scene."""

    def __init__(self, widget, group_box, tag: str):
        self._widget, self._tag, self._view = widget, tag, None
        widget.setVisible(False)
        group_box.connect("toggled(bool)", self.refresh)

    def show(self, chart, scene, owner) -> None:
        """Show this chart node; None: nothing. owner: a node of the module, to which the view belongs."""
        self._view = _view_node(scene, owner, self._tag) if chart is not None else None
        if self._view is not None:
            self._view.SetPlotChartNodeID(chart.GetID())
        self._widget.setMRMLPlotViewNode(self._view)
        self._widget.setVisible(chart is not None)
        self.refresh()

    def refresh(self, _shown=None) -> None:
        """A plot view overlooks what happens while it is disabled, as in a collapsed group box: make it look again."""
        if self._view is not None:
            self._view.Modified()


def _view_node(scene, owner, tag: str):
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
