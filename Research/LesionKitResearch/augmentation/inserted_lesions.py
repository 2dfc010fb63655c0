"""Pneumonia computed into real, healthy lungs: slices with a scanner's own texture whose labels are exact.

Inflammation fills air with fluid: a voxel of air content a becomes a mixture of its own HU and of fluid. Vessels keep
their HU in ground glass and vanish in consolidation and effusion, as they do on a CT without contrast agent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CovidLungQuantLib.segmentation.frames import MODEL_MM

GGO, CONSOLIDATION, EFFUSION = 1, 2, 3
MOST_LESIONS = 5
SHARES = (0.5, 0.3, 0.2)  # of ground glass, consolidation, effusion among the lesions
COARSE_MM = 9.0  # distance of the support points of the noise that makes outlines irregular


@dataclass(frozen=True)
class Inserted:
    """hu (t, h, w) float32 with lesions; lesion (t, h, w) uint8: 0 none, 1 to 3 the classes."""

    hu: np.ndarray
    lesion: np.ndarray


def insert_lesions(hu: np.ndarray, lung: np.ndarray, rng: np.random.Generator, slice_mm: float = 2.0) -> Inserted:
    """Random lesions in slices (t, h, w) of HU at MODEL_MM per pixel, anterior up; lung: 1 inside, also (t, h, w)."""
    hu = hu.astype(np.float32)
    lesion = np.zeros(hu.shape, np.uint8)
    inside = lung == 1
    if inside.sum() < 500:
        return Inserted(hu, lesion)
    kinds = rng.choice((GGO, CONSOLIDATION, EFFUSION), 1 + rng.integers(MOST_LESIONS), p=SHARES)
    for kind in sorted(kinds.tolist()):  # fluid last: it lies over everything
        value = _fluid(inside, rng) if kind == EFFUSION else _blob(inside, rng, slice_mm)
        mask = (value < 0) & inside
        if mask.sum() < 30:
            continue
        hu = _fill(hu, value, mask, kind, rng)
        lesion[mask & (lesion <= kind)] = kind
    return Inserted(hu, lesion)


def _noise(shape, rng: np.random.Generator, step: float) -> np.ndarray:
    """Smooth noise (t, h, w) of standard deviation about 1 that changes over ``step`` pixels in plane."""
    import torch

    coarse = (max(2, shape[0] // 3 + 1), *(int(n / step) + 2 for n in shape[1:]))
    grid = torch.from_numpy(rng.standard_normal(coarse).astype(np.float32))[None, None]
    return 1.4 * torch.nn.functional.interpolate(grid, size=shape, mode="trilinear", align_corners=True)[0, 0].numpy()


def _blob(inside: np.ndarray, rng: np.random.Generator, slice_mm: float) -> np.ndarray:
    """Signed distance in mm (negative inside) of a warped ellipsoid centered in the lung, mostly behind and outside."""
    points = np.argwhere(inside)
    candidates = points[rng.integers(len(points), size=12)]
    back = rng.random() < 0.6
    center = candidates[np.argmax(candidates[:, 1])] if back else candidates[0]
    radius = float(np.exp(rng.uniform(np.log(6.0), np.log(42.0))))
    stretch = np.exp(rng.uniform(-0.5, 0.5, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    angle = rng.uniform(0, np.pi)
    t, y, x = np.ogrid[: inside.shape[0], : inside.shape[1], : inside.shape[2]]
    dz, dy, dx = (t - center[0]) * slice_mm, (y - center[1]) * MODEL_MM, (x - center[2]) * MODEL_MM
    along, across = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx
    distance = np.sqrt((dz / stretch[0]) ** 2 + (along / stretch[1]) ** 2 + (across / stretch[2]) ** 2)
    rough = rng.uniform(0.15, 0.45) * radius
    fine = 0.4 * _noise(inside.shape, rng, 0.4 * COARSE_MM / MODEL_MM)
    return distance - radius + rough * (_noise(inside.shape, rng, COARSE_MM / MODEL_MM) + fine)


def _fluid(inside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pixels above (negative: below) the level of fluid in one pleural cavity of a supine patient.

    The level is a crescent: the fluid rises along the chest wall.
    """
    middle = inside.shape[2] / 2
    columns = np.arange(inside.shape[2])[None, None]
    rows = np.arange(inside.shape[1])[None, :, None]
    own = (columns < middle) if rng.random() < 0.5 else (columns >= middle)
    half = inside & own
    if half.sum() < 200:
        half, own = inside, columns >= 0
    heights = np.flatnonzero(half.any((0, 2)))
    depth = rng.uniform(0.06, 0.5) * (heights[-1] - heights[0])
    lateral = np.abs(columns - middle) / max(1.0, middle)
    rise = rng.uniform(0, 25) * (lateral - 0.45) ** 2 * 8
    tilt = rng.uniform(-3, 3) * (np.arange(inside.shape[0])[:, None, None] - inside.shape[0] / 2)
    level = heights[-1] - depth - rise + tilt + 1.5 * _noise(inside.shape, rng, 25.0)
    return np.where(own, level - rows, 1e3).astype(np.float32)


def _fill(hu: np.ndarray, value: np.ndarray, mask: np.ndarray, kind: int, rng: np.random.Generator) -> np.ndarray:
    """HU with the lesion's share of fluid mixed in."""
    from scipy.ndimage import gaussian_filter

    if kind == GGO:
        depth = np.clip(-value / max(4.0, rng.uniform(0.1, 0.8) * float(-value[mask].min())), 0, 1)
        share = rng.uniform(0.18, 0.5) * (0.3 + 0.7 * depth) * (1 + rng.uniform(0, 0.25) * _noise(hu.shape, rng, 3.5))
        fluid = np.full(hu.shape, 40.0, np.float32)
    else:
        base = rng.uniform(0, 25) if kind == EFFUSION else rng.uniform(-20, 60)
        noise = gaussian_filter(rng.standard_normal(hu.shape).astype(np.float32), (0, 0.7, 0.7))
        fluid = base + rng.uniform(8, 30) * noise / max(float(noise.std()), 1e-6)
        if kind == CONSOLIDATION:
            fluid = fluid + rng.uniform(0, 14) * _noise(hu.shape, rng, 8.0)
        share = np.full(hu.shape, 1.0 if kind == EFFUSION else rng.uniform(0.9, 1.0), np.float32)
        if kind == CONSOLIDATION and rng.random() < 0.5:  # bronchi that stay open
            share = np.where(hu < np.percentile(hu[mask], rng.uniform(0, 12)), 0.1, share)
    soft = gaussian_filter(mask.astype(np.float32), (0, 0.6, 0.6))
    share = np.clip(share, 0, 1) * soft * (hu < fluid if kind == GGO else 1)
    return hu + share * (fluid - hu)
