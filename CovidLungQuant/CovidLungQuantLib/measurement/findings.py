"""What a report says of each lesion, as the JCS paper's data set annotates them: where, how much, how long."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass

import numpy as np

from CovidLungQuantLib.labels import LESIONS, SIDES
from LesionKitLib.imaging.lesion_components import LesionComponent, lesion_components
from LesionKitLib.imaging.volume import Volume, reorient_to_lps

from .coverage import coverage_of
from .thirds import THIRDS, heights, third_index, third_limits

OUTER_PART = 1 / 3  # of a lung's depth below the chest wall is "peripheral"
KINDS = {lesion.value: lesion.key for lesion in LESIONS}


@dataclass(frozen=True)
class Finding:
    """One lesion. kind: the class that most of it is; side, third: of its point; zone: central or peripheral;
    extent_mm: longest diameter in an axial slice; slices: how many it reaches; ras: a point inside it."""

    kind: str
    ml: float
    side: str
    third: str
    zone: str
    extent_mm: float
    slices: int
    ras: tuple[float, float, float]

    def row(self) -> dict:
        """For JSON."""
        return asdict(self) | {"ras": list(self.ras)}


def list_findings(volume: Volume, lungs: np.ndarray, lesions: np.ndarray) -> list[Finding]:
    """The lesions of at least 0.1 ml, the largest first; labels as in measurements.measure, in any axis order.

    A lesion is peripheral when, in the axial slice that holds most of it, most of its pixels lie in the outer third of
    the lung: the depth below the chest wall (the convex hull of both lungs) is less than a third of the deepest point's
    of that lung. A lesion outside both lungs belongs to the nearer lung of its slice. Where the lungs are cut off the
    third is "".
    """
    upright, _ = reorient_to_lps(volume.with_array(lesions))
    lung_labels = reorient_to_lps(volume.with_array(lungs))[0].array
    spacing = upright.spacing
    has_thirds = lung_labels.any() and coverage_of(volume, lungs).is_whole
    limits = third_limits(lung_labels, upright.ijk_to_ras) if has_thirds else {}
    by_slice, in_slice = heights(upright.ijk_to_ras, lung_labels.shape)
    found = []
    for lesion in lesion_components(upright, upright.array):
        k, j, i = _voxel(upright, lesion)
        pixels = np.argwhere(lesion.mask[k - lesion.corner[0]]) + lesion.corner[1:]
        side = _side(lung_labels[k], pixels)
        height = by_slice[k] + (0.0 if in_slice is None else in_slice[j, i])
        third = THIRDS[int(third_index(height, limits[side]))] if side in limits else ""
        found.append(
            Finding(
                KINDS[lesion.label],
                lesion.ml,
                SIDES[side - 1] if side else "right",
                third,
                _zone(lung_labels[k], side, pixels, spacing),
                max(_extent(np.argwhere(layer), spacing) for layer in lesion.mask),
                int(lesion.mask.any((1, 2)).sum()),
                lesion.ras,
            )
        )
    return found


def _voxel(volume: Volume, lesion: LesionComponent) -> tuple[int, int, int]:
    i, j, k, _ = np.rint(np.linalg.inv(volume.ijk_to_ras) @ [*lesion.ras, 1.0]).astype(int)
    return int(k), int(j), int(i)


def _side(lungs: np.ndarray, pixels: np.ndarray) -> int:
    """Label of the lung that holds most of the pixels (n, 2); of the nearer one where none holds any; 0 without."""
    counts = np.bincount(lungs[pixels[:, 0], pixels[:, 1]], minlength=3)[1:3]
    if counts.any():
        return int(np.argmax(counts)) + 1
    columns = {value: np.flatnonzero((lungs == value).any(0)) for value in (1, 2)}
    middle = pixels[:, 1].mean()
    there = {value: abs(found - middle).min() for value, found in columns.items() if len(found)}
    return min(there, key=there.get) if there else 0


def _zone(lungs: np.ndarray, side: int, pixels: np.ndarray, spacing) -> str:
    """ "peripheral" or "central"; "" where the slice shows too little lung to say."""
    from scipy.spatial import ConvexHull, QhullError

    scale = np.array([spacing[1], spacing[0]])
    rim = np.argwhere(lungs > 0)
    if side == 0 or len(rim) < 30:
        return ""
    try:
        hull = ConvexHull(rim * scale)
    except QhullError:
        return ""

    def depth(points: np.ndarray) -> np.ndarray:
        return -(points * scale @ hull.equations[:, :2].T + hull.equations[:, 2]).max(1)

    deepest = depth(np.argwhere(lungs == side)[::7]).max() if (lungs == side).any() else depth(rim[::7]).max()
    return "peripheral" if np.median(depth(pixels)) < OUTER_PART * deepest else "central"


def _extent(pixels: np.ndarray, spacing) -> float:
    """Longest distance in mm of two pixels (n, 2) of a slice, pixels having their own size."""
    if not len(pixels):
        return 0.0
    from scipy.spatial import ConvexHull, QhullError

    points = pixels * np.array([spacing[1], spacing[0]])
    if len(points) > 50:
        with suppress(QhullError):  # a thin straight line has no area
            points = points[ConvexHull(points).vertices]
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    return float(apart.max() + (spacing[0] + spacing[1]) / 2)


HEADER = ("No.", "Kind", "Volume (ml)", "Lung", "Third", "Zone", "Extent (mm)", "Slices")


def finding_rows(findings: list[dict]) -> list[list]:
    """Rows below HEADER as people read them, of what Finding.row gives; numbers are rounded here."""
    names = {label.key: label.name for label in LESIONS}
    return [
        [
            n,
            names[f["kind"]],
            round(f["ml"], 1),
            f["side"],
            f["third"],
            f["zone"],
            round(f["extent_mm"]),
            f["slices"],
        ]
        for n, f in enumerate(findings, 1)
    ]
