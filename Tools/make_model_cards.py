"""Writes docs/models/NAME.md and, beside the weights, LICENSE.txt from the bundled card.json files.

``.venv/bin/python Tools/make_model_cards.py``
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from CovidLungQuantLib.classification.decision import accuracy_sentence
from LesionKitCLI.shared.installed_models import installed_models
from LesionKitLib.models.registry import Model

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "models"
_CLASSES = ("infection", "ggo", "consolidation", "high_opacity")


def card_text(model: Model) -> str:
    """The card as Markdown."""
    card = model.card
    lines = [f"# {card['name']} {card['version']}", "", f"**{card['intended_use']}**", ""]
    lines += [
        f"- Task: {card['task']}",
        f"- Network: `{card['network']}`; {card.get('architecture', card['reference'])}",
        f"- License: {card['license']}",
    ]
    lines += [f"- sha256: `{card['sha256']}`", "", "## Input and labels", ""]
    lines += [f"- {key.replace('_', ' ')}: {_plain(value)}" for key, value in card["input"].items()]
    lines += [f"- label {value}: {name}" for value, name in card["labels"].items()]
    lines += ["", "## Training data", "", "| data | labels | license |", "|---|---|---|"]
    lines += [f"| {d['name']} | {d.get('labels', '')} | {d['license']} |" for d in card["training_data"]]
    lines += ["", f"Split: {card['split']}.", "", f"Command: `{card['training']['command']}`."]
    if "recipe" in card["training"]:
        lines += ["", f"Recipe: {card['training']['recipe']}."]
    lines += ["", "## Figures", ""]
    lines += [f"{card['metrics_data']}; printed by `{card['metrics_command']}`."]
    lines += _intervals(card["metrics"]) if _has_intervals(card["metrics"]) else _single_figures(card["metrics"])
    if "cross_validation" in card:
        lines += ["", *_cross_validation(card)]
    if "decision_rule" in card:
        values = ", ".join(f"{key} {value:.3g}" for key, value in card["decision"].items() if value is not None)
        lines += ["", "## Decision", "", card["decision_rule"], "", f"Calibrated on patients held out: {values}."]
    if "decision_evidence" in card:
        lines += ["", accuracy_sentence([card])]
        left_out = card["decision_evidence"].get("leave_one_source_out", {})
        if left_out:
            rows = [f"| {s} | {e['patients']} | {e['n']} | {_figure(e['auc'])} |" for s, e in left_out.items()]
            lines += ["", "| source left out | patients | pictures | AUC |", "|---|---|---|---|", *rows]
        lines += ["", f"Remark: {card['decision_evidence']['remark']}."]
    if "head" in card["training"]:
        lines += ["", f"Head: {card['training']['head']}."]
    lines += ["", "## Limits", "", *[f"- {limit}" for limit in card["limits"]], ""]
    return "\n".join(lines)


def _cross_validation(card: dict) -> list[str]:
    document = card["cross_validation"]
    folds = ["/".join(f"{f['metrics'][c]['dice']['mean'] or 0:.3f}" for f in document["per_fold"]) for c in _CLASSES]
    rows = [f"| {c} | {_figure(document['metrics'][c]['dice'])} | {f} |" for c, f in zip(_CLASSES, folds, strict=True)]
    return [
        "## Cross-validation", "",
        f"{document['folds']} folds over {document['n']} slices, {document['steps']} steps each "
        f"from ImageNet's weights (`{document['command']}`). {document['split'].capitalize()}.",
        "", "| class | Dice | folds |", "|---|---|---|", *rows,
        "", f"![Folds](../figures/cross-validation-{document['network']}.png)",
    ]  # fmt: skip


def _has_intervals(metrics: dict) -> bool:
    groups = [figures for figures in metrics.values() if isinstance(figures, dict)]
    return any(isinstance(value, dict) and "low" in value for figures in groups for value in figures.values())


def _intervals(metrics: dict) -> list[str]:
    """Tables of figures that have an interval."""
    lines = ["Mean with 95 % bootstrap interval over patients.", ""]
    before: list[str] = []
    for name, figures in metrics.items():
        names = [n for n, v in figures.items() if isinstance(v, dict)]
        if names != before:  # masks and decisions have different figures, so each their own table
            lines += [""] if before else []
            lines += ["| class | n | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
            before = names
        lines.append(f"| {name} | {figures['n']} | " + " | ".join(_figure(figures[n]) for n in names) + " |")
    return lines


def _single_figures(metrics: dict) -> list[str]:
    """A table with a row for each figure, nested ones by their path."""
    lines = ["", "| figure | value |", "|---|---|"]

    def add(figures: dict, path: str) -> None:
        for name, value in figures.items():
            here = f"{path}{name.replace('_', ' ')}"
            if isinstance(value, dict):
                add(value, f"{here}: ")
            else:
                lines.append(f"| {here} | {value if isinstance(value, int) else format(value, '.3f')} |")

    add(metrics, "")
    return lines


def _figure(value: dict) -> str:
    if value["mean"] is None:
        return "-"
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _plain(value) -> str:
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)


def license_text(card: dict) -> str:
    """What the weights may be used for, and the terms of what they were trained on, for LICENSE.txt beside them."""
    lines = [
        f"The weights {card['name']} {card['version']}",
        "",
        f"{card['license']}. The Apache License 2.0 of this project's code does not cover them.",
        card["intended_use"],
        "",
        "They were trained on these data, whose terms bind whoever uses the weights:",
    ]
    for data in card["training_data"]:
        lines += ["", *textwrap.wrap(f"- {data['name']}: {data['license']}", 100, subsequent_indent="  ")]
    return "\n".join([*lines, ""])


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for model in installed_models():
        (FOLDER / f"{model.name}.md").write_text(card_text(model), encoding="utf-8")
        (model.folder / "LICENSE.txt").write_text(license_text(model.card), encoding="utf-8")


if __name__ == "__main__":
    main()
