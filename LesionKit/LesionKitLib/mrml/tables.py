"""A table of measurements as a table node with typed columns, titles and units."""

from __future__ import annotations

import re
from collections.abc import Sequence

import vtk

from .nodes import filled


def write_table(scene, header: Sequence[str], rows: Sequence[Sequence], name: str, node=None):
    """A locked vtkMRMLTableNode holding ``rows``; ``node`` is refilled when given, else a new one called ``name``.

    header: column names, each with its unit in parentheses at the end where it has one: "Lung volume (ml)". A column
    with any text becomes a string column (None is ""), one of whole numbers an int column, any other a double column
    (None is NaN).
    """
    table = vtk.vtkTable()
    for index, column in enumerate(header):
        table.AddColumn(_column(column, [row[index] for row in rows]))
    with filled(scene, "vtkMRMLTableNode", name, node) as node:
        node.RemoveAllColumns()
        node.SetAndObserveTable(table)
        for column in header:
            title, unit = split_unit(column)
            node.SetColumnTitle(column, title)  # table views show the title, and add the unit themselves
            node.SetColumnDescription(column, title)
            node.SetColumnUnitLabel(column, unit)
        node.SetUseColumnTitleAsColumnHeader(True)
        node.SetLocked(True)  # results are computed, not typed in; it can still be refilled from here
    return node


def split_unit(column: str) -> tuple[str, str]:
    """("Lung volume", "ml") of "Lung volume (ml)"; the unit is "" where there is none."""
    match = re.fullmatch(r"(.+?) \(([^()]+)\)", column)
    return match.groups() if match else (column, "")


def _column(name: str, values: list) -> vtk.vtkAbstractArray:
    if any(isinstance(value, str) for value in values):
        column, convert = vtk.vtkStringArray(), lambda value: "" if value is None else str(value)
    elif values and all(isinstance(value, int) for value in values):
        column, convert = vtk.vtkIntArray(), int
    else:
        column, convert = vtk.vtkDoubleArray(), lambda value: float("nan") if value is None else float(value)
    column.SetName(name)
    for value in values:
        column.InsertNextValue(convert(value))
    return column
