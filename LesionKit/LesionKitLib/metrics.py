"""Figures of agreement; intervals are percentile bootstrap intervals over patients (Efron and Tibshirani 1993)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

DRAWS = 1000
SEED = 20210405  # fixed, so that the same results give the same interval
INTERVAL = (2.5, 97.5)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice overlap of two masks; NaN when both are empty (Dice 1945, Ecology 26:297)."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else float("nan")


def with_interval(statistic: Callable[[np.ndarray], float], patients: Sequence[str]) -> dict[str, float | None]:
    """statistic(rows) over all rows, with a 95 % interval from drawing whole patients with replacement.

    rows: integer indices into the caller's tables. Values that are not finite become None.
    """
    groups: dict[str, list[int]] = {}
    for row, patient in enumerate(patients):
        groups.setdefault(patient, []).append(row)
    blocks = [np.array(rows) for rows in groups.values()]
    rng = np.random.default_rng(SEED)
    draws = []
    for _ in range(DRAWS):
        chosen = rng.integers(len(blocks), size=len(blocks))
        draws.append(statistic(np.concatenate([blocks[n] for n in chosen])))
    draws = [value for value in draws if np.isfinite(value)]
    low, high = np.percentile(draws, INTERVAL) if draws else (np.nan, np.nan)
    mean = statistic(np.arange(len(patients)))
    return {key: _plain(value) for key, value in (("mean", mean), ("low", low), ("high", high))}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; NaN for fewer than three values or a constant."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
