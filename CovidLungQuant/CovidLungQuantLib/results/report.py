"""The report of a result: one HTML file with everything inside (no script, nothing loaded), and the overlay picture.

Neither holds a name, an ID or a file name of the patient.
"""

from __future__ import annotations

import base64
import os
from html import escape

from CovidLungQuantLib.classification.decision import DISCLAIMER
from CovidLungQuantLib.labels import CONSOLIDATION, EFFUSION, GGO
from CovidLungQuantLib.measurement.findings import HEADER as FINDING_HEADER
from CovidLungQuantLib.measurement.findings import finding_rows
from CovidLungQuantLib.measurement.measurements import SIDES, THIRDS, region
from CovidLungQuantLib.measurement.severity import score_text
from LesionKitLib.io.atomic import atomic_file

from . import figures

WARNING = "Research and education only. Not a medical device."
TITLE = "CT pneumonia quantification"

CLASS_ROWS = (
    ("ggo", GGO.name, GGO.color),
    ("consolidation", CONSOLIDATION.name, CONSOLIDATION.color),
    ("effusion", EFFUSION.name, EFFUSION.color),
    ("high_opacity", "High opacity (consolidation + effusion)", None),
)
CARD_ROWS = (  # title, keys that a model card may use for it
    ("Intended use", ("intended_use",)),
    ("Training data", ("training_data", "training")),
    ("Accuracy", ("metrics",)),
    ("Limits", ("limits", "limitations")),
    ("License", ("license", "license")),
)
DEFINITIONS = (
    "Burden: ground-glass opacity, consolidation and pleural effusion, as % of the lung volume of the same region.",
    "Lung volume: the lungs with their vessels and with what fills them, consolidation and effusion included.",
    "Thirds: each lung's own height, from its base to its apex, divided by three.",
    "Mass: sum of (HU + 1000) / 1000 g/ml times the voxel volume, never below 0.",
    "Lesions: pieces connected over faces, edges or corners, of at least 0.1 ml; one on both sides counts for the side "
    "of its larger part.",
    "Severity score: 0 to 4 for each of six zones by the part of the zone with ground-glass opacity or consolidation "
    "(0 below 1 %, 1 below 25 %, 2 below 50 %, 3 below 75 %, 4 from 75 %), after Ooi et al., Radiology "
    "2004;230:836-844; with lung thirds as zones.",
    "Zone of a lesion: peripheral when most of it, in its fullest axial slice, lies in the outer third of the lung "
    "below the chest wall; otherwise central. Extent: its longest diameter in an axial slice.",
    "All definitions, formulas and sources: docs/measurements.md of LesionKit.",
)

STYLE = """
:root { color-scheme: light }
* { box-sizing: border-box }
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
.headline .first { background: #16324f; color: #fff; border-color: #16324f; flex-grow: 1.5 }
.headline b { display: block; font-size: 25px; line-height: 1.25; font-variant-numeric: tabular-nums }
.headline .first b { font-size: 32px; line-height: 1 } .headline span { font-size: 13px }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: 4px 9px; text-align: right; border-bottom: 1px solid #e3e7eb; vertical-align: top }
th { font-weight: 600; font-size: 13px; color: #44505c } thead th { border-bottom: 1.5px solid #9aa5b0 }
th:first-child, td:first-child { text-align: left; white-space: nowrap }
tr.whole td { font-weight: 600; background: #f4f6f8 }
td.left, th.left { text-align: left }
.swatch { display: inline-block; width: 11px; height: 11px; border: 1px solid #555; margin-right: 7px }
img { display: block; max-width: 100%; height: auto } img.montage { width: 100%; background: #000 }
img.chart { width: 720px; margin: 4px auto }
.zones { width: auto } .zones td, .zones th { text-align: center; min-width: 96px } .zones td { border: 1px solid #fff }
.zones td b { font-size: 18px } .zones th:first-child { text-align: left }
table.facts td { text-align: left; white-space: normal } table.facts td:first-child { width: 150px; color: #44505c }
ul { margin: 6px 0; padding-left: 20px } footer { margin-top: 26px }
@media (max-width: 760px) { main { padding: 16px 12px } .wide { overflow-x: auto } }
@media print { body { background: #fff; font-size: 12px } main { max-width: none; padding: 0 }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  h2 { break-after: avoid } table, img, .headline, .keep { break-inside: avoid } @page { margin: 14mm } }
"""
MOST_FINDINGS = 20
SCORE_COLORS = ("#f1f4f6", "#fdeec2", "#fbd488", "#f4a76b", "#e57a5f")


