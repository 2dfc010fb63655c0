"""What people look at beside the full table of measurements: AI against corrected, and the bars of the chart."""

from __future__ import annotations

from CovidLungQuantLib.labels import CONSOLIDATION, GGO
from LesionKitLib.imaging import edit_comparison

COMPARISON = {  # key of live_counts' rows -> title, how it is written; first what a narrow panel shows
    "corrected_ml": ("Now (ml)", ".1f"),
    "corrected_percent": ("Now (%)", ".1f"),
    "delta_ml": ("± (ml)", "+.1f"),
    "dice": ("Dice", ".3f"),
    "ai_ml": ("AI (ml)", ".1f"),
    "ai_percent": ("AI (%)", ".1f"),
}
NAMES = {"lesion": "All lesions"}  # where the table needs a shorter one
BARS = {  # key of a region -> title, color
    "ggo_percent": ("GGO", GGO.color),
    "high_opacity_percent": ("High opacity", CONSOLIDATION.color),
}

SHORT = {"upper": "up", "middle": "mid", "lower": "low"}


def comparison_table(rows: list[dict]) -> tuple[list[str], list[list[str]]]:
    """Header and cells as text. rows: LiveCounts.comparison."""
    return edit_comparison.comparison_table(rows, COMPARISON, NAMES)


def third_bars(measurements: dict) -> tuple[list[str], dict[str, list[float | None]]]:
    """Labels of the six thirds (R up ... L low: a panel's chart has 40 pixels for each), and per title of BARS one
    value for each: % of that third."""
    zones = [row for row in measurements["regions"] if row["side"] != "both" and row["third"] != "all"]
    labels = [f"{row['side'][0].upper()} {SHORT[row['third']]}" for row in zones]
    return labels, {title: [row[key] for row in zones] for key, (title, _) in BARS.items()}
