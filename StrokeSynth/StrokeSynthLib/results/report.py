"""The report of a segmented stroke: one HTML file with everything inside (no script, nothing loaded), and the picture.

Neither holds a name, an ID or a file name of the patient.
"""

from __future__ import annotations

import base64
import os
from html import escape

from LesionKitLib.io.atomic import atomic_file
from StrokeSynthLib.labels import TISSUES
from StrokeSynthLib.measurement.measurements import MIN_LESION_ML

from . import figures

WARNING = "Research and education only. Not a medical device."
TITLE = "MR stroke lesion segmentation"
MAX_PIECES = 20  # in the table; measurements.csv has all
DEFINITIONS = (
    "Lesion volume: all voxels that the network finds more likely than not to be an ischemic stroke lesion.",
    f"Pieces: connected over faces, edges or corners, of at least {MIN_LESION_ML:g} ml (20 voxels of 1 mm); smaller "
    "ones are left out.",
    "Side: left or right where at least 90 % of the volume lies there, by alignment with the standard brain.",
    "Position: center of the piece in MNI millimeters (right, anterior, superior are positive).",
    "The network learned from FLAIR slices whose lesions were drawn on diffusion images: an acute lesion may be "
    "invisible on FLAIR, and old lesions may be marked.",
)
STYLE = """
:root { color-scheme: light } * { box-sizing: border-box }
body { font: 15px/1.45 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: #1b2530; background: #eef1f4;
  margin: 0 }
main { max-width: 1060px; margin: 0 auto; background: #fff; padding: 26px 34px 34px }
h1 { font-size: 25px; margin: 0 }
h2 { font-size: 17px; margin: 28px 0 8px; border-bottom: 1px solid #d5dbe1; padding-bottom: 4px }
p { margin: 6px 0 } .quiet { color: #5a6672; font-size: 13px }
.warning { background: #fff4d6; border: 1px solid #e3b341; border-radius: 5px; padding: 7px 12px; margin: 14px 0;
  font-weight: 600 }
.headline { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0 4px }
.headline div { flex: 1 1 130px; border: 1px solid #d5dbe1; border-radius: 6px; padding: 9px 14px }
.headline .first { background: #16324f; color: #fff; border-color: #16324f }
.headline b { display: block; font-size: 25px; line-height: 1.25; font-variant-numeric: tabular-nums }
.headline span { font-size: 13px }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: 4px 9px; text-align: right; border-bottom: 1px solid #e3e7eb; vertical-align: top }
th { font-weight: 600; font-size: 13px; color: #44505c }
th:first-child, td:first-child { text-align: left }
table.facts td { text-align: left } table.facts td:first-child { width: 150px; color: #44505c }
img { display: block; width: 100%; height: auto; background: #000 }
ul { margin: 6px 0; padding-left: 20px } footer { margin-top: 26px }
@media print { body { background: #fff; font-size: 12px } main { max-width: none; padding: 0 }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact } table, img { break-inside: avoid } }
"""


def write_report(result, path: str | os.PathLike, card: dict | None = None) -> None:
    """Write the report of a StrokeResult to ``path`` (HTML). card: the model's card, if there is one.

    Appears complete or not at all; raises UnusableInput when ``path`` cannot be written.
    """
    text = report_html(result, card)
    with atomic_file(path) as part:
        part.write_text(text, encoding="utf-8")


def save_overlay_png(result, path: str | os.PathLike) -> None:
    """Write the montage alone. Raises UnusableInput when ``path`` cannot be written."""
    data = figures.png_bytes(figures.montage(result.volume, result.brain, result.lesion))
    with atomic_file(path) as part:
        part.write_bytes(data)


