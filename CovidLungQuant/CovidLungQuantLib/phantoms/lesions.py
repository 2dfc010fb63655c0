"""Pneumonia for the chest phantom: lesions as implicit functions, placed as COVID-19 likes, of measured volume."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from CovidLungQuantLib.labels import LESIONS

from .anatomy import CLOUD_STEP, Anatomy, Noise, at, lattice_grid

KINDS = tuple(lesion.key for lesion in LESIONS)
VALUES = {lesion.key: lesion.value for lesion in LESIONS}
SMALLEST_ML, LARGEST_ML = 4.0, 80.0
FLUID_ML = 30.0, 200.0
HU_RANGE = {"ggo": (-745, -420), "consolidation": (-48, 64), "effusion": (0, 25)}
APART_MM = 7.0  # kept free between lesions, so that neighbors stay separate findings on coarse grids too
POINT_ML = CLOUD_STEP**3 / 1000
TRUTH_STEP_MM = 1.25


@dataclass
class Lesion:
    """One lesion: the points of ``box`` with value() < size and inside the lungs that no lesion of higher rank owns."""

    key: str
    center: np.ndarray
    axes: np.ndarray  # 3 x 3, mm to the lesion's own rounder space; of an effusion its slope, rim and middle
    size: float  # mm in that space
    warps: tuple[tuple[float, Noise], ...]
    hu: float
    texture_hu: float
    texture: Noise
    patches: Noise
    fade: float = 0.0  # mm over which ground glass thins out towards its edge
    plugged: bool = False  # a consolidation without air bronchograms
    side: int = 0  # of an effusion
    low: np.ndarray = field(default_factory=lambda: np.zeros(3))
    high: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def value(self, anatomy: Anatomy, x, y, z):
        """mm in the lesion's own space; inside where it is below ``size``."""
        if self.key == "effusion":
            return _fluid_value(anatomy, self.side, self.axes, x, y, z)
        value = np.sqrt(self._square(x, y, z))
        for amplitude, warp in self.warps:
            value = value + np.float32(amplitude) * warp(x, y, z)
        return value

    def covers(self, anatomy: Anatomy, x, y, z):
        """Where the shape is, before the lungs and other lesions cut it."""
        boxed = True
        for n, a in enumerate((x, y, z)):
            boxed = boxed & (a >= self.low[n]) & (a <= self.high[n])
        if self.key == "effusion":
            return boxed & (self.value(anatomy, x, y, z) < self.size)
        reach = np.float32(self.size + sum(amplitude for amplitude, _ in self.warps))
        inside = boxed & (self._square(x, y, z) < reach * reach)
        inside[inside] = self.value(anatomy, *at(inside, x, y, z)) < self.size  # noise only where it can matter
        return inside

    def _square(self, x, y, z):
        """Square of the distance from the center, in the lesion's own space."""
        offsets = [(a - c).astype(np.float32) for a, c in zip((x, y, z), self.center, strict=True)]
        rows = self.axes.astype(np.float32)
        return sum((row[0] * offsets[0] + row[1] * offsets[1] + row[2] * offsets[2]) ** 2 for row in rows)

    def density(self, anatomy: Anatomy, x, y, z) -> np.ndarray:
        """HU at points inside."""
        hu = self.hu + self.texture_hu * (self.texture(x, y, z) + self.patches(x, y, z))
        if self.fade:
            depth = (self.size - self.value(anatomy, x, y, z)) / np.float32(self.fade)
            hu = -720 + (hu + 720) * (0.25 + 0.75 * np.clip(depth, 0, 1))
        return np.clip(hu, *HU_RANGE[self.key])


def _fluid_value(anatomy: Anatomy, side: int, axes: np.ndarray, x, y, z):
    """Height above the lowest part of the pleural cavity, in mm: fluid lies below a level, and higher at its rim.

    The supine patient's fluid runs to the back and the base; the lung that floats on it is convex towards it.
    """
    tilt, rim, middle = (np.float32(v) for v in axes[0])
    crescent = rim * ((np.abs(x) - middle) / np.float32(60)) ** 2
    value = y + tilt * z - crescent - 8 * np.exp(np.clip(anatomy.cavity(x, y, z), -60, 0) / 6)
    return np.where(x * side > 0, value, np.float32(1e6))