def write_report(result, path: str | os.PathLike, cards: dict | list[dict] | None = None) -> None:
    """Write the report of a CovidResult to ``path`` (HTML). cards: the model's card, or those of an
    ensemble, if there are any.

    Appears complete or not at all; raises UnusableInput when ``path`` cannot be written.
    """
    text = report_html(result, cards)
    with atomic_file(path) as part:
        part.write_text(text, encoding="utf-8")


def save_overlay_png(result, path: str | os.PathLike) -> None:
    """Write the montage alone. Raises UnusableInput when ``path`` cannot be written."""
    data = figures.png_bytes(figures.montage(result.volume, result.lungs, result.lesions))
    with atomic_file(path) as part:
        part.write_bytes(data)


def report_html(result, cards: dict | list[dict] | None = None) -> str:
    """The report as text."""
    cards = [cards] if isinstance(cards, dict) else cards or []
    montage = figures.png_bytes(figures.montage(result.volume, result.lungs, result.lesions))
    sections = [
        f"<header><h1>{TITLE}</h1>{_paragraph(_made_by(result), 'quiet')}</header>",
        f'<div class="warning">{escape(WARNING)}</div>',
        _headline(result),
        _decision(result.decision),
        _notes(result.notes),
        f"<h2>Findings</h2>{_class_table(result.measurements)}",
        '<section class="keep"><h2>Burden per side and third</h2>'
        + _image(figures.burden_chart(result.measurements), "chart", "Bar chart of the burden per lung third")
        + "</section>",
        f'<div class="wide">{_region_table(result.measurements)}</div>',
        _findings(getattr(result, "findings", ())),
        f'<section class="keep"><h2>Severity score</h2>{_zone_table(result.measurements["severity"])}</section>',
        "<h2>Images</h2>"
        + _paragraph(
            "Axial slices from head to feet, then coronal slices from front to back; the patient's right is at the "
            "left. Each is the slice with most lesion in its part of the lungs.",
            "quiet",
        )
        + _image(montage, "montage", "CT slices with outlined lungs and lesions"),
        *(_card(card) for card in cards),
        _run(result),
        f"<h2>Definitions</h2>{_list(DEFINITIONS)}",
        f'<footer class="quiet">{escape(WARNING)} Made by LesionKit CovidLungQuant.</footer>',
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{TITLE}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(sections)
        + "\n</main></body></html>\n"
    )


def number(value: float | int | None, unit: str = "", digits: int = 1) -> str:
    """A number as shown, from 100 on without decimals, as HTML; a dash for none. Rounding happens here alone."""
    if value is None:
        return "–"
    if isinstance(value, int):
        text = str(value)
    elif digits and 0 < value < 0.05:
        text = "&lt;&nbsp;0.1"
    else:
        text = f"{value:,.{digits if abs(value) < 100 else 0}f}".replace(",", "&#8239;")
    text = text.replace("-", "−")
    return f"{text}&nbsp;{unit}" if unit else text


def _made_by(result) -> str:
    return f"LesionKit CovidLungQuant, network {result.network} {result.version}"


