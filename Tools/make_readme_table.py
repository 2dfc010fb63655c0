"""Writes the table of accuracy in README.md from the model cards: ``.venv/bin/python Tools/make_readme_table.py``."""

from __future__ import annotations

import re
from pathlib import Path

from LesionKitCLI.shared.installed_models import installed_models

PAGE = Path(__file__).resolve().parents[1] / "README.md"
ROWS = (  # what is measured, model, metric's path in its card
    ("pneumonia on CT, Dice", "covid-convlstm", "infection", "dice"),
    ("ground glass on CT, Dice", "covid-convlstm", "ggo", "dice"),
    ("consolidation on CT, Dice", "covid-convlstm", "consolidation", "dice"),
    ("COVID-19 or not, area under the ROC curve", "covid-jcs", "decision", "auc"),
    ("stroke on axial FLAIR, Dice", "stroke-unet", "soop_flair_axial", "dice"),
    ("body part of X-rays, macro F1", "router-efficientnet-lite0", "macro", "f1"),
)


def table(cards: dict[str, dict]) -> str:
    """The table as Markdown. cards: by the models' names."""
    lines = ["| what | network | mean [95 %] | n |", "|---|---|---|---|"]
    for title, name, key, metric in ROWS:
        figures = cards[name]["metrics"][key]
        value = figures[metric]
        interval = f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
        network = f"[{name} {cards[name]['version']}](docs/models/{name}.md)"
        lines.append(f"| {title} | {network} | {interval} | {figures['n']} |")
    return "\n".join(lines)


def updated(text: str) -> str:
    """The page with the table of today's cards in its place."""
    content = table({model.name: model.card for model in installed_models()})
    place = re.compile(r"(<!-- accuracy -->\n).*?(<!-- /accuracy -->)", re.DOTALL)
    return place.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
