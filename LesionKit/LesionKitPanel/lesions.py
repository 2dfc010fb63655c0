"""The lesions one by one, as a table: a row leads to its lesion in the slice views, a column's title sorts by it."""

from __future__ import annotations

import qt

from .slots import slot
from .texts import fit_height, row_height

ROWS_SHOWN = 8


class LesionTable:
    """table: a QTableWidget. show_place(place): shows a row's lesion; by default the views jump there (RAS, mm)."""

    def __init__(self, table, show_place=None):
        self._table = table
        self._show_place = show_place or self._jump
        self._scene = None
        self._places: list = []  # of each row
        self._filled: tuple = ()
        self._sorting: tuple | None = None  # title of a column, and whether the largest comes first
        self._is_filling = False
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(row_height(table))
        table.horizontalHeader().setStretchLastSection(True)
        table.horizontalHeader().setSectionsClickable(True)
        table.horizontalHeader().connect("sectionClicked(int)", self._on_title)
        table.connect("cellClicked(int,int)", self._on_row)
        table.connect("currentCellChanged(int,int,int,int)", self._on_row)

    def fill(self, header, rows, segmentation=None) -> None:
        """rows: (cells, place) of each lesion. They stay sorted by the column that the user has chosen."""
        self._scene = segmentation.GetScene() if segmentation is not None else None
        if (header, rows) != self._filled:
            self._filled = header, rows
            self._show()

    def _show(self) -> None:
        header, rows = self._filled
        if self._sorting is not None and self._sorting[0] in header:
            column = list(header).index(self._sorting[0])
            rows = sorted(rows, key=lambda row: _sort_key(row[0][column]), reverse=self._sorting[1])
            order = qt.Qt.DescendingOrder if self._sorting[1] else qt.Qt.AscendingOrder
            self._table.horizontalHeader().setSortIndicatorShown(True)
            self._table.horizontalHeader().setSortIndicator(column, order)
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
    def _on_title(self, column: int) -> None:
        """Sort by this column, the largest first; a second click turns the order round."""
        title = self._filled[0][column]
        self._sorting = title, self._sorting != (title, True)
        self._show()

    @slot
    def _on_row(self, row=-1, *_others) -> None:
        if not self._is_filling and self._scene is not None and 0 <= row < len(self._places):
            self._show_place(self._places[row])

    def _jump(self, ras) -> None:
        from LesionKitLib.mrml.views import jump_to

        jump_to(self._scene, ras)


def _sort_key(cell) -> tuple:
    """Numbers by their value, before texts."""
    try:
        return 0, float(cell), ""
    except ValueError:
        return 1, 0.0, str(cell)
