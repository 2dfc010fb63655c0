"""What people look at beside the full table of measurements: AI against corrected."""

from __future__ import annotations

from LesionKitLib.imaging import edit_comparison

COMPARISON = {  # key of the rows -> title, how it is written; first what a narrow panel shows
    "corrected_ml": ("Now (ml)", ".2f"),
    "delta_ml": ("± (ml)", "+.2f"),
    "dice": ("Dice", ".3f"),
    "ai_ml": ("AI (ml)", ".2f"),
}


def comparison_table(rows: list[dict]) -> tuple[list[str], list[list[str]]]:
    """Header and cells as text. rows: LiveCounts.comparison."""
    return edit_comparison.comparison_table(rows, COMPARISON)
