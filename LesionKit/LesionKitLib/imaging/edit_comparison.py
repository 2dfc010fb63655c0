"""What a person's editing has changed: a row per class, the model's voxels against those of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def comparison_row(
    key: str, name: str, now: int, voxel_ml: float, before: int | None = None, both: int = 0
) -> dict[str, object]:
    """now, before: voxels of the class now and as the model left it; both: those that are in both.

    Keys: key, name, ai_ml, corrected_ml, delta_ml, dice. dice is None where neither has a voxel; without an original
    (``before`` is None) ai_ml, delta_ml and dice are None.
    """
    known = before is not None
    return {
        "key": key,
        "name": name,
        "ai_ml": float(before * voxel_ml) if known else None,
        "corrected_ml": float(now * voxel_ml),
        "delta_ml": float((now - before) * voxel_ml) if known else None,
        "dice": float(2 * both / (before + now)) if known and before + now else None,
    }


def comparison_table(
    rows: Sequence[Mapping], columns: Mapping[str, tuple[str, str]], names: Mapping[str, str] | None = None
) -> tuple[list[str], list[list[str]]]:
    """Header and cells as text (table views would show numbers with all their digits); a dash where there is nothing.

    columns: key of the rows -> title and format, in their order. names: key -> a name in place of the row's.
    """
    names = names or {}
    cells = [
        [names.get(row["key"], row["name"]), *(_text(row[key], digits) for key, (_, digits) in columns.items())]
        for row in rows
    ]
    return ["Class", *(title for title, _ in columns.values())], cells


def _text(value: float | None, digits: str) -> str:
    if value is None:
        return "–"
    text = format(value, digits)
    return text[1:] if not float(text) and text[0] in "+-" else text
