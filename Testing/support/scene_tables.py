"""What nodes of a scene hold, as the tests compare it."""

from __future__ import annotations

import slicer


def read_table(node: slicer.vtkMRMLTableNode) -> list[dict]:
    """One dictionary per row: column name -> text or number."""
    table = node.GetTable()
    columns = [table.GetColumn(index) for index in range(table.GetNumberOfColumns())]
    return [{column.GetName(): column.GetValue(row) for column in columns} for row in range(table.GetNumberOfRows())]


def is_reviewed(segmentation, segment_id: str) -> bool:
    """Whether the segment is marked as reviewed, and was not edited since."""
    from LesionKitLib.mrml.editing import editing_summary

    told = {entry["id"]: entry for entry in editing_summary(segmentation)["segments"]}
    return bool(told[segment_id]["reviewed"])
