"""What the report of a follow-up says: burden and volumes at each date, then lesion by lesion what changed."""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.labels import LESIONS
from CovidLungQuantLib.results import figures
from CovidLungQuantLib.results.report import position, slice_of
from CovidLungQuantLib.results.result import CovidResult
from LesionKitLib.report.chart import Bar, Drawing, stacked_bars
from LesionKitLib.report.document import Chart, Facts, Notes, Pictures, Report, Row, Section, Table, Tile, Tiles
from LesionKitLib.report.pictures import AXIAL
from LesionKitLib.report.text import NONE, number

from .comparison import FollowUp, Interval, date_of
from .lesion_matching import GROWTH_PERCENT, OVERLAP, TOLERANCE_MM, LesionChange

TITLE, MODULE = "CT pneumonia follow-up", "CovidLungQuant"
MOST_CHANGES = 30
PAIRS = 3  # of pictures of the lesions that changed most
KIND_NAMES = {"parenchymal": "Ground glass, consolidation", "effusion": "Pleural effusion"}
DEFINITIONS = (
    "The lungs of each examination are registered to those of the next by an affine transform of their masks; it "
    "decides which lesions are compared. Volumes are measured in each examination on its own grid.",
    f"Lesions belong together when at least {100 * OVERLAP:.0f} % of the smaller lies within {TOLERANCE_MM:g} mm of "
    "the other; lesions that merge or split form one group. Ground glass and consolidation are followed as one.",
    f"Grown, shrunk: the volume changed by at least {GROWTH_PERCENT:g} % (the limit of the NELSON trial for nodules, "
    "Xu et al., Eur Radiol 2006;16:1581); otherwise stable. Components below 0.1 ml are not followed.",
)


def followup_report(followup: FollowUp) -> Report:
    """The report of a FollowUp."""
    last = followup.examinations[-1].provenance()
    first = (
        Section("", (_tiles(followup), *_notes(followup))),
        Section("Examinations", (_examinations(followup), Chart(burden_over_time(followup), "Burden at each date."))),
        *([Section("Lesions that changed most", (pairs,))] if (pairs := _pairs(followup)) else []),
    )
    details = (
        *(_changes(followup, n) for n in range(len(followup.intervals))),
        Section("Identification", tuple(_identification(followup)), together=False),
        Section("Definitions", (Notes(DEFINITIONS),), together=False),
    )
    return Report(TITLE, MODULE, Facts(last.facts()), first, details)


def title_of(followup: FollowUp, n: int) -> str:
    """An examination's date, or its number where the date is not known."""
    return date_of(followup.examinations[n]) or f"Examination {n + 1}"


def burden_over_time(followup: FollowUp) -> Drawing:
    """Burden of both lungs at each date, stacked by class, in % of the lung volume."""
    bars = []
    for n, result in enumerate(followup.examinations):
        total = result.measurements["total"]
        values = None if not total["lung_ml"] else tuple(100 * total[f"{c.key}_ml"] / total["lung_ml"] for c in LESIONS)
        bars.append(Bar(title_of(followup, n), values, number(total["burden_percent"], "%")))
    series = [(lesion.name, lesion.color) for lesion in LESIONS]
    said = "; ".join(f"{bar.label}: {bar.text}" for bar in bars)
    return stacked_bars(bars, series, f"Burden at each date. {said}.", "% of the lungs", 480.0, 90.0)


def _tiles(followup: FollowUp) -> Tiles:
    first, last = (followup.examinations[n].measurements["total"] for n in (0, -1))
    counts = _counts(followup.intervals[-1])
    burden = [number(total["burden_percent"], "%") for total in (first, last)]
    tiles = [
        Tile(" → ".join(burden), "burden, first and last"),
        Tile(_difference(first["ggo_ml"], last["ggo_ml"]), "ground-glass opacity"),
        Tile(_difference(first["high_opacity_ml"], last["high_opacity_ml"]), "high opacity"),
        Tile(counts or NONE, "lesions since the examination before"),
    ]
    return Tiles(tuple(tiles))


def _counts(interval: Interval) -> str:
    return ", ".join(f"{count} {status}" for status, count in interval.counts().items() if count)


def _difference(then: float | None, now: float | None) -> str:
    if then is None or now is None:
        return NONE
    return ("+" if now > then else "") + number(now - then, "ml")


def _notes(followup: FollowUp) -> list[Notes]:
    own = [f"{title_of(followup, n)}: {note}" for n, r in enumerate(followup.examinations) for note in r.notes]
    notes = [*followup.notes, *own]
    return [Notes(tuple(f"Note: {note}" for note in notes))] if notes else []


