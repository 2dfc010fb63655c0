"""The confusion matrix as a picture."""

from __future__ import annotations

from pathlib import Path

from BodyPartRouterLib.labels import TITLES


def draw_confusion(document: dict, path: Path) -> None:
    """document: as evaluate_router gives it; path: .png."""
    import numpy as np
    from matplotlib.figure import Figure  # not pyplot: the caller's backend stays as it is

    table = np.array(document["confusion"])
    names = [TITLES[name].split(":")[0] for name in document["confusion_labels"]]
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=color)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(table)), names[: len(table)])
    axes.set(
        xlabel="answer", ylabel="truth", title=f"{document['network']}: {document['n']} X-rays, {document['split']}"
    )
    figure.savefig(path, dpi=110, format="png", metadata={"Software": None})
