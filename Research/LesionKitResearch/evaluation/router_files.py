"""The files of an evaluation."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

from BodyPartRouterLib.labels import CLASSES
from LesionKitLib.io.atomic import atomic_folder

from .router_figures import draw_confusion

if TYPE_CHECKING:
    from .router import Scored


def write_evaluation(document: dict, scored: list[Scored], folder: Path) -> None:
    """predictions.csv (one row an image), metrics.json and confusion.png in ``folder``, all or nothing."""
    with atomic_folder(folder) as part:
        (part / "metrics.json").write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
        draw_confusion(document, part / "confusion.png")
        with (part / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "source", "truth", "answer", "likeliest", "probability", *CLASSES, "held", "reason"])
            for s in scored:
                p = s.prediction
                shares = [f"{p.probabilities[name]:.4f}" for name in CLASSES]
                row = [s.id, s.source, s.truth, p.label, p.likeliest, f"{p.probability:.4f}", *shares]
                writer.writerow([*row, int(p.held), p.reason or ""])
