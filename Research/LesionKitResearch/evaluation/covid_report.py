"""What ``evaluate --output DIR`` leaves: the document as JSON, the pictures, and a page that shows both."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from html import escape
from pathlib import Path

from CovidLungQuantLib.results.report import STYLE, WARNING
from LesionKitLib.io.atomic import atomic_folder

DOCUMENT, PAGE, PICTURE = "evaluation.json", "evaluation.html", "agreement.png"


def write_evaluation(document: dict, draw: Callable[[Path], None], folder: Path) -> None:
    """Write the three files, all or none. draw(path): the picture as PNG. Raises UnusableInput when it cannot."""
    with atomic_folder(folder) as part:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        (part / DOCUMENT).write_text(text + "\n", encoding="utf-8")
        draw(part / PICTURE)
        (part / PAGE).write_text(_page(document, (part / PICTURE).read_bytes()), encoding="utf-8")


def _page(document: dict, picture: bytes) -> str:
    title = f"LesionKit: {document['task']}, network {document['network']}, split {document['split']}"
    tables = [_table("All", document["metrics"])]
    tables += [_table(source, metrics) for source, metrics in document["per_source"].items()]
    image = base64.b64encode(picture).decode("ascii")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><main><h1>{escape(title)}</h1>\n"
        f'<div class="warning">{WARNING}</div><p>{document["n"]} images; 95 % intervals by drawing patients.</p>\n'
        f'<img class="montage" alt="Agreement" src="data:image/png;base64,{image}">\n'
        + "\n".join(tables)
        + "\n</main></body></html>\n"
    )


def _table(title: str, metrics: dict) -> str:
    lines = []
    for name, figures in metrics.items():
        if not isinstance(figures, dict):
            continue
        for metric, value in figures.items():
            if isinstance(value, dict):
                lines.append(f"<tr><td>{escape(name)}</td><td>{escape(metric)}</td><td>{_figure(value)}</td></tr>")
    head = "<tr><th>Class</th><th>Metric</th><th>Mean (interval)</th></tr>"
    return f"<h2>{escape(title)}</h2><table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"


def _figure(value: dict) -> str:
    if value["mean"] is None:
        return "–"
    if value["low"] is None:
        return f"{value['mean']:.3f}"
    return f"{value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
