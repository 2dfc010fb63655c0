"""Which lesions of an earlier examination are which of a later one: grown, shrunk, stable, new or gone.

Two components belong together when at least OVERLAP of the smaller one lies, after registration, within TOLERANCE_MM of
the other. Lesions that merge or split form one group. Volumes are measured in each examination on its own grid, so that
the registration decides only what is compared, never how much there is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from CovidLungQuantLib.labels import CONSOLIDATION, EFFUSION, GGO
from LesionKitLib.imaging.lesion_components import LesionComponent, lesion_components
from LesionKitLib.imaging.volume import Volume

from .registration import LungTransform

TOLERANCE_MM = 6.0  # breathing and the affine registration leave lesions off by about this much
OVERLAP = 0.3
GROWTH_PERCENT = 25.0  # a smaller change of volume counts as stable, as in NELSON (Xu et al., Eur Radiol 2006;16:1581)
KINDS = {"parenchymal": (GGO.value, CONSOLIDATION.value), "effusion": (EFFUSION.value,)}
STATUSES = ("new", "grown", "stable", "shrunk", "gone")


@dataclass(frozen=True)
class LesionChange:
    """A lesion, or several that merged or split. kind: parenchymal or effusion. earlier_ml, later_ml: volume then and
    now; change_percent: None for a new one. earlier_lesions, later_lesions: how many components. ras: a point in it,
    in mm of the later examination, of the earlier one when it is gone."""

    kind: str
    status: str
    earlier_ml: float
    later_ml: float
    change_percent: float | None
    earlier_lesions: int
    later_lesions: int
    ras: tuple[float, float, float]

    def document(self) -> dict:
        """For JSON."""
        return asdict(self) | {"ras": list(self.ras)}


def match_lesions(earlier: Volume, later: Volume, transform: LungTransform) -> list[LesionChange]:
    """The changes between two label maps of lesions (labels of CovidLungQuantLib), the largest change first.

    transform: from the earlier to the later examination. Components below 0.1 ml are not followed.
    """
    changes = []
    for kind, values in KINDS.items():
        before, after = (lesion_components(v, np.isin(v.array, values).astype(np.uint8)) for v in (earlier, later))
        for rows, columns in _groups(_links(before, after, transform), len(before), len(after)):
            changes.append(_change(kind, [before[n] for n in rows], [after[n] for n in columns]))
    return sorted(changes, key=lambda c: (-abs(c.later_ml - c.earlier_ml), c.kind, c.ras))


def _links(before: list[LesionComponent], after: list[LesionComponent], transform: LungTransform) -> np.ndarray:
    """bool (len(before), len(after)): which belong together."""
    from scipy.spatial import cKDTree

    links = np.zeros((len(before), len(after)), bool)
    trees = [cKDTree(one.points) for one in after]
    for row, one in enumerate(before):
        moved = transform.apply(one.points)
        low, high = moved.min(0) - TOLERANCE_MM, moved.max(0) + TOLERANCE_MM
        own = cKDTree(moved)
        for column, other in enumerate(after):
            if (other.points.min(0) > high).any() or (other.points.max(0) < low).any():
                continue
            near = np.isfinite(trees[column].query(moved, distance_upper_bound=TOLERANCE_MM)[0]).mean()
            back = np.isfinite(own.query(other.points, distance_upper_bound=TOLERANCE_MM)[0]).mean()
            links[row, column] = (near if one.ml <= other.ml else back) >= OVERLAP
    return links


def _groups(links: np.ndarray, rows: int, columns: int) -> list[tuple[list[int], list[int]]]:
    """Connected groups of the two-sided graph, those without a partner too."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    here, there = np.nonzero(links)
    graph = coo_matrix((np.ones(len(here)), (here, rows + there)), shape=(rows + columns,) * 2)
    count, group = connected_components(graph, directed=False)
    return [
        (
            [n for n in range(rows) if group[n] == g],
            [n for n in range(columns) if group[rows + n] == g],
        )
        for g in range(count)
    ]


def _change(kind: str, before: list[LesionComponent], after: list[LesionComponent]) -> LesionChange:
    then, now = sum(one.ml for one in before), sum(one.ml for one in after)
    percent = 100.0 * (now - then) / then if before else None
    if not before:
        status = "new"
    elif not after:
        status = "gone"
    elif abs(percent) < GROWTH_PERCENT:
        status = "stable"
    else:
        status = "grown" if percent > 0 else "shrunk"
    largest = max(after or before, key=lambda one: one.ml)
    return LesionChange(kind, status, then, now, percent, len(before), len(after), largest.nearest_to_center)
