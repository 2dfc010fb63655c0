"""Stand-in for the widget that shows a table node."""

from __future__ import annotations

import qt
import vtk
from PySide6.QtCore import Signal

from .standins import Observations, StandIn, stored


class qMRMLTableView(StandIn, qt.QTableView):
    """Shows a table node and follows its changes. Cells cannot be edited here."""

    SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)", "selectionChanged()"}
    mrmlSceneChanged = Signal(object)
    firstRowLocked = stored(bool, False)
    firstColumnLocked = stored(bool, False)
    transposed = stored(bool, False, "_fill")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = self._node = None
        self._observations = Observations(self)
        self._cells = qt.QStandardItemModel(self)
        self.setModel(self._cells)
        self.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlTableNode(self):
        return self._node

    def setMRMLTableNode(self, node):
        self._node = node
        self._observations.clear()
        self._observations.add(node, vtk.vtkCommand.ModifiedEvent, self._on_modified)
        self._fill()

    def _on_modified(self, _node, _event):
        self._fill()

    def _fill(self):
        self._cells.clear()
        node = self._node
        if node is None or node.GetTable() is None:
            return
        columns, rows = node.GetNumberOfColumns(), node.GetNumberOfRows()
        has_titles = node.GetUseColumnTitleAsColumnHeader()
        names = [node.GetColumnName(column) for column in range(columns)]
        letters = [chr(ord("A") + column) for column in range(columns)]
        titles = [self._header(node, name) for name in names] if has_titles else letters
        texts = [[node.GetCellText(row, column) for column in range(columns)] for row in range(rows)]
        if self.transposed:
            texts = [[titles[column], *(line[column] for line in texts)] for column in range(columns)]
        else:
            self._cells.setHorizontalHeaderLabels(titles)
        for line in texts:
            self._cells.appendRow([qt.QStandardItem(text) for text in line])
        self.resizeColumnsToContents()

    @staticmethod
    def _header(node, name: str) -> str:
        """As in Slicer: the unit follows the title in brackets."""
        unit = node.GetColumnUnitLabel(name)
        return (node.GetColumnTitle(name) or name) + (f" [{unit}]" if unit else "")
