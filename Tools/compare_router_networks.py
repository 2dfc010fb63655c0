"""Compares the router's networks: ``python Tools/compare_router_networks.py --data xr --models FOLDER ...``.

Writes docs/router-comparison.json, docs/router-accuracy.md and docs/figures/router-confusion.png. FOLDER: output
folders of ``lesionkit train router...`` for networks that are not bundled. --only NETWORK renews one network's row.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

from BodyPartRouterLib.labels import CLASSES, TITLES
from BodyPartRouterLib.networks.registry import NETWORKS
from LesionKitResearch.evaluation.router_figures import draw_confusion
from LesionKitResearch.evaluation.router_robustness import altered_xrays, other_pictures, outcomes

FOLDER = Path(__file__).resolve().parents[1] / "docs"
TABLE = FOLDER / "router-comparison.json"
METRICS = ("f1", "recall", "precision")
BATCH, REPEATS = 64, 5


def measure(network: str, data: Path) -> dict:
    """All figures of one network on the validation split, and its seconds per image."""
    from BodyPartRouterLib.classification.classifier import load_classifier
    from LesionKitResearch.evaluation.router import evaluate_router

    document, _ = evaluate_router(data, "val", network, "cpu")
    classifier = load_classifier(network, "cpu")
    card = classifier.model.card
    return {
        "document": document,
        "parameters": sum(p.numel() for p in classifier._net.parameters()),
        "megabytes": classifier.model.weights_path.stat().st_size / 1e6,
        "size": classifier.size,
        "steps": card["training"]["steps"],
        "seconds_per_image": network_seconds(classifier),
        "threads": classifier.runtime.description,
        "robustness": {name: outcomes(classifier, images) for name, images in altered_xrays(data).items()},
        "outside": {name: outcomes(classifier, images) for name, images in other_pictures(data).items()},
        "shortcuts": shortcuts(classifier, data),
    }


def network_seconds(classifier) -> float:
    """Median over repeats of the network's processor time for a batch, a picture; preparing not included.

    Processor time of one thread, so that a busy machine does not count.
    """
    views = np.random.default_rng(0).random((BATCH, 1, classifier.size, classifier.size)).astype(np.float32)
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        classifier._run(views, classifier.runtime)
        seconds.append((time.process_time() - start) / BATCH)
    return float(np.median(seconds))


def shortcuts(classifier, data: Path) -> dict[str, dict]:
    """What happens to chests when only what should not matter is changed or left."""
    from LesionKitResearch.augmentation.non_xrays import only_the_border
    from LesionKitResearch.augmentation.router import match_gray_values
    from LesionKitResearch.datasets.router import labeled_xrays

    items = [item for item in labeled_xrays(data, "val") if item.label in ("adult_chest", "pediatric_chest")]
    groups = {name: [item.gray for item in items if item.label == name] for name in ("adult_chest", "pediatric_chest")}
    found = {}
    for name, other in (("adult_chest", "pediatric_chest"), ("pediatric_chest", "adult_chest")):
        lenders = groups[other]
        swapped = [match_gray_values(gray, lenders[n % len(lenders)]) for n, gray in enumerate(groups[name])]
        said = classifier.predict([as_xray(gray) for gray in swapped])
        kept = [p.likeliest == name for p in said]
        found[f"{name} with gray values of {other}: still named right"] = {
            "share": float(np.mean(kept)),
            "n": len(kept),
        }
        cropped = [gray[n_rows(gray, 0.1), :][:, n_columns(gray, 0.1)] for gray in groups[name]]
        said = classifier.predict([as_xray(gray) for gray in cropped])
        kept = [p.likeliest == name for p in said]
        found[f"{name} without its outer 10 %: still named right"] = {"share": float(np.mean(kept)), "n": len(kept)}
    rng = np.random.default_rng(1)
    borders = [np.clip(only_the_border(item.gray, rng), 0, 255).astype(np.uint8) for item in items]
    found["only the border left: held"] = held_share(classifier, borders)
    return found


def n_rows(gray: np.ndarray, share: float) -> slice:
    return slice(int(share * gray.shape[0]), gray.shape[0] - int(share * gray.shape[0]))


def n_columns(gray: np.ndarray, share: float) -> slice:
    return n_rows(gray.T, share)


def held_share(classifier, grays: list[np.ndarray]) -> dict:
    said = classifier.predict([as_xray(gray) for gray in grays])
    return {"share": float(np.mean([p.held for p in said])), "n": len(said)}


def as_xray(gray: np.ndarray):
    from BodyPartRouterLib.reading.xray import Xray

    return Xray(gray.astype(np.float32) / 255)


# --- the page


def page(table: dict) -> str:
    """docs/router-accuracy.md."""
    best = table["efficientnet-lite0"]["document"]
    lines = [
        "# How well the body part router names X-rays",
        "",
        "Written by `Tools/compare_router_networks.py` from `lesionkit evaluate router --data xr --split val`. "
        "Research and education only, not a medical device.",
        "",
        f"{best['n']} validation X-rays of patients that no network learned from; mean with 95 % bootstrap "
        "interval over patients. Macro figures are of the likeliest class of every image, as the published ones are; "
        "*strict* counts a held image as missed.",
        "",
        "## The networks",
        "",
        "All see the same mixture and views; the Lite networks start from ImageNet weights and the light one from the "
        "trained Lite0, the other two from random weights, so fewer steps show. n: validation images when the network "
        "was measured; the data set has grown since those that are not bundled were. MB: weights as stored, half "
        "precision. Seconds: the network's processor time on one thread, batch of 64.",
        "",
        "| network | n | F1 | recall | precision | strict F1 | held | calibration error | s per image | parameters | "
        "MB | input | steps |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for network, row in table.items():
        document = row["document"]
        macro = " | ".join(figure(document["metrics"]["macro"][m]) for m in METRICS)
        lines.append(
            f"| {NETWORKS[network].title} | {document['n']} | {macro} | {figure(document['strict']['macro']['f1'])} | "
            f"{document['held']['mean']:.3f} | {document['calibration_error']:.3f} | {row['seconds_per_image']:.4f} | "
            f"{row['parameters'] / 1e6:.2f} million | {row['megabytes']:.1f} | {row['size']} | {row['steps']} |"
        )
    lines += [
        "",
        "Published for 11,263 training images of other data (Pham 2021): MobileNetV1 F1 0.981, recall 0.982, precision "
        "0.985, 0.0295 s per image; ResNet-18 F1 0.930.",
        "",
        "## By class",
        "",
        "| network | " + " | ".join(TITLES[name] for name in CLASSES) + " |",
        "|---|" + "---|" * len(CLASSES),
    ]
    for network, row in table.items():
        cells = [figure(row["document"]["metrics"][name]["f1"]) for name in CLASSES]
        lines.append(f"| {NETWORKS[network].title}, F1 | " + " | ".join(cells) + " |")
    lines += ["", "![Confusion matrix](figures/router-confusion.png)", "", "## By source", ""]
    lines += [
        "| source | n | " + " | ".join(NETWORKS[n].title for n in table) + " |",
        "|---|---|" + "---|" * len(table),
    ]
    for source, part in best["per_source"].items():
        sources = [row["document"]["per_source"] for row in table.values()]
        cells = [figure(one[source]["macro"]["accuracy"]) if source in one else "-" for one in sources]
        lines.append(f"| {source} | {part['macro']['n']} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Share of the images named right. Kermany, knee_oa, dental_landmark and scoliosisx hold one class each.",
    ]
    lines += _outcomes("## Turned, covered and collimated X-rays", table, "robustness")
    lines += _outcomes("## What is no X-ray", table, "outside")
    lines += _shares("## Shortcuts: what should not decide", table, "shortcuts")
    lines += [
        "",
        "The one source of children's chests stays the largest doubt: these checks show that gray values and margins "
        "alone do not decide, not that the anatomy does.",
        "",
    ]
    return "\n".join(lines)


def _outcomes(title: str, table: dict, key: str) -> list[str]:
    """Right / held / wrong of the networks that were measured so."""
    measured = {name: row[key] for name, row in table.items() if "wrong" in next(iter(row.get(key, {}).values()), {})}
    lines = ["", title, "", "Right / held for a person / wrong.", ""]
    lines += ["| | n | " + " | ".join(NETWORKS[n].title for n in measured) + " |", "|---|---|" + "---|" * len(measured)]
    for name in dict.fromkeys(name for row in measured.values() for name in row):
        parts = [row[name] for row in measured.values()]
        cells = [" / ".join(f"{part[share]:.3f}" for share in ("right", "held", "wrong")) for part in parts]
        lines.append(f"| {name} | {parts[0]['n']} | " + " | ".join(cells) + " |")
    return lines


def _shares(title: str, table: dict, key: str) -> list[str]:
    lines = [
        "",
        title,
        "",
        "| | n | " + " | ".join(NETWORKS[n].title for n in table) + " |",
        "|---|---|" + "---|" * len(table),
    ]
    names = list(dict.fromkeys(name for row in table.values() for name in row[key]))
    for name in names:
        cells = [f"{row[key][name]['share']:.3f}" if name in row[key] else "-" for row in table.values()]
        count = next(row[key][name]["n"] for row in table.values() if name in row[key])
        lines.append(f"| {name} | {count} | " + " | ".join(cells) + " |")
    return lines


def figure(value: dict) -> str:
    if value["mean"] is None:
        return "-"
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, nargs="*", default=[])
    parser.add_argument("--only", choices=tuple(NETWORKS))
    options = parser.parse_args()
    if options.models:
        os.environ["LESIONKIT_MODELS"] = os.pathsep.join(str(path) for path in options.models)
    from LesionKitCLI.shared.installed_models import installed_models

    there = {model.name for model in installed_models()}
    table = json.loads(TABLE.read_text("utf-8")) if options.only and TABLE.exists() else {}
    for network, entry in NETWORKS.items():
        if entry.model in there and options.only in (None, network):
            table[network] = measure(network, options.data.resolve())
            print(network, figure(table[network]["document"]["metrics"]["macro"]["f1"]), flush=True)
    table = {name: table[name] for name in NETWORKS if name in table}
    TABLE.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    (FOLDER / "router-accuracy.md").write_text(page(table), "utf-8")
    draw_confusion(table["efficientnet-lite0"]["document"], FOLDER / "figures" / "router-confusion.png")


if __name__ == "__main__":
    main()
