"""The lesions one by one, as a table: a row leads to its lesion in the slice views."""

from __future__ import annotations

import qt

from .slots import slot
from .texts import ROW_PX, fit_height

ROWS_SHOWN = 8


class LesionTable:
    """table: a QTableWidget. show_place(place): shows a row's lesion; by default the views jump there (RAS, mm)."""

    def __init__(self, table, show_place=None):
        self._table = table
        self._show_place = show_place or self._jump
        self._scene = None
        self._places: list = []  # of each row
        self._filled: tuple = ()
        self._is_filling = False
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(ROW_PX)
        table.horizontalHeader().setStretchLastSection(True)
        table.connect("cellClicked(int,int)", self._on_row)
        table.connect("currentCellChanged(int,int,int,int)", self._on_row)

    def fill(self, header, rows, segmentation=None) -> None:
        """rows: (cells, place) of each lesion."""
        if (header, rows) == self._filled:
            return
        self._filled = header, rows
        self._scene = segmentation.GetScene() if segmentation is not None else None
        self._places = [place for _cells, place in rows]
        self._is_filling = True
        try:
            self._fill_cells(header, [cells for cells, _place in rows])
        finally:
            self._is_filling = False

    def _fill_cells(self, header, rows) -> None:
        table = self._table
        table.clearContents()
        table.setColumnCount(len(header))
        table.setHorizontalHeaderLabels(list(header))
        table.setRowCount(len(rows))
        for row, cells in enumerate(rows):
            for column, value in enumerate(cells):
                table.setItem(row, column, qt.QTableWidgetItem(str(value)))
        table.resizeColumnsToContents()
        table.setCurrentCell(-1, -1)
        table.setVisible(bool(rows))
        fit_height(table, min(len(rows), ROWS_SHOWN))

    @slot
    def _on_row(self, row=-1, *_others) -> None:
        if not self._is_filling and self._scene is not None and 0 <= row < len(self._places):
            self._show_place(self._places[row])

    def _jump(self, ras) -> None:
        from LesionKitLib.mrml.views import jump_to

        jump_to(self._scene, ras)
