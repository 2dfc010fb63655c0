"""Sentences about measurements that are of a part of the lungs only, or that no body can have.

The numbers themselves are left as they are: a reader must see what was measured, and that it cannot be trusted.
"""

from __future__ import annotations

import numpy as np

from .coverage import Coverage
from .severity import missing_sides

# Total lung capacity on CT is 4.1 +- 1.2 l (Cressoni et al. 2013); of the tallest men, sitting, below 10 l.
LARGEST_LUNGS_ML = 10_000.0
SMALLEST_ADULT_LUNGS_ML = 1_000.0
# Of the larger lung. The left one, which gives room to the heart, holds 45 % of both in health: 0.8 of the right one.
LEAST_SMALLER_LUNG = 0.6
# Mean HU that a class can have, and the least volume (ml) of which a mean says anything. Ground glass is a mixture of
# aerated lung and tissue. Consolidation is tissue with what air its bronchi hold, or enhanced by contrast. Fluid has 0
# to 30 HU, blood up to 70; the rim of a thin effusion is mixed with lung.
PLAUSIBLE_HU = {
    "ggo": ("ground-glass opacity", -900.0, -100.0),
    "consolidation": ("consolidation", -500.0, 200.0),
    "effusion": ("effusion", -100.0, 100.0),
}
LEAST_ML = 1.0
END_NAMES = {
    "lower": "at the lower end", "upper": "at the upper end", "front": "in front", "back": "at the back",
    "right": "on the right", "left": "on the left", "circle": "at the edge of the round picture",
}  # fmt: skip


def plausibility_notes(measurements: dict, coverage: Coverage) -> list[str]:
    """Notes on what measurements.measure gave, the most important first; empty where nothing is strange."""
    sides = {row["side"]: row["lung_ml"] for row in measurements["regions"] if row["third"] == "all"}
    return [
        *_coverage_notes(coverage),
        *_missing_lung_notes(sides, coverage),
        *(_volume_notes(sides["both"]) if not coverage.ends else []),
        *(_unequal_notes(sides) if coverage.is_whole and not coverage.halved else []),
        *_density_notes(measurements["total"]),
    ]


def _coverage_notes(coverage: Coverage) -> list[str]:
    notes = []
    along = [END_NAMES[end] for end in coverage.ends if end in ("lower", "upper")]
    across = [END_NAMES[end] for end in coverage.ends if end not in ("lower", "upper")]
    what = "all volumes are of the part that is seen" if not coverage.is_whole else "a little of them is not seen"
    if along:
        notes.append(f"The lungs are cut off {_listed(along)} of the scan: {what}.")
    if across:
        notes.append(f"The lungs are cut off by the field of view ({_listed(across)}): {what}.")
    if not coverage.is_whole:
        notes.append("Lung thirds and the severity score need whole lungs and are not given.")
    return notes


def _missing_lung_notes(sides: dict[str, float], coverage: Coverage) -> list[str]:
    missing = missing_sides(np.array([sides["right"], sides["left"]]))
    if len(missing) != 1:
        return []
    if missing[0] == coverage.halved:
        return [
            f"The {missing[0]} lung is not in the field of view, which cuts the body off on that side; "
            "the severity score needs two lungs and is not given."
        ]
    found = f"{sides[missing[0]]:.0f} ml" if sides[missing[0]] >= 0.5 else "nothing"
    return [
        f"Of the {missing[0]} lung {found} was found (removed, collapsed, or not in the image); "
        "the severity score needs two lungs and is not given."
    ]


def _volume_notes(lung_ml: float) -> list[str]:
    if lung_ml > LARGEST_LUNGS_ML:
        return [f"A lung volume of {lung_ml:.0f} ml is more than a body has; check the voxel size of the image."]
    if lung_ml < SMALLEST_ADULT_LUNGS_ML:
        return [
            f"A lung volume of {lung_ml:.0f} ml is less than an adult has; this may be a child, or the voxel size of "
            "the image may be wrong."
        ]
    return []


def _unequal_notes(sides: dict[str, float]) -> list[str]:
    """One lung much smaller than the other; where it is not there at all, that is said elsewhere."""
    small, large = sorted(("right", "left"), key=lambda side: sides[side])
    if missing_sides(np.array([sides["right"], sides["left"]])) or sides[small] >= LEAST_SMALLER_LUNG * sides[large]:
        return []
    return [
        f"The {small} lung that was found has {sides[small]:.0f} ml, the {large} one {sides[large]:.0f} ml: look "
        "whether lung without air (consolidated, collapsed) is missing in it, since then burden and score are too low."
    ]


def _density_notes(total: dict) -> list[str]:
    notes = []
    for key, (name, low, high) in PLAUSIBLE_HU.items():
        mean = total[f"{key}_mean_hu"]
        if total[f"{key}_ml"] >= LEAST_ML and not low <= mean <= high:
            notes.append(
                f"The mean of what was called {name} is {mean:.0f} HU, which {name} cannot have "
                f"({low:.0f} to {high:.0f} HU); look at it with doubt."
            )
    return notes


def _listed(words: list[str]) -> str:
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " and " + words[-1]
