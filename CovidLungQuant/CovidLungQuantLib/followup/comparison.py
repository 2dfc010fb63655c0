"""Examinations of one patient in the order of their dates, and what changed from each to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from CovidLungQuantLib.results.result import CovidResult
from LesionKitLib.run.progress import Progress

from .lesion_matching import STATUSES, LesionChange, match_lesions
from .registration import LungTransform, register_lungs

POOR_OVERLAP = 0.85  # Dice of the registered lungs below which lesions may be matched wrongly
UNLIKE_LUNGS = 1.35  # ratio of the lungs' volumes above which a percentage of them compares with care
FIGURES = ("lung_ml", "ggo_ml", "consolidation_ml", "effusion_ml", "high_opacity_ml", "burden_percent")


@dataclass(frozen=True)
class Interval:
    """From one examination to the next. days: None where a date is not known."""

    days: int | None
    transform: LungTransform
    changes: tuple[LesionChange, ...]

    def counts(self) -> dict[str, int]:
        """How many lesions are new, grown, stable, shrunk, gone."""
        return {status: sum(change.status == status for change in self.changes) for status in STATUSES}


@dataclass(frozen=True)
class FollowUp:
    """examinations: in the order of their dates. intervals: one fewer. notes: sentences for the user."""

    examinations: tuple[CovidResult, ...]
    intervals: tuple[Interval, ...]
    notes: tuple[str, ...] = ()

    def document(self) -> dict:
        """followup.json: the examinations' own documents, and the changes between them."""
        return {
            "examinations": [result.summary() for result in self.examinations],
            "intervals": [
                {
                    "days": interval.days,
                    "lung_overlap": round(interval.transform.overlap, 4),
                    "changes_ml": self._differences(n),
                    "counts": interval.counts(),
                    "lesions": [change.document() for change in interval.changes],
                }
                for n, interval in enumerate(self.intervals)
            ],
            "notes": list(self.notes),
        }

    def _differences(self, n: int) -> dict[str, float | None]:
        """Later less earlier, of each figure of FIGURES (ml; burden in percentage points)."""
        then, now = (self.examinations[n + k].measurements["total"] for k in (0, 1))
        known = {name: (then[name], now[name]) for name in FIGURES}
        return {name: None if None in pair else pair[1] - pair[0] for name, pair in known.items()}


def compare_examinations(
    results: list[CovidResult], progress: Progress | None = None, notes: tuple[str, ...] = ()
) -> FollowUp:
    """Order the examinations by date and match the lesions of each with those of the next.

    notes: said before those that the comparison finds. Where a date is missing the given order is kept and said.
    Raises ValueError for fewer than two results.
    """
    if len(results) < 2:
        raise ValueError("a follow-up needs at least two examinations")
    progress = progress or Progress()
    ordered, found = in_order_of_date(results)
    notes = [*notes, *found]
    intervals = []
    for n, (earlier, later) in enumerate(zip(ordered, ordered[1:], strict=False)):
        progress.report("comparing examinations", n / (len(ordered) - 1))
        interval = _interval(earlier, later)
        notes += _notes_on_lungs(n + 1, earlier, later, interval.transform)
        intervals.append(interval)
    return FollowUp(tuple(ordered), tuple(intervals), tuple([*notes, *_notes_on_sources(ordered)]))


def notes_on_patients(patient_ids: Iterable[str]) -> list[str]:
    """A note where the images name more than one patient ID; "" is none."""
    if len(set(patient_ids) - {""}) < 2:
        return []
    return ["The images name different patient IDs: make sure that they are of one person."]


def without_identity(result: CovidResult) -> CovidResult:
    """The result without the patient's name and ID."""
    source = result.volume.source
    if source is None:
        return result
    return replace(result, volume=replace(result.volume, source=replace(source, patient_name="", patient_id="")))


def in_order_of_date(results: list[CovidResult]) -> tuple[list[CovidResult], list[str]]:
    """The results from the earliest date on, and a note where dates are missing or the order was another."""
    dates = [date_of(result) for result in results]
    if not all(dates):
        return list(results), ["A date is missing: the examinations are in the order in which they were given."]
    ordered = [results[n] for n in sorted(range(len(results)), key=lambda n: (dates[n], n))]
    changed = any(a is not b for a, b in zip(ordered, results, strict=True))
    return ordered, ["The examinations were put in the order of their dates."] if changed else []


def date_of(result: CovidResult) -> str:
    """YYYY-MM-DD, or "" where it is not known."""
    return result.volume.source.date if result.volume.source else ""


def _interval(earlier: CovidResult, later: CovidResult) -> Interval:
    lungs = [result.volume.with_array(result.lungs) for result in (earlier, later)]
    lesions = [result.volume.with_array(result.lesions) for result in (earlier, later)]
    transform = register_lungs(*lungs)
    return Interval(_days(earlier, later), transform, tuple(match_lesions(*lesions, transform)))


def _days(earlier: CovidResult, later: CovidResult) -> int | None:
    from datetime import date

    try:
        return (date.fromisoformat(date_of(later)) - date.fromisoformat(date_of(earlier))).days
    except ValueError:
        return None


def _notes_on_lungs(number: int, earlier: CovidResult, later: CovidResult, transform: LungTransform) -> list[str]:
    """What makes the lungs of two examinations hard to compare."""
    notes = []
    if transform.overlap < POOR_OVERLAP:
        notes.append(
            f"The lungs of examinations {number} and {number + 1} differ in shape (overlap "
            f"{transform.overlap:.2f} after registration): lesions may be matched wrongly."
        )
    then, now = (result.measurements["total"]["lung_ml"] for result in (earlier, later))
    if max(then, now) > UNLIKE_LUNGS * min(then, now):
        notes.append(
            f"The lungs of examinations {number} and {number + 1} measure {then:.0f} and {now:.0f} ml: burden in "
            "percent and the density of lesions compare with care."
        )
    return notes


def _notes_on_sources(results: list[CovidResult]) -> list[str]:
    """What makes examinations hard to compare: one image twice, other kernels or slice thicknesses."""
    sources = [result.volume.source for result in results]
    if not all(sources):
        return []
    notes = []
    digests = [source.sha256 for source in sources if source.sha256]
    if len(set(digests)) < len(digests):
        notes.append("The same image was given more than once.")
    for name, values in (
        ("kernels", {source.kernel for source in sources if source.kernel}),
        ("slice thicknesses (mm)", {f"{s.slice_thickness:g}" for s in sources if s.slice_thickness}),
    ):
        if len(values) > 1:
            listed = ", ".join(sorted(values))
            notes.append(f"The examinations have different {name} ({listed}): volumes may differ for that alone.")
    return notes
