"""What the report of a routing says: how many images of which kind went where, and which need a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from BodyPartRouterLib.labels import CLASSES, TITLES, UNKNOWN
from BodyPartRouterLib.routing.route_files import Routed
from LesionKitLib import __version__
from LesionKitLib.report.chart import Bar, stacked_bars
from LesionKitLib.report.document import (
    Beside,
    Chart,
    Facts,
    Notes,
    Picture,
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
from LesionKitLib.report.pictures import png_bytes
from LesionKitLib.report.provenance import AI_NOT_REVIEWED, analysis_date

TITLE = "Routing of X-rays"
MODULE = "BodyPartRouter"
FIRST_PICTURES, MOST_PICTURES = 10, 240
READABLE, HELD = (93, 138, 168), (227, 160, 60)
UNREADABLE = "not readable"
DEFINITIONS = (
    "Class: what the network finds likeliest. Unknown: its probability lies below the model's threshold, or the image "
    "is unlike what the network has learned from; such an image is held for a person.",
    "Held: for want of a class, by a rule, or because the file could not be read. Held images stay where they are.",
    "Header: the body part that the file itself names. It never decides the class; where both disagree, this is said.",
    "The probability of a class is calibrated on images held out; no reference range applies to it.",
)


def report_of(routed: Sequence[Routed], classifier, acted: bool) -> Report:
    """The report of files in their order. classifier: a Classifier; acted: whether anything was delivered.

    The pictures are those images that were examined with a thumbnail (uint8, rows by columns).
    """
    records = [one.record for one in routed]
    model = classifier.model
    facts = (
        ("Images", str(len(records))),
        ("Network", f"{classifier.name} {classifier.version}"),
        ("Analyzed", f"{analysis_date()}, LesionKit {__version__}"),
        ("Review", AI_NOT_REVIEWED),
    )
    held = [one for one, record in zip(routed, records, strict=True) if record["held"] or one.problem]
    first = (
        Section("", (_tiles(routed, records, acted),)),
        Section("Classes", (Beside(_class_table(records), _class_chart(records), 0.5),)),
        Section("Images that need a person" if held else "Images", tuple(_first_pictures(held, routed))),
    )
    details = (
        Section("All images", (_image_table(routed, records),), together=False),
        *_all_pictures(routed),
        card_section(model.card),
        Section("Identification and run", (Facts(_identification(classifier)),)),
        Section("Definitions", (Notes(DEFINITIONS),), together=False),
    )
    return Report(TITLE, MODULE, Facts(facts), first, details)


def _identification(classifier) -> tuple[tuple[str, str], ...]:
    card = classifier.model.card
    return (
        (f"SHA-256 of {classifier.name}", str(card.get("sha256", ""))),
        ("Device", classifier.runtime.description),
    )


def _tiles(routed: Sequence[Routed], records: list[dict], acted: bool) -> Tiles:
    sent = sum(record["destination"] is not None for record in records)
    return Tiles(
        (
            Tile(str(len(records)), "images"),
            Tile(str(sum(record["held"] for record in records)), "held: need a person"),
            Tile(str(sent), "delivered" if acted else "with a destination; nothing was sent"),
            Tile(str(sum(one.problem is not None for one in routed)), "not delivered for a fault"),
            Tile(str(sum(record["agrees"] is False for record in records)), "disagree with their header"),
            Tile(str(sum(record["class"] is None for record in records)), UNREADABLE),
        )
    )


def _class_of(record: dict) -> str:
    return record["class"] or UNREADABLE


def _title(name: str) -> str:
    return TITLES.get(name, name.capitalize())


def _class_table(records: list[dict]) -> Table:
    """Images of each class; the classes add up to all."""
    every, held = Counter(map(_class_of, records)), Counter(_class_of(r) for r in records if r["held"])
    names = [*CLASSES, UNKNOWN, UNREADABLE]
    rows = [Row((_title(name), str(every[name]), str(held[name]))) for name in names if every[name] or name in CLASSES]
    rows.append(Row(("All", str(len(records)), str(sum(held.values()))), strong=True))
    return Table(("Class", "Images", "Of which held"), tuple(rows), (2.4, 1.0, 1.2))


def _class_chart(records: list[dict]) -> Chart:
    counts = Counter((_class_of(record), bool(record["held"])) for record in records)
    names = [name for name in (*CLASSES, UNKNOWN, UNREADABLE) if counts[name, True] + counts[name, False]]
    bars = [
        Bar(_title(name).split(":")[0], (float(counts[name, False]), float(counts[name, True])),
            str(counts[name, False] + counts[name, True]))
        for name in names
    ]  # fmt: skip
    series = [("sorted", READABLE), ("held", HELD)]
    drawing = stacked_bars(bars, series, "Bar chart of the images of each class", "images", label_width=96.0)
    return Chart(drawing, "Images of each class.")


def _first_pictures(held: Sequence[Routed], routed: Sequence[Routed]) -> list:
    """The first held images; without any, the first of all."""
    shown = [one for one in held or routed if one.examined.thumbnail is not None]
    if not shown:
        return [Text("There is no picture to show.")]
    more = len(shown) - FIRST_PICTURES
    caption = f"{more} more are among the details." if more > 0 else ""
    return [Pictures(tuple(map(_picture, shown[:FIRST_PICTURES])), 5, 38.0, caption)]


def _all_pictures(routed: Sequence[Routed]) -> list[Section]:
    shown = [one for one in routed if one.examined.thumbnail is not None]
    if not shown:
        return []
    more = len(shown) - MOST_PICTURES
    caption = f"The first {MOST_PICTURES} of {len(shown)} pictures." if more > 0 else ""
    pictures = Pictures(tuple(map(_picture, shown[:MOST_PICTURES])), 6, 34.0, caption)
    return [Section("Pictures", (pictures,), together=False)]


def _picture(one: Routed) -> Picture:
    record, pixels = one.record, one.examined.thumbnail
    probability = "" if record["probability"] is None else f" {record['probability']:.2f}"
    parts = [Path(record["path"]).name, f"{_title(_class_of(record)).split(':')[0]}{probability}"]
    if record["agrees"] is False:
        parts.append(f"header says {record['header_body_part']}")
    if record["held"] or one.problem:
        parts.append(_reason(one, record))
    return Picture(png_bytes(pixels), (pixels.shape[1], pixels.shape[0]), " · ".join(parts))


def _reason(one: Routed, record: dict) -> str:
    """Why an image has no destination."""
    if one.problem:
        return one.problem
    return f"held: {record['reason'] or 'needs a person'}" if record["held"] else "no rules were given"


def _image_table(routed: Sequence[Routed], records: list[dict]) -> Table:
    rows = []
    for n, (one, record) in enumerate(zip(routed, records, strict=True), 1):
        probability = "–" if record["probability"] is None else f"{record['probability']:.2f}"
        agrees = {True: "agrees", False: "DISAGREES", None: "–"}[record["agrees"]]
        where = record["destination"] or _reason(one, record)
        kind = _title(_class_of(record)).split(":")[0]
        said = (record["header_body_part"] or "–", agrees, where)
        cells = (Path(record["path"]).name, one.examined.uid or "–", kind, probability, *said)
        rows.append(Row((str(n), *cells)))
    header = ("No.", "File", "SOP Instance UID", "Class", "Prob.", "Header", "Header and class", "Destination")
    return Table(header, tuple(rows), (0.5, 1.7, 2.2, 1.2, 0.6, 1.2, 1.1, 2.3), (0, 1, 2, 3, 5, 6, 7))
