"""Tables and figure of the experiment: mean Dice with interval per arm and size, tested against real cases alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.metrics import with_interval
from LesionKitLib.io.atomic import atomic_file
from StrokeSynthLib.results.experiment_table import COLORS, JSON, REAL, arm_title, format_number, format_p

CSV, MARKDOWN, FIGURE = "experiment.csv", "experiment.md", "experiment.png"
COLUMNS = ("size", "arm", "seeds", "patients", "dice", "low", "high", "dice_pooled", "gain", "p")
NOTE = (
    "Dice: mean over validation patients whose axial slice shows a lesion of at least 20 pixels, averaged over seeds; "
    "95 % bootstrap interval over patients. gain and p: against real cases alone of the same size and seeds, Wilcoxon "
    "signed-rank test over patients; what another choice of cases would give, more seeds have to tell. The translators "
    "and the synthetic lesions come from all training patients, "
    "whatever the number of real cases."
)


def summarize(results: list[dict], setting: dict) -> dict:
    """The document of the experiment. results: of experiment.run_one."""
    groups: dict[tuple, list[dict]] = {}
    for result in results:
        groups.setdefault((result["size"], result["arm"]), []).append(result)
    rows = [_row(size, arm, runs, groups.get((size, REAL))) for (size, arm), runs in groups.items()]
    order = {size: n for n, size in enumerate(dict.fromkeys(r["size"] for r in results))}
    rows.sort(key=lambda row: (order[row["size"]], row["arm"] != REAL, row["arm"]))
    return {"task": "stroke experiment", "setting": setting, "note": NOTE, "rows": rows}


def _row(size, arm: str, runs: list[dict], base: list[dict] | None) -> dict:
    dice = per_patient(runs)
    patients = sorted(dice)
    values = np.array([dice[p] for p in patients])
    interval = with_interval(lambda rows: float(values[rows].mean()) if len(rows) else float("nan"), patients)
    pooled = [run["dice_pooled"] for run in runs if run["dice_pooled"] is not None]
    row = {"size": size, "arm": arm, "seeds": len(runs), "patients": len(patients)}
    row |= {"dice": interval["mean"], "low": interval["low"], "high": interval["high"]}
    row |= {"dice_pooled": float(np.mean(pooled)) if pooled else None, "gain": None, "p": None}
    base = [run for run in base or [] if run["seed"] in {r["seed"] for r in runs}]
    if base and arm != REAL:
        against = per_patient(base)
        differences = np.array([dice[p] - against[p] for p in patients])
        row |= {"gain": float(differences.mean()), "p": wilcoxon(differences)}
    return row


def per_patient(runs: list[dict]) -> dict[str, float]:
    """Mean Dice of each patient over the seeds."""
    return {patient: float(np.mean([run["dice"][patient] for run in runs])) for patient in runs[0]["dice"]}


def wilcoxon(differences: np.ndarray) -> float | None:
    """Two-sided p of the Wilcoxon signed-rank test (Wilcoxon 1945); None where there is nothing to test."""
    if len(differences) < 6 or not np.any(differences):
        return None
    from scipy import stats

    return float(stats.wilcoxon(differences).pvalue)


def write_summary(summary: dict, folder: Path) -> None:
    """experiment.json, .csv, .md and .png in the folder."""
    with atomic_file(folder / JSON) as part:
        part.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    with atomic_file(folder / CSV) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(summary["rows"])
    with atomic_file(folder / MARKDOWN) as part:
        part.write_text(as_markdown(summary), encoding="utf-8")
    with atomic_file(folder / FIGURE) as part:
        draw(summary, part)


def as_markdown(summary: dict) -> str:
    """The table as Markdown."""
    lines = ["| real cases | added | seeds | Dice [95 %] | pooled | gain | p |", "|" + "---|" * 7]
    for row in summary["rows"]:
        added = "nothing" if row["arm"] == REAL else row["arm"]
        interval = f"{row['dice']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" if row["dice"] is not None else "-"
        cells = [
            row["size"],
            added,
            row["seeds"],
            interval,
            format_number(row["dice_pooled"]),
            format_number(row["gain"], "+"),
            format_p(row["p"]),
        ]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join([*lines, "", summary["note"], ""])


def draw(summary: dict, path: Path) -> None:
    """A picture (PNG): Dice over the number of real cases, one line for each arm."""
    from matplotlib.figure import Figure

    sizes = list(dict.fromkeys(row["size"] for row in summary["rows"]))
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    arms = list(dict.fromkeys(row["arm"] for row in summary["rows"]))
    for number, arm in enumerate(arms):
        rows = [row for row in summary["rows"] if row["arm"] == arm and row["dice"] is not None]
        places = [sizes.index(row["size"]) + 0.06 * (number - (len(arms) - 1) / 2) for row in rows]
        means = np.array([row["dice"] for row in rows])
        errors = [means - [row["low"] for row in rows], np.array([row["high"] for row in rows]) - means]
        axes.errorbar(places, means, np.abs(errors), marker="o", capsize=3, color=COLORS.get(arm), label=arm_title(arm))
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axes.set(xlabel="real cases", ylabel="Dice, mean over validation patients", ylim=(0, 1))
    axes.grid(axis="y", color="#dddddd")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120, format="png")
