"""The learning curve of a training: curve.csv, one row for each check, and a picture of it."""

from __future__ import annotations

import csv
from pathlib import Path

from LesionKitLib.io.atomic import atomic_file

CURVE_FILE = "curve.csv"


def append_curve(folder: Path, row: dict[str, float]) -> None:
    """Add a row to curve.csv, with a heading when it is new."""
    path = folder / CURVE_FILE
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow({k: f"{v:.5g}" for k, v in row.items()})


def cut_curve(folder: Path, step: int) -> None:
    """Drop the rows of steps that a resumed run takes again: it was stopped after the row and before the next state."""
    path = folder / CURVE_FILE
    if path.exists():
        lines = path.read_text().splitlines(keepends=True)
        remaining = [line for line in lines[1:] if float(line.split(",")[0]) <= step]
        with atomic_file(path) as part:
            part.write_text("".join(lines[:1] + remaining))


def draw_curve(folder: Path, path: Path) -> None:
    """A picture (PNG) of curve.csv: the loss, and the checked figures on a second axis."""
    from matplotlib.figure import Figure

    with (folder / CURVE_FILE).open() as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    steps = [row["step"] for row in rows]
    figure = Figure(figsize=(7, 4), layout="constrained")
    left = figure.subplots()
    left.plot(steps, [row["loss"] for row in rows], color="0.3", label="training loss")
    left.set(xlabel="step", ylabel="training loss")
    right = left.twinx()
    for name in [k for k in rows[0] if k.startswith("val ")]:
        right.plot(steps, [row[name] for row in rows], label=name)
    right.set(ylabel="validation", ylim=(0, 1))
    figure.legend(loc="outside lower center", ncols=4)
    with atomic_file(path) as part:
        figure.savefig(part, dpi=110, format="png")