def _examinations(followup: FollowUp) -> Table:
    names = ("lung_ml", "ggo_ml", "consolidation_ml", "effusion_ml", "high_opacity_ml")
    rows = []
    for n, result in enumerate(followup.examinations):
        total = result.measurements["total"]
        days = "" if n == 0 or followup.intervals[n - 1].days is None else str(followup.intervals[n - 1].days)
        cells = (days, *(number(total[name]) for name in names), number(total["burden_percent"]))
        rows.append(Row((title_of(followup, n), *cells)))
    header = ("Examination", "Days", "Lungs (ml)", "GGO (ml)", "Consolidation (ml)", "Effusion (ml)",
              "High opacity (ml)", "Burden (%)")  # fmt: skip
    return Table(header, tuple(rows), (1.6, 0.7, *[1.1] * 6))


def _changes(followup: FollowUp, n: int) -> Section:
    """One row for each lesion or group of lesions, the largest change first."""
    interval, later = followup.intervals[n], followup.examinations[n + 1]
    title = f"Lesions from {title_of(followup, n)} to {title_of(followup, n + 1)}"
    if not interval.changes:
        return Section(title, (Notes(("No lesion of at least 0.1 ml in either examination.",)),))
    earlier = followup.examinations[n]
    places = {True: _slices(earlier), False: _slices(later)}
    rows = []
    for number_of, change in enumerate(interval.changes[:MOST_CHANGES], 1):
        gone = change.status == "gone"
        percent = NONE if change.change_percent is None else number(change.change_percent, "%", 0)
        cells = (KIND_NAMES[change.kind], change.status, number(change.earlier_ml), number(change.later_ml), percent,
                 slice_of(places[gone], change.ras), position(change.ras))  # fmt: skip
        rows.append(Row((str(number_of), *cells)))
    more = len(interval.changes) - MOST_CHANGES
    caption = "Slice and position: in the later examination; of a lesion that is gone, in the earlier one."
    caption += f" {more} smaller changes are in changes.csv." if more > 0 else ""
    header = ("No.", "Lesion", "Change", "Earlier (ml)", "Later (ml)", "Change (%)", "Slice", "Position (mm)")
    table = Table(header, tuple(rows), (0.5, 2.4, 0.9, 1.0, 1.0, 1.0, 0.7, 2.2), (0, 1, 2, 7), caption)
    return Section(title, (table,), together=False)


def _slices(result: CovidResult):
    return figures.lung_slices(result.volume, result.lungs, result.lesions)


def _pairs(followup: FollowUp) -> Pictures | None:
    """For the lesions that changed most since the examination before: the same place then and now."""
    interval, n = followup.intervals[-1], len(followup.examinations) - 2
    wanted = [change for change in interval.changes if change.status != "stable"][:PAIRS]
    if not wanted:
        return None
    sides = [_slices(followup.examinations[n + k]) for k in (0, 1)]
    pictures = []
    for k, slices in enumerate(sides):
        for change in wanted:
            index = _slice_index(slices, _place(change, interval, k))
            pictures.append(slices.framed(AXIAL, index, figures.LUNG_WINDOW, figures.KEY_WIDTH))
    caption = (
        f"Upper row: {title_of(followup, n)}; lower row: {title_of(followup, n + 1)}. A column shows the same place: "
        + "; ".join(f"{c.status}, {number(c.earlier_ml)} to {number(c.later_ml, 'ml')}" for c in wanted)
        + "."
    )
    return Pictures(tuple(pictures), len(wanted), 46.0, caption)


def _place(change: LesionChange, interval: Interval, k: int) -> np.ndarray:
    """The lesion's point in the earlier (k = 0) or later examination, RAS mm."""
    own = 0 if change.status == "gone" else 1
    if k == own:
        return np.array(change.ras)
    transform = interval.transform if own == 0 else interval.transform.inverse()
    return transform.apply(np.array([change.ras]))[0]


def _slice_index(slices, ras: np.ndarray) -> int:
    """Index of the axial slice nearest to a point."""
    k = (np.linalg.inv(slices.image.ijk_to_ras) @ [*ras, 1.0])[2]
    return int(np.clip(round(k), 0, slices.image.array.shape[0] - 1))


def _identification(followup: FollowUp) -> list:
    blocks = []
    for n, result in enumerate(followup.examinations):
        provenance = result.provenance()
        blocks.append(Facts((("Examination", title_of(followup, n)), *provenance.facts(), *provenance.details())))
    return blocks