def report_html(result, card: dict | None = None) -> str:
    """The report as text."""
    picture = figures.png_bytes(figures.montage(result.volume, result.brain, result.lesion))
    data = base64.b64encode(picture).decode("ascii")
    sections = [
        f'<header><h1>{TITLE}</h1><p class="quiet">LesionKit StrokeSynth, network '
        f"{escape(result.network)} {escape(result.version)}</p></header>",
        f'<div class="warning">{escape(WARNING)}</div>',
        _headline(result.measurements),
        f"<h2>Notes on this image</h2>{_bullets(result.notes)}" if result.notes else "",
        f"<h2>Pieces</h2>{_pieces(result.measurements['pieces'])}",
        _tissues(result.measurements),
        '<h2>Images</h2><p class="quiet">Axial slices from head to feet, each the one with most lesion in its part of '
        "the brain; the patient's right is at the left.</p>"
        f'<img alt="MR slices with outlined brain and lesion" src="data:image/png;base64,{data}">',
        _card(card),
        _run(result),
        f"<h2>Definitions</h2>{_bullets(DEFINITIONS)}",
        f'<footer class="quiet">{escape(WARNING)} Made by LesionKit StrokeSynth.</footer>',
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{TITLE}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(sections)
        + "\n</main></body></html>\n"
    )


def ml(value: float) -> str:
    """Milliliters as shown: two decimals below 1, one below 100."""
    digits = 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def _headline(found: dict) -> str:
    percent = found["lesion_percent"]
    boxes = [
        (f"{ml(found['lesion_ml'])}&nbsp;ml", "stroke lesion"),
        (str(found["lesions"]), "pieces"),
        (found["side"], "side"),
        (f"{ml(found['largest_ml'])}&nbsp;ml", "largest piece"),
        ("–" if percent is None else f"{percent:.2f}&nbsp;%", f"of the brain ({ml(found['brain_ml'])} ml)"),
    ]
    divs = [
        f"<div{' class=first' if n == 0 else ''}><b>{value}</b><span>{escape(text)}</span></div>"
        for n, (value, text) in enumerate(boxes)
    ]
    return f'<div class="headline">{"".join(divs)}</div>'


def _pieces(pieces: list[dict]) -> str:
    if not pieces:
        return "<p>No lesion was found.</p>"
    rows = [
        (str(n), ml(piece["ml"]), piece["side"], ", ".join(f"{x:.0f}" for x in piece["center_mni"]))
        for n, piece in enumerate(pieces[:MAX_PIECES], 1)
    ]
    more = len(pieces) - MAX_PIECES
    rest = f'<p class="quiet">{more} smaller pieces are in measurements.csv.</p>' if more > 0 else ""
    return _table(("Piece", "Volume (ml)", "Side", "Center (MNI mm)"), rows) + rest


def _tissues(found: dict) -> str:
    if "tissues_ml" not in found:
        return ""
    rows = [(c.name, ml(found["tissues_ml"][c.key])) for c in TISSUES]
    return f"<h2>Tissue</h2>{_table(('Tissue', 'Volume (ml)'), rows)}"


def _card(card: dict | None) -> str:
    if not card:
        return ""
    data = "; ".join(f"{d['name']} ({d['license']})" for d in card["training_data"])
    facts = [("Model", f"{card['name']} {card['version']}"), ("Intended use", card["intended_use"])]
    facts += [("Training data", data), ("Limits", " ".join(card["limits"])), ("License", card["license"])]
    return f"<h2>The model</h2>{_facts(facts)}"


def _run(result) -> str:
    columns, rows, slices = (int(n) for n in result.volume.array.shape[::-1])
    spacing = " × ".join(f"{mm:.2f}" for mm in result.volume.spacing)
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in result.seconds.items())
    facts = [("Image", f"{columns} × {rows} × {slices} voxels of {spacing} mm")]
    return f"<h2>This run</h2>{_facts([*facts, ('Device', result.device), ('Time', seconds)])}"


def _table(head, rows) -> str:
    top = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _facts(facts) -> str:
    lines = [f"<tr><td>{escape(title)}</td><td>{escape(text)}</td></tr>" for title, text in facts]
    return f'<table class="facts"><tbody>{"".join(lines)}</tbody></table>'


def _bullets(items) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
