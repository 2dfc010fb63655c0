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

    rows: integer indices into the caller's tables. Values that are not finite become None, and so do all three where
    there is no patient.
    """
    if not len(patients):
        return dict.fromkeys(("mean", "low", "high"))
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


def limits_of_agreement(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    """Mean difference found - truth, and its 95 % limits (mean -+ 1.96 standard deviations).

    Bland and Altman 1986, Lancet 327:307.
    """
    difference = np.asarray(found, float) - np.asarray(truth, float)
    spread = 1.96 * difference.std(ddof=1) if len(difference) > 1 else 0.0
    return float(difference.mean()), float(difference.mean() - spread), float(difference.mean() + spread)


def area_under_curve(truth: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties half (Hanley, McNeil 1982).

    truth: 0 or 1; score: any scale. NaN when a class is missing.
    """
    truth, score = np.asarray(truth) > 0, np.asarray(score, float)
    positives, negatives = score[truth], np.sort(score[~truth])
    if not len(positives) or not len(negatives):
        return float("nan")
    below = np.searchsorted(negatives, positives, "left")
    level = np.searchsorted(negatives, positives, "right")
    return float((below + level).mean() / (2 * len(negatives)))


def roc_curve(truth: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates for every threshold, from (0, 0) to (1, 1)."""
    truth = np.asarray(truth) > 0
    order = np.argsort(-np.asarray(score, float), kind="stable")
    ends = np.flatnonzero(np.diff(np.asarray(score, float)[order], append=-np.inf))
    true, false = np.cumsum(truth[order])[ends], np.cumsum(~truth[order])[ends]
    rates = (np.concatenate([[0], counts / max(1, counts[-1])]) for counts in (false, true))
    return tuple(rates)


def reliability(truth: np.ndarray, probability: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Per bin of equal width that holds anything: mean probability, share of positives, and how many there are."""
    truth, probability = np.asarray(truth, float), np.asarray(probability, float)
    which = np.clip((probability * bins).astype(int), 0, bins - 1)
    return [
        {
            "probability": float(probability[which == n].mean()),
            "positive": float(truth[which == n].mean()),
            "n": int((which == n).sum()),
        }
        for n in range(bins)
        if (which == n).any()
    ]


def expected_calibration_error(truth: np.ndarray, probability: np.ndarray, bins: int = 10) -> float:
    """Mean distance of stated probability and observed share over the bins (Guo et al. 2017, arXiv 1706.04599)."""
    rows = reliability(truth, probability, bins)
    total = sum(row["n"] for row in rows)
    return sum(row["n"] * abs(row["probability"] - row["positive"]) for row in rows) / total if total else float("nan")
