"""Volumes on phantoms of random spacing and orientation: checks geometry and measures, not accuracy on patients."""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.labels import LESIONS
from LesionKitLib.imaging.volume import LPS_IN_RAS
from LesionKitLib.run.progress import Progress

from .covid import agreement

MAX_TURN_DEGREES = 20.0


def random_grid(rng: np.random.Generator) -> tuple[tuple[float, float, float], np.ndarray]:
    """Spacing (i, j, k) in mm and direction columns in RAS: any axis order and flips; every second one is oblique."""
    spacing = (rng.uniform(0.7, 1.3), rng.uniform(0.7, 1.3), rng.uniform(1.5, 4.0))
    order = rng.permutation(3)
    directions = (LPS_IN_RAS * rng.choice([-1, 1], 3))[:, order]
    spacing = tuple(float(spacing[n]) for n in order)
    if rng.random() < 0.5:
        axis = rng.normal(size=3)
        directions = _rotation(axis / np.linalg.norm(axis), np.radians(rng.uniform(2, MAX_TURN_DEGREES))) @ directions
    return spacing, directions


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation matrix about a unit axis (Rodrigues)."""
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def evaluate_phantoms(
    count: int, seed: int, network: str = "convlstm", device: str = "auto", progress: Progress | None = None
) -> dict:
    """Every lesion's found and true ml, and each case's total, for ``count`` phantoms.

    A found voxel counts for the nearest true lesion of its class within REACH_MM; the totals count all that was found.
    """
    from CovidLungQuantLib.phantoms.chest import make_phantom
    from CovidLungQuantLib.pipeline import analyze

    progress, rows, totals = progress or Progress(), [], []
    for case in range(count):
        progress.report("phantoms", case / count)
        rng = np.random.default_rng([seed, case])
        spacing, directions = random_grid(rng)
        phantom = make_phantom(int(rng.integers(2**31)), spacing, directions)
        result = analyze(phantom.volume, network, device)
        rows += [{"case": case, "spacing": spacing, **row} for row in lesion_rows(phantom, result.lesions)]
        true = sum(lesion.ml for lesion in phantom.lesion_list)
        found = float((result.lesions > 0).sum()) * phantom.volume.voxel_ml
        totals.append({"case": case, "true_ml": true, "ml": found, "error_percent": _error(found, true)})
    errors = [abs(r["error_percent"]) for r in rows]
    of_totals = [abs(t["error_percent"]) for t in totals]
    return {
        "task": "phantom",
        "network": network,
        "n": count,
        "lesions": rows,
        "totals": totals,
        "worst_lesion_percent": max(errors, default=0.0),
        "median_lesion_percent": float(np.median(errors)) if errors else 0.0,
        "worst_total_percent": max(of_totals, default=0.0),
        "median_total_percent": float(np.median(of_totals)) if of_totals else 0.0,
        "lesions_within_10_percent": sum(e <= 10 for e in errors),
        "totals_within_5_percent": sum(e <= 5 for e in of_totals),
        "limits_of_agreement": {
            what: agreement([v["true_ml"] for v in values], [v["ml"] for v in values], "ml")
            for what, values in (("lesion", rows), ("total", totals))
            if values
        },
    }


REACH_MM = 12.0


def lesion_rows(phantom, lesions: np.ndarray) -> list[dict]:
    """True and found ml of each lesion of a phantom; lesions of one class that touch are taken together."""
    from scipy import ndimage

    volume, rows = phantom.volume, []
    size = volume.spacing[::-1]
    for kind in LESIONS:
        truth, count = ndimage.label(phantom.lesions == kind.value, np.ones((3, 3, 3)))
        if not count:
            continue
        distance, nearest = ndimage.distance_transform_edt(truth == 0, size, return_indices=True)
        found = (lesions == kind.value) & (distance <= REACH_MM)
        owner = truth[tuple(axis[found] for axis in nearest)]
        found_ml = np.bincount(owner, minlength=count + 1) * volume.voxel_ml
        true_ml = _true_ml(phantom, truth, count, kind.key)
        rows += [
            {"key": kind.key, "true_ml": t, "ml": f, "error_percent": _error(f, t)}
            for t, f in zip(true_ml[1:].tolist(), found_ml[1:].tolist(), strict=True)
            if t > 0
        ]
    return rows


def _true_ml(phantom, components: np.ndarray, count: int, key: str) -> np.ndarray:
    """The phantom's exact ml of each labeled component: that of the listed lesions whose center is nearest to it."""
    from scipy import ndimage

    volume = phantom.volume
    total = np.zeros(count + 1)
    _, nearest = ndimage.distance_transform_edt(components == 0, volume.spacing[::-1], return_indices=True)
    to_ijk = np.linalg.inv(volume.ijk_to_ras)
    for lesion in phantom.lesion_list:
        if lesion.key == key:
            ijk = (to_ijk @ [*lesion.center_ras, 1])[:3]
            kji = tuple(int(np.clip(round(v), 0, n - 1)) for v, n in zip(ijk[::-1], components.shape, strict=True))
            total[components[tuple(axis[kji] for axis in nearest)]] += lesion.ml
    return total


def _error(found: float, true: float) -> float:
    return 100 * (found - true) / true if true else (0.0 if found == 0 else float("inf"))