def _headline(result) -> str:
    total, severity = result.measurements["total"], result.measurements["severity"]
    boxes = [
        (number(total["burden_percent"], "%"), "of the lungs is affected (pneumonia burden)"),
        (number(total["ggo_percent"], "%"), "of lung: ground-glass opacity"),
        (number(total["high_opacity_percent"], "%"), "of lung: high opacity"),
        (_score(severity), "severity score"),
        (number(total["lung_ml"], "ml"), "lung volume"),
    ]
    if result.decision:
        probability = result.decision.get("covid_probability")
        percent = None if probability is None else 100.0 * probability
        boxes.append((number(percent, "%"), "probability of COVID-19 pneumonia, says the network; not a diagnosis"))
    divs = "".join(
        f"<div{' class=first' if n == 0 else ''}><b>{value}</b><span>{escape(text)}</span></div>"
        for n, (value, text) in enumerate(boxes)
    )
    return f'<div class="headline">{divs}</div>'


def _score(severity: dict) -> str:
    return "–" if severity["score"] is None else f"{severity['score']}&nbsp;/&nbsp;{severity['maximum']}"


def _decision(decision: dict | None) -> str:
    if not decision or decision.get("covid_probability") is None:
        return ""
    word = "positive" if decision["positive"] else "negative"
    text = f"COVID-19 pneumonia: {word}, {DISCLAIMER}. {decision.get('rule', '')}"
    return _paragraph(text, "quiet")


def _findings(findings) -> str:
    """One row for each lesion, the largest first."""
    if not findings:
        return ""
    lines = [_cells([escape(str(value)) for value in row]) for row in finding_rows(list(findings)[:MOST_FINDINGS])]
    text = f'<h2>Lesions one by one</h2><div class="wide">{_table(FINDING_HEADER, lines)}</div>'
    if len(findings) > MOST_FINDINGS:
        text += _paragraph(f"{len(findings) - MOST_FINDINGS} smaller lesions are in measurements.json.", "quiet")
    return text


def _class_table(measurements: dict) -> str:
    row = region(measurements)
    head = ("", "Volume (ml)", "% of lung", "Mean (HU)", "Mass (g)", "Lesions ≥ 0.1 ml", "Right / left (ml)")
    lines = []
    for key, name, color in CLASS_ROWS:
        sides = " / ".join(number(region(measurements, side)[f"{key}_ml"]) for side in ("right", "left"))
        lines.append(_cells((_named(name, color), *_class_cells(row, key), number(row[f"{key}_lesions"]), sides)))
    sides = " / ".join(number(region(measurements, side)["lung_ml"]) for side in ("right", "left"))
    lung = (number(row["lung_ml"]), "", number(row["lung_mean_hu"], digits=0), number(row["lung_mass_g"]))
    lines.append(_cells(("Both lungs", *lung, number(row["any_lesions"]), sides), "whole"))
    text = _table(head, lines)
    outside = measurements["total"].get("outside_lung_ml") or 0
    if outside >= 0.05:
        text += _paragraph(f"{outside:.1f} ml of lesion lie outside the lungs and are not counted above.", "quiet")
    return text


def _class_cells(row: dict, key: str) -> tuple[str, ...]:
    return (
        number(row[f"{key}_ml"]),
        number(row[f"{key}_percent"]),
        number(row[f"{key}_mean_hu"], digits=0),
        number(row[f"{key}_mass_g"]),
    )


def _region_table(measurements: dict) -> str:
    head = ("Region", "Lung (ml)", "Mean (HU)", "Mass (g)", "GGO (ml)", "Consolid. (ml)", "Effusion (ml)",
            "GGO (%)", "High op. (%)", "Burden (%)")  # fmt: skip
    lines = []
    for side in SIDES:
        for third in THIRDS:
            row = region(measurements, side, third)
            values = [number(row["lung_ml"]), number(row["lung_mean_hu"], digits=0)]
            values += [number(row[k]) for k in ("lung_mass_g", "ggo_ml", "consolidation_ml", "effusion_ml")]
            values += [number(row[k]) for k in ("ggo_percent", "high_opacity_percent", "burden_percent")]
            lines.append(_cells((_region_name(side, third), *values), "whole" if third == "all" else ""))
    return _table(head, lines)


def _region_name(side: str, third: str) -> str:
    lung = "Both lungs" if side == "both" else f"{side.capitalize()} lung"
    return lung if third == "all" else f"&emsp;{third} third" + ("s" if side == "both" else "")


