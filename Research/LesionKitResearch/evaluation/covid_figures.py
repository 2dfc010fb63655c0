"""Pictures of an evaluation: ROC curve and reliability diagram of decisions, agreement of lesion areas."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LesionKitLib.imaging.metrics import (
    area_under_curve,
    correlation,
    expected_calibration_error,
    limits_of_agreement,
    reliability,
    roc_curve,
)
from LesionKitLib.io.atomic import atomic_file

from .covid import ImageScore
from .covid_classification import DecisionScore

AREA_CLASSES = ("infection", "ggo", "high_opacity")


def draw_decisions(scores: list[DecisionScore], threshold: float, path: Path) -> None:
    """ROC curve with the operating point, reliability diagram with the number of pictures in each bin, as PNG."""
    truth = np.array([s.covid for s in scores])
    probability = np.array([s.probability for s in scores])
    with _page(path, 2) as (left, right):
        left.plot(*roc_curve(truth, probability), color="#1f4e79")
        called = probability >= threshold
        if truth.any() and not truth.all():
            left.plot(called[truth == 0].mean(), called[truth == 1].mean(), "o", color="#c0392b", label="in use")
        left.plot([0, 1], [0, 1], ":", color="0.6")
        left.set(xlabel="1 - specificity", ylabel="sensitivity", aspect="equal")
        left.set_title(f"ROC, area {area_under_curve(truth, probability):.3f}, n = {len(truth)}")
        left.legend(loc="lower right")
        rows = reliability(truth, probability)
        right.plot([0, 1], [0, 1], ":", color="0.6")
        right.plot([r["probability"] for r in rows], [r["positive"] for r in rows], "o-", color="#1f4e79")
        for row in rows:
            right.annotate(str(row["n"]), (row["probability"], row["positive"]), textcoords="offset points",
                           xytext=(6, -10), fontsize=8)  # fmt: skip
        right.set(xlabel="stated probability", ylabel="share of COVID-19", xlim=(0, 1), ylim=(0, 1), aspect="equal")
        right.set_title(f"Reliability, mean error {expected_calibration_error(truth, probability):.3f}")


def draw_areas(scores: list[ImageScore], path: Path) -> None:
    """Bland-Altman plots (Bland and Altman 1986, Lancet 327:307) and scatter plots of lesion areas in pixels, as PNG.

    One column for each class that the labels know.
    """
    names = [name for name in AREA_CLASSES if any(name in s.counts for s in scores)]
    with _page(path, len(names), rows=2) as axes:
        for n, name in enumerate(names):
            counts = [s.counts[name] for s in scores if name in s.counts]
            truth = np.array([c.truth for c in counts], float)
            found = np.array([c.predicted for c in counts], float)
            _scatter(axes[n], truth, found, name.replace("_", " "))
            _bland_altman(axes[len(names) + n], truth, found)


def _scatter(axis, truth: np.ndarray, found: np.ndarray, name: str) -> None:
    top = max(1.0, truth.max(), found.max())
    axis.plot([0, top], [0, top], ":", color="0.6")
    axis.plot(truth, found, "o", color="#1f4e79", alpha=0.7)
    axis.set(xlabel="expert (pixels)", ylabel="network (pixels)", title=f"{name}, r = {correlation(truth, found):.3f}")


def _bland_altman(axis, truth: np.ndarray, found: np.ndarray) -> None:
    axis.plot((truth + found) / 2, found - truth, "o", color="#1f4e79", alpha=0.7)
    mean, low, high = limits_of_agreement(truth, found)
    for value, style in ((mean, "-"), (low, "--"), (high, "--")):
        axis.axhline(value, linestyle=style, color="#c0392b", linewidth=1)
    axis.set(xlabel="mean of both (pixels)", ylabel="network - expert")
    axis.set_title(f"bias {mean:.0f}, limits {low:.0f} to {high:.0f}", fontsize=9)


class _page:
    """A figure with so many columns of axes, written when its block ends without an error."""

    def __init__(self, path: Path, columns: int, rows: int = 1):
        self.path, self.columns, self.rows = path, columns, rows

    def __enter__(self):
        from matplotlib.figure import Figure  # not pyplot: the caller's backend stays as it is

        self.figure = Figure(figsize=(4.6 * self.columns, 4.2 * self.rows), layout="constrained")
        return list(self.figure.subplots(self.rows, self.columns, squeeze=False).ravel())

    def __exit__(self, kind, *_):
        if kind is None:
            with atomic_file(self.path) as part:
                self.figure.savefig(part, dpi=110, format="png", metadata={"Software": None})
