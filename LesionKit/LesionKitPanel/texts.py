"""Texts and tables that take the room that they need."""

from __future__ import annotations

import qt

NARROW_PX = 300  # of a section's contents in Slicer's default layout, whose panel is 380 wide
SPARE_PX = 40  # a scroll bar may still come
SCROLL_BAR_PX = 18


def show_text(label, text: str) -> None:
    """Set a word-wrapped label's text, and the height that it needs at its width.

    The scroll area around a panel asks layouts for their least height, and they leave lines out that only wrapping
    makes: what comes next would be drawn over them.
    """
    label.text = text
    width = max(label.width - SPARE_PX, NARROW_PX) if label.visible else NARROW_PX
    label.minimumHeight = max(label.heightForWidth(width), 0) if text else 0


def prepare_table(view) -> None:
    """Rows of one height, without numbers, the last column as wide as there is room."""
    view.verticalHeader().setVisible(False)
    view.verticalHeader().setDefaultSectionSize(row_height(view))
    view.horizontalHeader().setStretchLastSection(True)
    view.setVisible(False)


def show_table(view, node, rows_shown: int | None = None) -> None:
    """Show a table node, or nothing for None; rows_shown: height in rows, by default all that there are."""
    view.setMRMLTableNode(node)
    view.setVisible(node is not None)
    if node is not None:
        view.resizeColumnsToContents()
        fit_height(view, node.GetNumberOfRows() if rows_shown is None else min(rows_shown, node.GetNumberOfRows()))


def row_height(view) -> int:
    """Of a table's row in pixels, whatever the size of the font."""
    return qt.QFontMetrics(view.font).height() + 4


def fit_height(view, rows: int) -> None:
    """As high as so many rows, the header, and a scroll bar below them."""
    height = (rows + 1) * row_height(view) + 6 + SCROLL_BAR_PX
    view.minimumHeight = view.maximumHeight = height
