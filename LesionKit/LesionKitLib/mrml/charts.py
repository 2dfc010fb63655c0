"""Bar charts as plot nodes that take their bars from a table node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import slicer

from .tables import write_table


def write_bar_chart(
    scene,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    name: str,
    y_title: str,
    colors,
    node=None,
):
    """A vtkMRMLPlotChartNode with a group of bars per label and a bar per series in it; None is drawn as no bar.

    series: title -> one value per label. colors: sRGB 0-255, one per series. node: an earlier chart with the same
    series, which is refilled. Its table is named "<name> values".
    """
    rows = [[label, *(float(values[n] or 0) for values in series.values())] for n, label in enumerate(labels)]
    table = write_table(scene, ["Label", *series], rows, f"{name} values", _table_of(node))
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
        for title, color in zip(series, colors, strict=True):
            node.AddAndObservePlotSeriesNodeID(_bars(scene, title, table, color).GetID())
    node.SetYAxisTitle(y_title)
    node.SetXAxisTitle("")
    node.SetTitleVisibility(False)
    return node


def _bars(scene, title: str, table, color):
    bars = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", title)
    bars.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeBar)
    bars.SetAndObserveTableNodeID(table.GetID())
    bars.SetLabelColumnName("Label")
    bars.SetYColumnName(title)
    bars.SetColor(*(channel / 255 for channel in color))
    return bars


def _table_of(chart):
    if chart is None or not chart.GetNumberOfPlotSeriesNodes():
        return None
    return chart.GetNthPlotSeriesNode(0).GetTableNode()
