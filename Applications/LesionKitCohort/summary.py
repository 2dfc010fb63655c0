"""The page of a batch: how many, how fast, how the results are distributed, which stand out, what failed and why."""

from __future__ import annotations

import io
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from LesionKitLib.report.chart import Bar, stacked_bars
from LesionKitLib.report.document import Chart, Facts, Picture, Pictures, Report, Row, Section, Table, Text, Tile, Tiles

OK, FAILED = "ok", "failed"  # the status of a row
BINS = 10
OUTLIERS = 6
FAR = 3.5  # robust standard deviations from the median (Iglewicz and Hoaglin 1993)
THUMBNAIL = 420  # pixels
COLOR = (52, 120, 246)
TITLES = {  # column of the table -> its name on the page
    "burden_percent": "burden (% of the lungs)",
    "lesion_ml": "stroke lesion (ml)",
    "probability": "probability of the class",
}


def summary_of(records: Sequence[dict], per_hour: float | None, main: str, studies: Path) -> Report:
    """The report.

    records: row, seconds and attempts of each study; per_hour: studies in this run. main: the column whose distribution
    is shown; studies: the folder of the studies' own results.
    """
    rows = [record["row"] for record in records]
    failed = [row for row in rows if row["status"] == FAILED]
    values = {row["study"]: row[main] for row in rows if isinstance(row.get(main), int | float)}
    title = TITLES.get(main, main)
    speed = "-" if per_hour is None else f"{per_hour:.0f}"
    tiles = Tiles((
        Tile(str(len(rows)), "studies"),
        Tile(str(len(rows) - len(failed)), "analyzed"),
        Tile(str(len(failed)), "failed"),
        Tile(speed, "studies per hour, this run"),
    ))  # fmt: skip
    details = [Section("Seconds per study", (_stage_table(records),))]
    if values:
        details.insert(0, Section(f"Distribution of {title}", (Chart(histogram(list(values.values()), title), title),)))
    far = outliers(values)
    if far:
        details.append(
            Section(f"Studies whose {title} stands out", (_outlier_table(far, values, title), *_pictures(far, studies)))
        )
    if failed:
        details.append(Section("Failed studies", (_failure_table(failed),), together=False))
    facts = Facts((("Studies in the table", "studies.csv"), ("Their results", "studies")))
    causes = Counter(row["cause"] for row in failed)
    text = "; ".join(f"{cause}: {count}" for cause, count in sorted(causes.items())) or "none"
    return Report(
        "Batch",
        "batch",
        facts,
        (Section("Result", (tiles, Text(f"Failures by cause: {text}."))),),
        tuple(details),
    )


def histogram(values: Sequence[float], title: str):
    """A drawing of how many studies lie in each of BINS equal ranges of the value."""
    low, high = min(values), max(values)
    width = (high - low) / BINS or 1.0
    counts = Counter(min(int((value - low) / width), BINS - 1) for value in values)
    last = max(counts) + 1
    bars = [
        Bar(f"{low + n * width:.3g} to {low + (n + 1) * width:.3g}", (float(counts[n]),), str(counts[n]))
        for n in range(last)
    ]
    return stacked_bars(bars, [("studies", COLOR)], f"Bar chart of the number of studies by {title}", "studies")


def outliers(values: dict[str, float]) -> list[str]:
    """Ids of the studies farthest from the median, farthest first, by the median absolute deviation."""
    if len(values) < 3:
        return []
    middle = statistics.median(values.values())
    spread = 1.4826 * statistics.median(abs(value - middle) for value in values.values())
    far = [name for name, value in values.items() if spread and abs(value - middle) / spread > FAR]
    return sorted(far, key=lambda name: -abs(values[name] - middle))[:OUTLIERS]


def _outlier_table(far: Sequence[str], values: dict[str, float], title: str) -> Table:
    return Table(("Study", title), tuple(Row((name, f"{values[name]:.4g}")) for name in far))


def _pictures(far: Sequence[str], studies: Path) -> tuple[Pictures, ...]:
    from .studies import Study

    found = []
    for name in far:
        file = studies / Study(name, "").file_name / "overlay.png"
        if file.is_file():
            found.append(_thumbnail(file, name))
    return (Pictures(tuple(found), 2),) if found else ()


def _thumbnail(file: Path, name: str) -> Picture:
    from PIL import Image

    with Image.open(file) as image:
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        stream = io.BytesIO()
        image.save(stream, "PNG")
        return Picture(stream.getvalue(), image.size, name)


def _failure_table(failed: Sequence[dict]) -> Table:
    rows = tuple(Row((row["study"], row["cause"], row["reason"])) for row in failed)
    return Table(("Study", "Cause", "Reason"), rows, left=(0, 1, 2))


def _stage_table(records: Sequence[dict]) -> Table:
    rows = []
    for stage in ("read", "analyze", "write"):
        seconds = sorted(r["seconds"][stage] for r in records if stage in r["seconds"])
        if seconds:
            rows.append(Row((stage, f"{statistics.median(seconds):.2f}", f"{seconds[-1]:.2f}")))
    return Table(("Stage", "Median", "Longest"), tuple(rows))
