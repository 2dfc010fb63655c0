"""What the report of a chest CT says: one page of result, then the details."""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.classification.decision import decision_texts
from CovidLungQuantLib.labels import LESIONS
from CovidLungQuantLib.measurement.measurements import GROUP_TITLES, SIDES, THIRDS, region
from CovidLungQuantLib.measurement.severity import score_text
from LesionKitLib.report.document import (
    Beside,
    Chart,
    Facts,
    Notes,
    Pictures,
    Report,
    Row,
    Section,
    Table,
    Text,
    Tile,
    Tiles,
)
from LesionKitLib.report.model_card import card_section
from LesionKitLib.report.pictures import AXIAL
from LesionKitLib.report.text import NONE, number

from . import figures

TITLE = "CT pneumonia quantification"
MODULE = "CovidLungQuant"
MOST_FINDINGS = 30
LEAST_ML = 0.05  # less is not told as a remainder
SCORE_COLORS = ((241, 244, 246), (253, 238, 194), (251, 212, 136), (244, 167, 107), (229, 122, 95))
NO_REFERENCE = "no reference"
NONE_EXPECTED = "0"
DEFINITIONS = (
    "Burden: ground-glass opacity, consolidation and pleural effusion, as % of the lung volume of the same region.",
    "Lung volume: the lungs with their vessels and with what fills them, consolidation and effusion included.",
    "Thirds: each lung's own height, from its base to its apex, divided by three.",
    "Mass: sum of (HU + 1000) / 1000 g/ml times the voxel volume, never below 0.",
    "Lesions: components connected over faces, edges or corners, of at least 0.1 ml. Each is counted once, for the "
    "class that most of it is and the lung that most of it lies in, so that classes and lungs add up.",
    "Severity score: 0 to 4 for each of six zones by the part of the zone with ground-glass opacity or consolidation "
    "(0 below 0.5 %, 1 below 25 %, 2 below 50 %, 3 below 75 %, 4 from 75 %), after Ooi et al., Radiology "
    "2004;230:836-844; with lung thirds as zones. It is computed from volumes, not estimated by eye.",
    "Zone of a lesion: peripheral when most of it, in its fullest axial slice, lies in the outer third of the lung "
    "below the chest wall; otherwise central. Extent: its longest diameter in an axial slice.",
    "Slices are numbered from 1 along the image's own grid. Positions are millimeters from the scanner's origin as "
    "3D Slicer shows them: R right, L left, A anterior, P posterior, S superior, I inferior.",
    "Reference 0: a healthy lung holds none of the three classes; the networks may still mark some. For volumes, "
    "density and mass of the lung, which depend on the person and on the depth of the breath, no reference is given.",
    "All definitions, formulas and sources: docs/measurements.md of LesionKit.",
)


def report_of(result, cards: list[dict] | None = None) -> Report:
    """The report of a CovidResult. cards: the cards of the models that were run."""
    slices = figures.lung_slices(result.volume, result.lungs, result.lesions)
    provenance = result.provenance()
    first = (
        Section("", (_tiles(result), *_decision(result.decision), *_notes(result.notes))),
        Section("Findings", (Beside(_class_table(result), _chart(result.measurements), 0.62), *_remainders(result))),
        Section("Key images", (_key_images(slices),)),
    )
    details = (
        *_lesion_list(result, slices),
        Section("Each lung and third", (_region_table(result.measurements),)),
        *_severity(result.measurements),
        Section("Images", (_series(slices),), together=False),
        *(card_section(card) for card in cards or ()),
        Section("Identification and run", (Facts((*provenance.details(), *_run(result))),)),
        Section("Definitions", (Notes(DEFINITIONS),), together=False),
    )
    return Report(TITLE, MODULE, Facts(provenance.facts()), first, details)


def _tiles(result) -> Tiles:
    total, severity = result.measurements["total"], result.measurements.get("severity")
    tiles = [
        Tile(number(total["burden_percent"], "%"), "of the lungs affected (burden)"),
        Tile(number(total["ggo_percent"], "%"), "ground-glass opacity"),
        Tile(number(total["high_opacity_percent"], "%"), "high opacity"),
        Tile(number(total["lung_ml"], "ml"), "lung volume"),
    ]
    if severity:
        tiles.insert(3, Tile(_score(severity), "severity score"))
    if result.decision:
        probability = result.decision["covid_probability"]
        percent = None if probability is None else 100.0 * probability
        tiles.append(Tile(number(percent, "%"), "COVID-19 probability, says the network"))
    return Tiles(tuple(tiles))


