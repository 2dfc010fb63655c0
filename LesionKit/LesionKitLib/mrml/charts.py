"""Bar charts as plot nodes that take their bars from a table node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import slicer

from .nodes import filled
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

    series: title -> one value per label. colors: sRGB 0-255, one per series. node: an earlier chart, which is refilled;
    its series must have the same titles. Its table is named "<name> values".
    """
    rows = [[label, *(float(values[n] or 0) for values in series.values())] for n, label in enumerate(labels)]
    with filled(scene, "vtkMRMLPlotChartNode", name, node) as chart:
        table = write_table(scene, ["Label", *series], rows, f"{name} values", table_of(chart))
        if not chart.GetNumberOfPlotSeriesNodes():
            for title, color in zip(series, colors, strict=True):
                chart.AddAndObservePlotSeriesNodeID(_bars(scene, title, table, color).GetID())
        chart.SetYAxisTitle(y_title)
        chart.SetXAxisTitle("")
        chart.SetTitleVisibility(False)
    return chart


def series_of(chart) -> list:
    """The vtkMRMLPlotSeriesNodes of a chart."""
    return [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]


def table_of(chart):
    """The table node that the chart's series take their values from, or None."""
    return next((series.GetTableNode() for series in series_of(chart)), None)


def _bars(scene, title: str, table, color):
    bars = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", title)
    bars.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeBar)
    bars.SetAndObserveTableNodeID(table.GetID())
    bars.SetLabelColumnName("Label")
    bars.SetYColumnName(title)
    bars.SetColor(*(channel / 255 for channel in color))
    return bars
