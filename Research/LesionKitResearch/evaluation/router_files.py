"""The files of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from BodyPartRouterLib.labels import CLASSES
from LesionKitLib.report.files import json_writer, rows_writer, write_files

from .router_figures import draw_confusion

if TYPE_CHECKING:
    from .router import Scored


def write_evaluation(document: dict, scored: list[Scored], folder: Path) -> None:
    """predictions.csv (one row an image), metrics.json and confusion.png in ``folder``, all or nothing."""
    header = ("id", "source", "truth", "answer", "likeliest", "probability", *CLASSES, "held", "reason")
    rows = []
    for s in scored:
        p = s.prediction
        shares = [f"{p.probabilities[name]:.4f}" for name in CLASSES]
        row = [s.id, s.source, s.truth, p.label, p.likeliest, f"{p.probability:.4f}", *shares]
        rows.append([*row, int(p.held), p.reason or ""])
    write_files(
        folder,
        {
            "metrics.json": json_writer(document),
            "confusion.png": lambda path: draw_confusion(document, path),
            "predictions.csv": rows_writer(header, rows),
        },
    )