def _score(severity: dict) -> str:
    return NONE if severity["score"] is None else f"{severity['score']} / {severity['maximum']}"


def _decision(decision: dict | None) -> list:
    return [Text(" ".join(decision_texts(decision)).strip())] if decision else []


def _notes(notes) -> list:
    return [Notes(tuple(f"Note: {note}" for note in notes))] if notes else []


def _class_table(result) -> Table:
    """Volumes and lesions of each class, right and left: classes add up to all lesions, sides to both."""
    both = region(result.measurements)
    right, left = (region(result.measurements, side) for side in ("right", "left"))
    kinds = [finding.kind for finding in result.findings]
    rows = []
    for lesion in LESIONS:
        key = lesion.key
        cells = (number(both[f"{key}_ml"]), number(both[f"{key}_percent"]), number(right[f"{key}_ml"]),
                 number(left[f"{key}_ml"]), str(kinds.count(key)), NONE_EXPECTED)  # fmt: skip
        rows.append(Row((lesion.name, *cells), lesion.color))
    every = [sum(row[f"{lesion.key}_ml"] for lesion in LESIONS) for row in (both, right, left)]
    rows.append(
        Row(("All lesions", number(every[0]), number(both["burden_percent"]), *map(number, every[1:]), str(len(kinds)),
             NONE_EXPECTED), strong=True)
    )  # fmt: skip
    high = (number(row["high_opacity_ml"]) for row in (right, left))
    rows.append(Row(("of which high opacity", number(both["high_opacity_ml"]), number(both["high_opacity_percent"]),
                     *high, "", NONE_EXPECTED)))  # fmt: skip
    lungs = (number(row["lung_ml"]) for row in (right, left))
    rows.append(Row(("Lungs", number(both["lung_ml"]), "", *lungs, "", NO_REFERENCE), strong=True))
    header = ("Class", "Volume (ml)", "% of lung", "Right (ml)", "Left (ml)", "Lesions", "Reference")
    return Table(header, tuple(rows), (2.9, 1.1, 0.9, 0.9, 0.9, 1.15, 1.35))


def _chart(measurements: dict) -> Chart:
    return Chart(figures.burden_chart(measurements), "Burden of each lung and its thirds.")


def _remainders(result) -> list[Text]:
    """What the counts and volumes above leave out."""
    total = result.measurements["total"]
    every = sum(total[f"{lesion.key}_ml"] for lesion in LESIONS)
    outside = total.get("outside_lung_ml") or 0.0
    smaller = every + outside - sum(finding.ml for finding in result.findings)
    texts = []
    if smaller >= LEAST_ML:
        texts.append(f"Components below 0.1 ml, {number(smaller, 'ml')} together, are in the volumes and not counted.")
    if outside >= LEAST_ML:
        texts.append(f"{number(outside, 'ml')} of lesion lie outside the lungs and are not in the volumes above.")
    return [Text(" ".join(texts))] if texts else []


