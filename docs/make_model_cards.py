"""Writes docs/models/<name>.md from the bundled card.json files: ``.venv/bin/python docs/make_model_cards.py``."""

from __future__ import annotations

from pathlib import Path

from LesionKitLib.catalogue import Model, list_models

FOLDER = Path(__file__).parent / "models"


def card_text(model: Model) -> str:
    """The card as Markdown."""
    card = model.card
    lines = [f"# {card['name']} {card['version']}", "", f"**{card['intended_use']}**", ""]
    lines += [
        f"- Task: {card['task']}",
        f"- Network: `{card['network']}`; {card['reference']}",
        f"- Licence: {card['licence']}",
    ]
    lines += [f"- sha256: `{card['sha256']}`", "", "## Input and labels", ""]
    lines += [f"- {key.replace('_', ' ')}: {_plain(value)}" for key, value in card["input"].items()]
    lines += [f"- label {value}: {name}" for value, name in card["labels"].items()]
    lines += ["", "## Training data", "", "| data | labels | licence |", "|---|---|---|"]
    lines += [f"| {d['name']} | {d.get('labels', '')} | {d['licence']} |" for d in card["training_data"]]
    lines += ["", f"Split: {card['split']}.", "", f"Command: `{card['training']['command']}`.", "", "## Figures", ""]
    lines += [
        f"{card['metrics_data']}; printed by `{card['metrics_command']}`.",
        "Mean with 95 % bootstrap interval over patients.",
        "",
    ]
    before: list[str] = []
    for name, figures in card["metrics"].items():
        names = [n for n, v in figures.items() if isinstance(v, dict)]
        if names != before:  # masks and decisions have different figures, so each their own table
            lines += [""] if before else []
            lines += ["| class | n | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
            before = names
        lines.append(f"| {name} | {figures['n']} | " + " | ".join(_figure(figures[n]) for n in names) + " |")
    if "decision_rule" in card:
        values = ", ".join(f"{key} {value:.3g}" for key, value in card["decision"].items() if value is not None)
        lines += ["", "## Decision", "", card["decision_rule"], "", f"Calibrated on patients held aside: {values}."]
    lines += ["", "## Limits", "", *[f"- {limit}" for limit in card["limits"]], ""]
    return "\n".join(lines)


def _figure(value: dict) -> str:
    if value["mean"] is None:
        return "-"
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _plain(value) -> str:
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for model in list_models():
        (FOLDER / f"{model.name}.md").write_text(card_text(model), encoding="utf-8")


if __name__ == "__main__":
    main()
