"""The table of a finished experiment as people read it: names, colors and rounded figures."""

from __future__ import annotations

JSON = "experiment.json"
REAL = "real"  # the arm without synthetic cases
COLORS = {"real": "#444444", "pix2pix": "#1f77b4", "spade": "#2ca02c", "cyclegan": "#9467bd", "randomized": "#d62728"}


def arm_title(arm: str) -> str:
    """What an arm is called in tables and charts."""
    return "real alone" if arm == REAL else f"+ {arm}"


def table_for_people(rows: list[dict]) -> tuple[list[str], list[list]]:
    """Header and cells of the summary's rows, rounded; "-" where there is nothing to tell.

    Raises KeyError for other rows.
    """
    header = ["Real cases", "Training", "Dice", "Low", "High", "Gain", "p", "Pooled Dice", "Seeds", "Patients"]
    cells = []
    for row in rows:
        figures = [format_number(row[name]) for name in ("dice", "low", "high")]
        figures += [format_number(row["gain"], "+"), format_p(row["p"]), format_number(row["dice_pooled"])]
        cells.append([str(row["size"]), arm_title(row["arm"]), *figures, row["seeds"], row["patients"]])
    return header, cells


def format_number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"


def format_p(value: float | None) -> str:
    return "< 0.001" if value is not None and value < 0.001 else format_number(value)
