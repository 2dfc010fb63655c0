"""Stand-ins for the widgets that show a plot chart: bars, lines or points, drawn plainly."""

from __future__ import annotations

import qt
import slicer
import vtk
from PySide6.QtCore import QPointF, QRectF, Signal

from .qmrml_widgets import qMRMLWidget
from .standins import Observations, StandIn

MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 64, 12, 28, 44  # pixels


class qMRMLPlotView(StandIn, qt.QWidget):
    """Draws the chart of a plot view node and follows the chart, its series and their tables.

    As Slicer's, it overlooks what happens while it is disabled: it goes on drawing what it knew before.
    """

    SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)", "dataSelected(vtkStringArray*,vtkCollection*)"}
    mrmlSceneChanged, dataSelected = Signal(object), Signal(object, object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = self._view_node = self._drawn_chart = None
        self._drawn = []  # what _read gave of each series
        self._observations = Observations(self)
        self.setMinimumSize(200, 160)

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def setMRMLPlotViewNode(self, node):
        if node is not self._view_node:
            self._view_node = node
            self._observe()

    def fitToContent(self):
        """It always fits."""

    def _chart(self):
        return self._view_node.GetPlotChartNode() if self._view_node is not None else None

    def _series(self):
        chart = self._chart()
        if chart is None:
            return []
        nodes = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
        return [node for node in nodes if node is not None and node.GetTableNode() is not None]

    def _observe(self):
        """Listen to whatever is drawn now."""
        self._observations.clear()
        tables = [node.GetTableNode() for node in self._series()]
        for node in (self._view_node, self._chart(), *self._series(), *tables):
            self._observations.add(node, vtk.vtkCommand.ModifiedEvent, self._on_modified)
        if self.isEnabled():
            self._drawn_chart = self._chart()
            self._drawn = [curve for curve in map(_read, self._series()) if curve[1]]
            self.update()

    def _on_modified(self, _node, _event):
        self._observe()

    def paintEvent(self, _event):
        painter = qt.QPainter(self)
        painter.setRenderHint(qt.QPainter.Antialiasing)
        painter.fillRect(self.rect, qt.QColor("white"))
        area = QRectF(
            MARGIN_LEFT, MARGIN_TOP, self.width - MARGIN_LEFT - MARGIN_RIGHT, self.height - MARGIN_TOP - MARGIN_BOTTOM
        )
        if self._drawn and self._drawn_chart is not None:
            _draw_chart(painter, area, self._drawn_chart, self._drawn)
        painter.end()


class qMRMLPlotWidget(qMRMLWidget):
    """A plot view with its controller; the controller is not drawn."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._view, self._view_node = qMRMLPlotView(self), None
        column = qt.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._view)
        self.mrmlSceneChanged.connect(self._view.setMRMLScene)

    def plotView(self):
        return self._view

    def viewWidget(self):
        return self._view

    def mrmlPlotViewNode(self):
        return self._view_node

    def mrmlAbstractViewNode(self):
        return self._view_node

    def setMRMLPlotViewNode(self, node):
        self._view_node = node
        self._view.setMRMLPlotViewNode(node)

    def setMRMLAbstractViewNode(self, node):
        self.setMRMLPlotViewNode(node)


def _read(series):
    """(series, [(x, y)], labels): the numbers of a series; labels where the table has a text for each."""
    table = series.GetTableNode().GetTable()
    ys = table.GetColumnByName(series.GetYColumnName() or "")
    xs = table.GetColumnByName(series.GetXColumnName() or "")
    texts = table.GetColumnByName(series.GetLabelColumnName() or "")
    if ys is None:
        return series, [], []
    count = ys.GetNumberOfTuples()
    is_by_index = xs is None or series.GetPlotType() in (series.PlotTypeLine, series.PlotTypeBar)
    points = [(index if is_by_index else _number(xs, index), _number(ys, index)) for index in range(count)]
    labels = [texts.GetValue(index) for index in range(count)] if texts is not None else []
    return series, points, labels


def _number(column, index) -> float:
    return column.GetVariantValue(index).ToDouble()


def _draw_chart(painter, area, chart, curves):
    xs = [x for _series, points, _labels in curves for x, _y in points]
    ys = [y for _series, points, _labels in curves for _x, y in points]
    bars = [curve for curve in curves if curve[0].GetPlotType() == slicer.vtkMRMLPlotSeriesNode.PlotTypeBar]
    pad = 0.5 if bars else 0.0
    low_x, high_x = min(xs) - pad, max(xs) + pad
    low_y, high_y = min(0.0, *ys), max(ys) * 1.05 or 1.0
    if not chart.GetYAxisRangeAuto():
        low_y, high_y = chart.GetYAxisRange()

    def place(x, y):
        return QPointF(
            area.left() + area.width() * (x - low_x) / ((high_x - low_x) or 1.0),
            area.bottom() - area.height() * (y - low_y) / ((high_y - low_y) or 1.0),
        )

    _draw_frame(painter, area, chart, (low_x, high_x, low_y, high_y), place, curves[0][2])
    for index, curve in enumerate(curves):
        color = qt.QColor.fromRgbF(*curve[0].GetColor())
        if curve in bars:
            _draw_bars(painter, curve[1], color, place, bars.index(curve), len(bars))
        else:
            _draw_line(painter, curve, color, place)
        if chart.GetLegendVisibility() and len(curves) > 1:
            _draw_legend(painter, area, index, curve[0].GetName(), color)


def _draw_frame(painter, area, chart, limits, place, labels):
    low_x, high_x, low_y, high_y = limits
    painter.setPen(qt.QColor("#d5d5d5"))
    steps = [low_y + (high_y - low_y) * part / 4 for part in range(5)]
    for y in steps:
        painter.drawLine(place(low_x, y), place(high_x, y))
    painter.setPen(qt.QColor("black"))
    for y in steps:
        _text(painter, QRectF(0, place(low_x, y).y() - 9, area.left() - 6, 18), f"{y:.3g}", qt.Qt.AlignRight)
    marks = enumerate(labels) if labels else ((x, f"{x:.3g}") for x in (low_x, (low_x + high_x) / 2, high_x))
    for x, label in marks:
        _text(painter, QRectF(place(x, 0).x() - 60, area.bottom() + 4, 120, 18), label, qt.Qt.AlignHCenter)
    painter.drawLine(area.bottomLeft(), area.bottomRight())
    painter.drawLine(area.bottomLeft(), area.topLeft())
    if chart.GetTitleVisibility():
        _text(painter, QRectF(area.left(), 4, area.width(), 20), chart.GetTitle(), qt.Qt.AlignHCenter)
    if chart.GetXAxisTitleVisibility():
        below = QRectF(area.left(), area.bottom() + 22, area.width(), 20)
        _text(painter, below, chart.GetXAxisTitle(), qt.Qt.AlignHCenter)
    if chart.GetYAxisTitleVisibility():
        painter.save()
        painter.translate(2, area.center().y() + 80)
        painter.rotate(-90)
        _text(painter, QRectF(0, 0, 160, 16), chart.GetYAxisTitle(), qt.Qt.AlignHCenter)
        painter.restore()


def _draw_bars(painter, points, color, place, index, count):
    width = 0.8 / count
    for x, y in points:
        left = x - 0.4 + index * width
        painter.fillRect(QRectF(place(left, y), place(left + width, 0)).normalized(), color)


def _draw_line(painter, curve, color, place):
    series, points, _labels = curve
    painter.setPen(qt.QPen(color, 2))
    if series.GetLineStyle() != slicer.vtkMRMLPlotSeriesNode.LineStyleNone:
        painter.drawPolyline([place(x, y) for x, y in points])
    if series.GetMarkerStyle() != slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone:
        for x, y in points:
            painter.drawEllipse(place(x, y), 3, 3)


def _draw_legend(painter, area, index, name, color):
    top = area.top() + 4 + 18 * index
    painter.fillRect(QRectF(area.right() - 130, top + 3, 10, 10), color)
    painter.setPen(qt.QColor("black"))
    _text(painter, QRectF(area.right() - 114, top, 114, 16), name, qt.Qt.AlignLeft)


def _text(painter, area, text, alignment):
    painter.drawText(area, int(alignment) | int(qt.Qt.AlignVCenter), text or "")
