"""K-fold cross-validation by patient on the training slices of sirm100: no patient group is ever in both parts."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from LesionKitLib.io.atomic import atomic_file
from LesionKitLib.run.errors import UnusableInput
from LesionKitResearch.datasets.covid import labeled_slices
from LesionKitResearch.evaluation.covid import ImageScore, metrics_of, score_slices

RESULT = "cross_validation.json"


def fold_of_groups(groups: list[str], sizes: list[int], folds: int) -> dict[str, int]:
    """Group -> fold, so that folds hold about the same number of slices: the largest group first, to the emptiest fold.

    Raises UnusableInput for fewer groups than folds.
    """
    if len(groups) < folds:
        raise UnusableInput(f"There are only {len(groups)} patient groups, too few for {folds} folds.")
    filled, chosen = [0] * folds, {}
    for n in sorted(range(len(groups)), key=lambda n: (-sizes[n], groups[n])):
        fold = int(np.argmin(filled))
        chosen[groups[n]] = fold
        filled[fold] += sizes[n]
    return chosen


def make_fold(data: Path, folder: Path, fold: int, folds: int) -> Path:
    """A data folder for one fold: ``data``'s sets, and a sirm100 whose training rows of that fold are "val".

    Rows that were not training rows are left out altogether.
    """
    import pandas as pd

    table = pd.read_csv(data / "sirm100" / "split.csv", dtype={"id": str, "group": str})
    table = table[table["split"] == "train"].copy()
    counts = table["group"].value_counts()
    folds_of = fold_of_groups(list(counts.index), [int(n) for n in counts], folds)
    table["split"] = ["val" if folds_of[group] == fold else "train" for group in table["group"]]
    own = folder / "sirm100"
    own.mkdir(parents=True, exist_ok=True)
    table.to_csv(own / "split.csv", index=False)
    for target, link in [(data / "sirm100" / part, own / part) for part in ("img", "lab")] + [
        (data / name, folder / name) for name in ("pseudo1600", "volumes", "classify") if (data / name).exists()
    ]:
        if not link.exists():
            show_folder(target.resolve(), link)
    return folder


def show_folder(target: Path, place: Path) -> None:
    """Make the folder ``target`` readable at ``place``: a symbolic link, or where those are not allowed (Windows) hard
    links to its files, or where neither is (another disk) copies."""
    try:
        place.symlink_to(target, target_is_directory=True)
    except OSError:
        shutil.copytree(target, place, copy_function=_hard_link)


def _hard_link(source: str, copy: str) -> None:
    try:
        os.link(source, copy)
    except OSError:
        shutil.copy2(source, copy)


def cross_validate(
    data: Path,
    output: Path,
    folds: int,
    train: Callable[[Path, Path], Callable[[np.ndarray], np.ndarray]],
    about: dict | None = None,
) -> dict:
    """Train and score every fold; writes and returns the document. about: what else it shall say, e.g. the network.

    train(data, output): trains on a data folder and gives the function from a picture to its labels. A fold whose
    training was stopped goes on where it stopped; scored folds are not scored again.
    """
    scores: list[ImageScore] = []
    per_fold = []
    for fold in range(folds):
        place = output / f"fold{fold}"
        fold_data = make_fold(data, place / "data", fold, folds)
        held_out = list(labeled_slices(fold_data / "sirm100", "val"))
        own = score_slices(train(fold_data, place), held_out)
        per_fold.append({"fold": fold, "n": len(own), "metrics": metrics_of(own)})
        scores += own
    document = {
        "task": "covid",
        **(about or {}),
        "folds": folds,
        "n": len(scores),
        "metrics": metrics_of(scores),
        "per_fold": per_fold,
        "split": "training groups of sirm100 by visual patient group; rows of the validation split are in no fold",
    }
    with atomic_file(output / RESULT) as path:
        path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return document


def draw_folds(document: dict, path: Path) -> None:
    """Dice per class: the folds as points, the mean over all held-out slices with its interval as a bar, as PNG."""
    from matplotlib.figure import Figure  # not pyplot: the caller's backend stays as it is

    names = [n for n in document["metrics"] if document["metrics"][n]["dice"]["mean"] is not None]
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axis = figure.subplots()
    for n, name in enumerate(names):
        whole = document["metrics"][name]["dice"]
        axis.bar(n, whole["mean"], color="#9db8d2", width=0.6)
        axis.plot([n, n], [whole["low"], whole["high"]], color="#1f4e79")
        points = [f["metrics"][name]["dice"]["mean"] for f in document["per_fold"]]
        points = [p for p in points if p is not None]
        axis.plot(np.linspace(n - 0.15, n + 0.15, len(points)), points, ".", color="#c0392b")
    axis.set_xticks(range(len(names)), [name.replace("_", " ") for name in names])
    axis.set(ylabel="Dice", ylim=(0, 1), title=f"{document['folds']}-fold cross-validation, n = {document['n']}")
    with atomic_file(path) as part:
        figure.savefig(part, dpi=110, format="png")