def _zone_table(severity: dict) -> str:
    zones = {(zone["side"], zone["third"]): zone for zone in severity["zones"]}
    lines = []
    for third in ("upper", "middle", "lower"):
        cells = "".join(_zone_cell(zones[side, third]) for side in ("right", "left"))
        lines.append(f"<tr><th>{third.capitalize()} third</th>{cells}</tr>")
    head = "<tr><th></th><th>Right</th><th>Left</th></tr>"
    total = f"<p><b>{score_text(severity)}</b>. Points per zone, and the part of the zone involved:</p>"
    return f'{total}<table class="zones"><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table>'


def _zone_cell(zone: dict) -> str:
    color = SCORE_COLORS[zone["score"] or 0]
    share = number(zone["involved_percent"], "%")
    return f'<td style="background:{color}"><b>{number(zone["score"])}</b><br>{share}</td>'


def _notes(notes) -> str:
    return f"<h2>Notes on this image</h2>{_list(notes)}" if notes else ""


def _card(card: dict | None) -> str:
    if not card:
        return ""
    name = " ".join(str(card[key]) for key in ("name", "version") if card.get(key))
    lines = [_cells(("Model", escape(name)))] if name else []
    for title, keys in CARD_ROWS:
        value = next((card[key] for key in keys if card.get(key)), None)
        if value:
            lines.append(_cells((title, _plain(value))))
    return f'<h2>The model</h2><table class="facts"><tbody>{"".join(lines)}</tbody></table>'


def _interval(mean: float | None, low: float | None, high: float | None) -> str:
    """A metric; there may be none (a class that is never found has no correlation), or no interval."""
    if mean is None:
        return "-"
    return f"{mean:.3g}" if low is None or high is None else f"{mean:.3g} ({low:.3g} to {high:.3g})"


def _plain(value) -> str:
    """A value of a model card (text, number, list, dict) as escaped HTML."""
    if isinstance(value, dict):
        if set(value) == {"mean", "low", "high"}:  # a metric with its 95 % interval
            return escape(_interval(**value))
        return _bullets([f"{escape(str(key).replace('_', ' '))}: {_plain(item)}" for key, item in value.items()])
    if isinstance(value, (list, tuple)):
        if all(isinstance(item, (int, float)) for item in value):
            return ", ".join(_plain(item) for item in value)
        return _bullets([_plain(item) for item in value])
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))


def _run(result) -> str:
    columns, rows, slices = (int(n) for n in result.volume.array.shape[::-1])
    spacing = " × ".join(f"{mm:.2f}" for mm in result.volume.spacing)
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in result.seconds.items() if value is not None)
    facts = [
        ("Image", f"{columns} × {rows} × {slices} voxels of {spacing} mm"),
        ("Network", f"{result.network} {result.version}"),
        ("Device", str(result.device)),
        ("Time", seconds),
    ]
    lines = "".join(_cells((title, escape(text))) for title, text in facts)
    return f'<h2>This run</h2><table class="facts"><tbody>{lines}</tbody></table>'


def _named(name: str, color) -> str:
    if color is None:
        return escape(name)
    return f'<span class="swatch" style="background:rgb{tuple(color)}"></span>{escape(name)}'


def _table(head, lines: list[str]) -> str:
    cells = "".join(f"<th>{escape(title)}</th>" for title in head)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _cells(values, kind: str = "") -> str:
    """A table row of values that are HTML already."""
    start = f'<tr class="{kind}">' if kind else "<tr>"
    return start + "".join(f"<td>{value}</td>" for value in values) + "</tr>"


def _list(items) -> str:
    return _bullets([escape(str(item)) for item in items])


def _bullets(items: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def _paragraph(text: str, kind: str) -> str:
    return f'<p class="{kind}">{escape(text)}</p>'


def _image(png: bytes, kind: str, description: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<img class="{kind}" alt="{escape(description)}" src="data:image/png;base64,{data}">'
