"""The changes of one interval as a table, and its outcome in one sentence."""

from __future__ import annotations

from .comparison import FollowUp
from .report import title_of

CHANGE_HEADER = (
    "Change", "Kind", "Earlier (ml)", "Later (ml)", "Change (%)", "Earlier lesions", "Later lesions",
    "R (mm)", "A (mm)", "S (mm)",
)  # fmt: skip


def change_rows(changes: list[dict]) -> list[list]:
    """Cells under CHANGE_HEADER, one row for each change (LesionChange.document); None where there is no percentage."""
    return [
        [
            change["status"],
            change["kind"],
            change["earlier_ml"],
            change["later_ml"],
            change["change_percent"],
            change["earlier_lesions"],
            change["later_lesions"],
            *change["ras"],
        ]
        for change in changes
    ]


def change_cells(changes: list[dict]) -> list[tuple[str, ...]]:
    """The first seven columns of change_rows as text."""
    return [
        (
            change["status"],
            change["kind"],
            f"{change['earlier_ml']:.1f}",
            f"{change['later_ml']:.1f}",
            "–" if change["change_percent"] is None else f"{change['change_percent']:+.0f}",
            str(change["earlier_lesions"]),
            str(change["later_lesions"]),
        )
        for change in changes
    ]


def outcome_of(followup: FollowUp) -> str:
    """Burden then and now, and how many lesions of each status there are, of the last interval."""
    interval = followup.intervals[-1]
    count = len(followup.examinations)
    burdens = [
        f"{title_of(followup, n)}: {_percent(followup.examinations[n].measurements['total']['burden_percent'])}"
        for n in (count - 2, count - 1)
    ]
    counts = ", ".join(f"{number} {status}" for status, number in interval.counts().items() if number)
    return f"Burden {'; '.join(burdens)}. Lesions: {counts or 'none'}."


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"