def _key_images(slices) -> Pictures:
    pictures = figures.key_pictures(slices)
    return Pictures(pictures, max(1, len(pictures) // 2), 46.0,
                    "Upper row: lung window; lower row: the same slices in the soft-tissue window. Each slice is the "
                    "one with most lesion in its third of the lungs' height.")  # fmt: skip


def _series(slices) -> Pictures:
    return Pictures(figures.series_pictures(slices), 4, 60.0,
                    "Axial slices from head to feet, then coronal slices from front to back. Each is the slice with "
                    "most lesion in its part of the lungs.")  # fmt: skip


def _lesion_list(result, slices) -> list[Section]:
    """One row for each lesion, the largest first."""
    if not result.findings:
        return [Section("Lesions", (Text("No lesion of at least 0.1 ml was found."),))]
    names = {lesion.key: lesion for lesion in LESIONS}
    rows = []
    for n, finding in enumerate(result.findings[:MOST_FINDINGS], 1):
        place = (finding.side, finding.third or NONE, finding.zone or NONE)
        cells = (names[finding.kind].name, number(finding.ml), *place, number(finding.extent_mm, digits=0),
                 str(finding.slices), slice_of(slices, finding.ras), position(finding.ras))  # fmt: skip
        rows.append(Row((str(n), *cells)))
    header = ("No.", "Class", "Volume (ml)", "Lung", "Third", "Zone", "Extent (mm)", "Slices", "In slice",
              "Position (mm)")  # fmt: skip
    more = len(result.findings) - MOST_FINDINGS
    caption = f"{more} smaller lesions are in lesions.csv and measurements.json." if more > 0 else ""
    table = Table(header, tuple(rows), (0.6, 2.4, 1.1, 0.9, 1.0, 1.3, 1.0, 0.8, 1.0, 2.3), (0, 1, 3, 4, 5, 9), caption)
    return [Section("Lesions, the largest first", (table,), together=False)]


def slice_of(slices, ras) -> str:
    """Number of the axial slice that a point lies in."""
    k = (np.linalg.inv(slices.image.ijk_to_ras) @ [*ras, 1.0])[2]
    return str(slices.number(AXIAL, int(round(k)))[0])


def position(ras) -> str:
    """Such as "R 42, P 17, S 120"."""
    return ", ".join(f"{pair[0] if mm >= 0 else pair[1]} {abs(mm):.0f}" for mm, pair in zip(ras, ("RL", "AP", "SI"),
                                                                                          strict=True))  # fmt: skip


def _region_table(measurements: dict) -> Table:
    header = ("Region", "Lung (ml)", "Mean (HU)", "Mass (g)", "GGO (ml)", "Consolid. (ml)", "Effusion (ml)",
              "GGO (%)", "High opacity (%)", "Burden (%)")  # fmt: skip
    rows = []
    for side in SIDES:
        for third in THIRDS:
            row = region(measurements, side, third)
            values = [number(row["lung_ml"]), number(row["lung_mean_hu"], digits=0)]
            values += [number(row[k]) for k in ("lung_mass_g", "ggo_ml", "consolidation_ml", "effusion_ml")]
            values += [number(row[k]) for k in ("ggo_percent", "high_opacity_percent", "burden_percent")]
            rows.append(Row((_region_name(side, third), *values), strong=third == "all"))
    return Table(header, tuple(rows), (2.0, *[1.0] * 9), caption=_class_densities(measurements))


def _class_densities(measurements: dict) -> str:
    """Mean HU and mass of each class in one sentence."""
    row = region(measurements)
    parts = [
        f"{title} {number(row[f'{key}_mean_hu'], 'HU', 0)}, {number(row[f'{key}_mass_g'], 'g')}"
        for key, title in GROUP_TITLES.items()
        if row[f"{key}_mean_hu"] is not None
    ]
    return f"Mean density and mass of the classes: {'; '.join(parts)}." if parts else ""


def _region_name(side: str, third: str) -> str:
    lung = "Both lungs" if side == "both" else f"{side.capitalize()} lung"
    return lung if third == "all" else f"\u2003{third} third" + ("s" if side == "both" else "")


def _severity(measurements: dict) -> list[Section]:
    severity = measurements.get("severity")
    if not severity:
        return []
    zones = {(zone["side"], zone["third"]): zone for zone in severity["zones"]}
    rows = []
    for third in dict.fromkeys(zone["third"] for zone in severity["zones"]):
        pair = [zones.get((side, third)) for side in ("right", "left")]
        cells = [_zone_text(zone) for zone in pair]
        fills = [None if not zone or zone["score"] is None else SCORE_COLORS[zone["score"]] for zone in pair]
        rows.append(Row((third.capitalize() + " third", *cells), fills=(None, *fills)))
    table = Table(("Zone", "Right: points, part involved", "Left: points, part involved"), tuple(rows), (1, 1.4, 1.4))
    rule = Text(f"Score: {score_text(severity)}. It is computed from volumes, not estimated by eye; compare it only "
                "with scores made in the same way.")  # fmt: skip
    return [Section("Severity score", (rule, table))]


def _zone_text(zone: dict | None) -> str:
    if zone is None or zone["score"] is None:
        return NONE
    return f"{zone['score']}  ({number(zone['involved_percent'], '%')})"


def _run(result) -> tuple[tuple[str, str], ...]:
    columns, rows, slices = (int(n) for n in result.volume.array.shape[::-1])
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in result.seconds.items() if value is not None)
    return (("Voxels", f"{columns} × {rows} × {slices}"), *((("Time", seconds),) if seconds else ()))
