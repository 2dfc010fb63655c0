"""A model's card as a section of a report: what the model cannot do before how well it does."""

from __future__ import annotations

from .document import Facts, Notes, Row, Section, Table, Text
from .text import interval

METRICS = {  # key -> title, in the order of the columns
    "dice": "Dice", "auc": "AUC", "f1": "F1", "sensitivity": "Sensitivity", "recall": "Recall",
    "specificity": "Specificity", "precision": "Precision", "r": "Correlation r",
}  # fmt: skip


def card_section(card: dict) -> Section:
    """Limits, accuracy with intervals, intended use, data and license of a card; what it does not say is left out."""
    name = " ".join(str(card[key]) for key in ("name", "version") if card.get(key))
    blocks: list = []
    limits = tuple(str(limit) for limit in card.get("limits") or ())
    if limits:
        blocks += [Text("Limits:"), Notes(limits)]
    accuracy = _accuracy(card.get("metrics") or {})
    if accuracy is not None:
        measured = card.get("metrics_data")
        blocks += [Text(f"Accuracy{f', on {measured}' if measured else ''}:"), accuracy]
    blocks.append(Facts(_facts(card)))
    return Section(f"The model {name}".strip(), tuple(blocks), together=False)


def _accuracy(metrics: dict) -> Table | None:
    groups = {
        name: row for name, row in metrics.items() if isinstance(row, dict) and any(map(_is_metric, row.values()))
    }
    shown = [key for key in METRICS if any(_is_metric(row.get(key)) for row in groups.values())]
    if not shown:
        return None
    rows = []
    for name, row in groups.items():
        cells = [interval(**row[key]) if _is_metric(row.get(key)) else "" for key in shown]
        rows.append(Row((name.replace("_", " "), *cells, str(row.get("n", "")))))
    header = ("Class", *(METRICS[key] for key in shown), "Images")
    return Table(header, tuple(rows), (1.6, *[1.5] * len(shown), 0.7), caption="In brackets: 95 % intervals.")


def _is_metric(value) -> bool:
    return isinstance(value, dict) and set(value) == {"mean", "low", "high"}


def _facts(card: dict) -> tuple[tuple[str, str], ...]:
    facts = (
        ("Intended use", card.get("intended_use")),
        ("Task", card.get("task")),
        ("Reference", card.get("reference")),
        ("Training data", _data(card.get("training_data") or ())),
        ("Split", card.get("split")),
        ("License", card.get("license")),
    )
    return tuple((title, str(text)) for title, text in facts if text)


def _data(sources) -> str:
    if isinstance(sources, str):
        return sources
    return "; ".join(
        f"{source['name']} ({source['license']})" if source.get("license") else str(source.get("name", ""))
        for source in sources
    )