def plan(kinds, rng: np.random.Generator) -> tuple[str, ...]:
    """The kinds of lesion wanted: given, or 2 to 8 at random. Raises ValueError for kinds that cannot be made."""
    if kinds is None:
        count = rng.integers(2, 9)
        kinds = list(rng.choice(KINDS, count, p=(0.56, 0.32, 0.12)))
        while kinds.count("effusion") > 2:
            kinds[kinds.index("effusion")] = "ggo"
    kinds = tuple(str(kind) for kind in kinds)
    unknown = set(kinds) - set(KINDS)
    if unknown or kinds.count("effusion") > 2:
        raise ValueError(f"lesions must be among {KINDS}, with at most two effusions, but are {kinds}")
    return kinds


def place(anatomy: Anatomy, kinds: tuple[str, ...], rng: np.random.Generator) -> list[Lesion]:
    """Lesions in rank order (fluid, consolidations, ground glass) with their boxes; the earlier owns a shared place."""
    ranks = sorted(range(len(kinds)), key=lambda n: -VALUES[kinds[n]])
    free = np.ones(len(anatomy.cloud), bool)
    near: list[np.ndarray] = []  # each lesion with the distance kept around it
    sides = list(rng.permutation([1, -1]))
    placed: list[Lesion] = []
    halos: list[Lesion] = []
    for n in ranks:
        smallest, largest = FLUID_ML if kinds[n] == "effusion" else (SMALLEST_ML * 1.2, LARGEST_ML * 0.95)
        target = float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
        if kinds[n] == "effusion":
            lesion = _effusion(anatomy, sides.pop(), target, rng)
            inside = lesion.value(anatomy, *anatomy.cloud.T) < lesion.size
        else:
            core = halos.pop() if kinds[n] == "ggo" and halos else None
            keep_off = [zone for lesion, zone in zip(placed, near, strict=True) if lesion is not core]
            taken = np.any([~free, *keep_off], axis=0)
            lesion, inside = _solid(anatomy, kinds[n], target, free, taken, core, rng)
            if kinds[n] == "consolidation" and rng.random() < 0.4:
                halos.append(lesion)
        _bound(lesion, anatomy.cloud[inside & free])
        near.append(_dilate(anatomy.cloud, inside & free))
        free &= ~inside
        placed.append(lesion)
    return placed


