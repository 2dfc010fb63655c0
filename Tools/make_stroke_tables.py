"""Writes the tables of docs/stroke-synthesis.md from the model cards: ``.venv/bin/python docs/make_stroke_tables.py``.

Each table stands between ``<!-- NAME -->`` and ``<!-- /NAME -->`` in the text; what lies between is replaced.
"""

from __future__ import annotations

import re
from pathlib import Path

from LesionKitCLI.shared.installed_models import installed_models

PAGE = Path(__file__).resolve().parents[1] / "docs" / "stroke-synthesis.md"
TRANSLATORS = {"pix2pix": "Pix2Pix", "spade": "SPADE", "cyclegan": "CycleGAN"}
TISSUES = {"csf": "fluid", "ventricles": "ventricles", "gray_matter": "gray", "white_matter": "white",
           "deep_gray_matter": "deep gray", "lesion": "lesion"}  # fmt: skip
UNITS = {
    "log volume": "log10 ml", "elongation": "ratio", "surface to volume": "1/mm", "distance from the middle": "mm",
    "posterior": "mm, -MNI y", "superior": "mm, MNI z",
}  # fmt: skip


def masks_table(metrics: dict) -> str:
    """Shapes and places of the mask GAN's lesions against held-out ones."""
    lines = ["| feature | unit | median drawn | median real | KS distance | p |", "|---|---|---|---|---|---|"]
    for name, row in metrics["distribution"].items():
        cells = [f"{row[key]:.2f}" for key in ("median_drawn", "median_held_out")]
        lines.append(f"| {name} | {UNITS[name]} | {' | '.join(cells)} | {row['ks']:.2f} | {row['p']:.3f} |")
    left, heat, copies = (metrics[k] for k in ("left_share", "heat_map_correlation", "dice_with_nearest_training_mask"))
    lines += ["", "| figure | drawn | held out, real |", "|---|---|---|"]
    lines.append(f"| share of left lesions | {left['drawn']:.2f} | {left['held_out']:.2f} |")
    drawn, training = heat["drawn_and_held_out"], heat["training_and_held_out"]
    lines.append(
        f"| r of the frequency map with that of held-out lesions | {drawn:.2f} | {training:.2f} (training lesions) |"
    )
    for key, title in (("median", "median"), ("max", "largest")):
        pair = [copies[group][key] for group in ("drawn", "held_out")]
        lines.append(f"| Dice with the nearest training mask, {title} | {pair[0]:.2f} | {pair[1]:.2f} |")
    lines.append(f"| accuracy of telling drawn from real by the nearest neighbor (0.5 is best) | "
                 f"{metrics['nearest_neighbor_accuracy']:.2f} | |")  # fmt: skip
    return "\n".join(lines)


def translators_table(cards: dict[str, dict]) -> str:
    """Likeness of each translator's slices to held-out ones."""
    titles = " | ".join(TRANSLATORS[name] for name in cards)
    lines = [f"| figure | {titles} | two halves of the real slices |", "|---|" + "---|" * (len(cards) + 1)]
    metrics = [card["metrics"] for card in cards.values()]
    for plane in ("axial", "coronal", "sagittal"):
        count = metrics[0][plane]["n"]
        lines.append(_line(f"SSIM, {plane} (n = {count})", [m[plane]["ssim"] for m in metrics]))
    for plane in ("axial", "coronal", "sagittal"):
        lines.append(_line(f"PSNR (dB), {plane}", [m[plane]["psnr"] for m in metrics], ".1f"))
    if all("features" in m for m in metrics):
        for key, title in (("frechet_distance", "Fréchet distance"), ("kernel_distance", "kernel distance")):
            values = [m["features"][key] for m in metrics]
            lines.append(_line(f"{title} of features", values, ".1f", metrics[0]["features"][f"{key}_real_halves"]))
    for key, title in TISSUES.items():
        values = [m["axial"]["histogram"].get(key) for m in metrics]
        if None not in values:
            lines.append(_line(f"gray values of {title}, axial (distance, of 2)", values))
    return "\n".join(lines)


def _line(title: str, values: list[float], form: str = ".3f", real: float | None = None) -> str:
    cells = [format(value, form) for value in values]
    return f"| {title} | {' | '.join(cells)} | {format(real, form) if real is not None else ''} |"


def put(text: str, name: str, content: str) -> str:
    """The page with a table in its place."""
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not place.search(text):
        raise SystemExit(f"{PAGE.name} has no place for {name}.")
    return place.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


def main() -> None:
    cards = {model.name: model.card for model in installed_models()}
    text = PAGE.read_text(encoding="utf-8")
    text = put(text, "masks", masks_table(cards["stroke-mask-gan"]["metrics"]))
    translators = {name: cards[f"stroke-{name}"] for name in TRANSLATORS if f"stroke-{name}" in cards}
    PAGE.write_text(put(text, "translators", translators_table(translators)), encoding="utf-8")


if __name__ == "__main__":
    main()
