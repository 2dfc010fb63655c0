"""The CT severity score: six zones graded by the percentage of each that is involved. Sources: docs/measurements.md."""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.labels import CONSOLIDATION, GGO, SIDES
from LesionKitLib.imaging.measures import percent_or_none

from .thirds import THIRDS

INVOLVED = (GGO.value, CONSOLIDATION.value)  # effusion is not in the lung tissue
# % of a zone from which it scores 1, 2, 3, 4. What rounds to 0 % is none: a few voxels of partial volume are always
# called lesion, the more the larger the voxels are.
GRADES = (0.5, 25.0, 50.0, 75.0)
MAXIMUM = 24
MISSING_SHARE = 0.03  # of both lungs' volume, below which one of them is not there


def zone_score(involved_percent: float | None) -> int | None:
    """0 below 0.5 %, 1 below 25 %, 2 below 50 %, 3 below 75 %, 4 from 75 %; None where there is no zone."""
    if involved_percent is None:
        return None
    return sum(involved_percent >= grade for grade in GRADES)


def severity(voxels: np.ndarray, is_whole: bool) -> dict:
    """{"score", "maximum", "zones"}; score is None where the lungs are cut off or one of them is missing.

    voxels: counts (2 sides right/left, 3 thirds lower/middle/upper, 4 classes 0-3). Without whole lungs there are no
    thirds, so the zones have no values either.
    """
    zones = [
        _zone(side, third, voxels[SIDES.index(side), THIRDS.index(third)], is_whole)
        for side in SIDES
        for third in reversed(THIRDS)
    ]
    scores = [zone["score"] for zone in zones]
    has_both = is_whole and not missing_sides(voxels.sum((1, 2)))
    score = sum(scores) if has_both and None not in scores else None
    return {"score": score, "maximum": MAXIMUM, "zones": zones}


def score_text(severity: dict) -> str:
    """For people: "7 of 24"."""
    return "not given" if severity["score"] is None else f"{severity['score']} of {severity['maximum']}"


def missing_sides(lungs: np.ndarray) -> tuple[str, ...]:
    """Which lung is not there, of the volumes (or voxels) of the right and the left."""
    whole = float(np.sum(lungs))
    return tuple(side for side, part in zip(SIDES, lungs, strict=True) if part <= MISSING_SHARE * whole)


def _zone(side: str, third: str, classes: np.ndarray, is_whole: bool) -> dict:
    percent = percent_or_none(classes[list(INVOLVED)].sum(), classes.sum()) if is_whole else None
    return {"side": side, "third": third, "involved_percent": percent, "score": zone_score(percent)}
