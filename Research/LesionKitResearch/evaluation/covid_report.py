"""What ``evaluate --output DIR`` leaves: the document as JSON, the pictures, and a page that shows both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from LesionKitLib.report.document import Facts, Picture, Pictures, Report, Row, Section, Table
from LesionKitLib.report.files import json_writer, write_files
from LesionKitLib.report.html import report_html
from LesionKitLib.report.text import interval

DOCUMENT, PAGE, PICTURE = "evaluation.json", "evaluation.html", "agreement.png"


def write_evaluation(document: dict, draw: Callable[[Path], None], folder: Path) -> None:
    """Write the three files, all or none. draw(path): the picture as PNG. Raises UnusableInput when it cannot."""

    def write_page(path: Path) -> None:
        text = report_html(_report(document, path.with_name(PICTURE).read_bytes()))
        path.write_text(text, encoding="utf-8", newline="\n")

    write_files(folder, {DOCUMENT: json_writer(document), PICTURE: draw, PAGE: write_page})


def _report(document: dict, picture: bytes) -> Report:
    facts = (
        ("Task", str(document["task"])),
        ("Network", str(document["network"])),
        ("Split", str(document["split"])),
        ("Images", f"{document['n']}; 95 % intervals by drawing patients"),
    )
    sources = {"All": document["metrics"], **document["per_source"]}
    sections = (
        Section("Agreement", (Pictures((_picture(picture),), 1, 230.0),), together=False),
        *(Section(source, (_table(metrics),), together=False) for source, metrics in sources.items()),
    )
    return Report(f"LesionKit: evaluation of {document['network']}", "evaluate", Facts(facts), sections)


def _picture(png: bytes) -> Picture:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        return Picture(png, image.size, "Network against expert, one column for each class.")


def _table(metrics: dict) -> Table:
    rows = [
        Row((name, metric, interval(**{key: value[key] for key in ("mean", "low", "high")})))
        for name, figures in metrics.items()
        if isinstance(figures, dict)
        for metric, value in figures.items()
        if isinstance(value, dict)
    ]
    return Table(("Class", "Metric", "Mean (95 % interval)"), tuple(rows), left=(0, 1))