def _effusion(anatomy: Anatomy, side: int, ml: float, rng) -> Lesion:
    axes = np.zeros((3, 3))
    axes[0] = rng.uniform(0.15, 0.7), rng.uniform(3, 22), rng.uniform(0.45, 0.65) * anatomy.width
    look = rng.uniform(3, 22), 2.0, Noise(rng, 8.0), Noise(rng, 20.0)
    lesion = Lesion("effusion", np.zeros(3), axes, 0.0, (), *look, plugged=True, side=side)
    own = anatomy.cloud[anatomy.cloud[:, 0] * side > 0]
    count = min(round(ml / POINT_ML), len(own) // 3)
    lesion.size = float(np.partition(lesion.value(anatomy, *own.T), count)[count])
    return lesion


def _solid(anatomy: Anatomy, kind: str, target: float, free, taken, core: Lesion | None, rng):
    """A warped ellipsoid; tried in many places and, if the lung is crowded, smaller, until it keeps its distance."""
    for attempt in range(60):
        wanted = max(target * 0.94**attempt, SMALLEST_ML * 1.1)
        center = core.center if core is not None else _site(anatomy, free & ~taken, rng)
        lesion = _shape(anatomy, kind, wanted, center, core, rng)
        same_side = free & (anatomy.cloud[:, 0] * center[0] > 0)
        value = np.full(len(free), np.inf, np.float32)
        value[same_side] = lesion.value(anatomy, *anatomy.cloud[same_side].T)
        count = round(wanted / POINT_ML)
        if np.count_nonzero(same_side) < 2 * count:
            continue
        lesion.size = float(np.partition(value, count)[count])
        inside = value < lesion.size
        if not (inside & taken).any():
            return lesion, inside
        core = None if attempt > 20 else core
    raise ValueError("the lungs are too crowded for so many lesions")


def _site(anatomy: Anatomy, free, rng) -> np.ndarray:
    """A random point of the lung: mostly near the pleura, behind and below, as in COVID-19."""
    points, depth = anatomy.cloud, anatomy.cloud_field
    weight = free.astype(float)
    if rng.random() < 0.75:
        weight *= np.exp(depth / 8.0) * np.exp(-points[:, 1] / 60.0) * np.exp(-points[:, 2] / 120.0)
    if weight.sum() <= 0:
        weight = np.ones(len(points))
    return points[rng.choice(len(points), p=weight / weight.sum())].astype(float)


def _shape(anatomy: Anatomy, kind: str, ml: float, center, core: Lesion | None, rng) -> Lesion:
    radius = (3000 * ml / (4 * np.pi)) ** (1 / 3)
    stretch = np.exp(rng.uniform(-0.3, 0.3, 3)) if core is None else np.ones(3)
    stretch /= np.prod(stretch) ** (1 / 3)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    axes = core.axes if core is not None else (rotation / stretch) @ rotation.T
    if core is None and rng.random() < 0.4:  # a band along the chest wall
        across = np.array([center[0] / anatomy.width, center[1] / anatomy.depth, 0.0])
        across /= max(np.linalg.norm(across), 1e-6)
        axes = np.eye(3) / 1.29 + (1 / 0.6 - 1 / 1.29) * np.outer(across, across)
    rough = rng.uniform(0.5, 1.3)
    warps = (
        (0.42 * rough * radius, Noise(rng, max(0.75 * radius, 6))),
        (0.24 * rough * radius, Noise(rng, max(0.33 * radius, 4))),
        (rng.uniform(0.5, 2.0), Noise(rng, rng.uniform(3, 5))),
    )
    if kind == "ggo":
        look = rng.uniform(-660, -490), rng.uniform(20, 75), Noise(rng, rng.uniform(2.2, 5))
        fade = rng.uniform(0.1, 0.9) * radius
    else:
        look, fade = (rng.uniform(-15, 50), rng.uniform(4, 20), Noise(rng, rng.uniform(3, 8))), 0.0
    patches, plugged = Noise(rng, max(0.5 * radius, 6)), bool(rng.random() < 0.35)
    return Lesion(kind, np.asarray(center, float), axes, radius, warps, *look, patches, fade, plugged)


def _bound(lesion: Lesion, points: np.ndarray) -> None:
    lesion.low, lesion.high = points.min(0) - 6.0, points.max(0) + 6.0


def _dilate(cloud: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The points of the cloud within APART_MM of those inside."""
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(cloud[inside]).query(cloud, distance_upper_bound=APART_MM)
    return np.isfinite(distance)


def owned(anatomy: Anatomy, placed: list[Lesion], n: int, x, y, z) -> np.ndarray:
    """Where lesion n is what shows: inside it and in none of higher rank; the lungs cut it in the end."""
    inside = placed[n].covers(anatomy, x, y, z)
    for other in placed[:n]:
        if (other.low <= placed[n].high).all() and (other.high >= placed[n].low).all():
            inside &= ~other.covers(anatomy, x, y, z)
    return inside


def true_volume(anatomy: Anatomy, placed: list[Lesion], n: int) -> tuple[float, np.ndarray]:
    """ml of lesion n and its centroid (mm), counted on a fixed fine lattice whatever the image's grid."""
    grid = lattice_grid(placed[n].low, placed[n].high, TRUTH_STEP_MM)
    x, y, z = grid.coordinates(tuple(slice(0, m) for m in grid.shape))
    inside = owned(anatomy, placed, n, x, y, z)
    inside[inside] = anatomy.lungs(*at(inside, x, y, z)) < 0
    total = np.count_nonzero(inside)
    center = [float(np.mean(a, dtype=float)) if total else np.nan for a in at(inside, x, y, z)]
    return float(total * TRUTH_STEP_MM**3 / 1000), np.array(center)
