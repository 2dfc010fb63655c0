"""The bundled networks and their ensemble in one table: ``python compare_covid.py --data DIR [--folds FOLDER]``.

data: the folder with sirm100 and classify. For each network: Dice per class on sirm100's validation slices, area under
the ROC curve, sensitivity and specificity on classify's (all with 95 % intervals), parameters, GFLOP (multiplications
and additions) and CPU seconds of one 224 x 288 slice.

--folds: the output of ``lesionkit train covid-convlstm --folds 5 --steps N``. MONAI's DynUNet (the nnU-Net
architecture; needs the package monai) is then trained on the first fold's data by the same loop, with the same batches
and loss, for as long (or --peer-steps steps), and both are scored on the slices held out of that fold.

Writes compare_covid.json and compare_covid.md into --output.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

SLICE = (1, 2, 224, 288)
CLASSES = ("infection", "ggo", "high_opacity")
DECISION = ("auc", "sensitivity", "specificity")


def cost(networks: list) -> dict[str, float]:
    """Parameters in millions, GFLOP and seconds (best of five, on one thread) of one slice through all of them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(1)
    x = torch.rand(SLICE)
    with torch.inference_mode():
        counter = FlopCounterMode(display=False)
        with counter:
            for network in networks:
                network(x)
        seconds = []
        for _ in range(5):
            start = time.process_time()
            for network in networks:
                network(x)
            seconds.append(time.process_time() - start)
    return {
        "parameters_m": sum(p.numel() for n in networks for p in n.parameters()) / 1e6,
        "gflop": counter.get_total_flops() / 1e9,
        "seconds": min(seconds),
    }


def row_of(name: str, data: Path) -> dict:
    """The figures of one choice of network."""
    from CovidLungQuantLib.networks.registry import deciding_members, load_network, members
    from LesionKitResearch.evaluation.covid import evaluate_slices
    from LesionKitResearch.evaluation.covid_classification import evaluate_decisions

    masks = evaluate_slices(data / "sirm100", "val", name, "cpu")["metrics"]
    row = {"network": name, **{c: masks[c]["dice"] for c in CLASSES}, "area_r": masks["infection"]["r"]}
    if deciding_members(name):
        decision = evaluate_decisions(data / "classify", "val", name, "cpu")[0]["metrics"]["infection"]
        row |= {metric: decision[metric] for metric in DECISION}
    return row | cost([load_network(member)[1] for member in members(name)])


def fold_rows(folds: Path, steps: int) -> list[dict]:
    """The ConvLSTM network of the first fold, and its peer trained on the same fold; steps: 0 for the same time."""
    from CovidLungQuantLib.networks.registry import load_network
    from LesionKitResearch.experiments.cross_validation import RESULT

    document = json.loads((folds / RESULT).read_text(encoding="utf-8"))
    own, first = load_network("convlstm")[1], document["per_fold"][0]
    title = f"ConvLSTM, fold 1 (n = {first['n']}), {document['steps']} steps"
    masks = {**{c: first["metrics"][c]["dice"] for c in CLASSES}, "area_r": first["metrics"]["infection"]["r"]}
    return [{"network": title, **masks, **cost([own])}, trained_peer(folds, own, document, steps)]


def trained_peer(folds: Path, own, document: dict, steps: int) -> dict:
    """The peer's row. document: says steps and seed of the cross-validation; own: its network."""
    from LesionKitResearch.training.covid import Mixture, covid_sources

    sources = covid_sources(folds / "fold0" / "data", Mixture(), document["seed"])
    seconds = seconds_of_a_step(own, sources, of_sequences=True), seconds_of_a_step(build_peer(), sources)
    steps = steps or round(document["steps"] * seconds[0] / seconds[1])
    print(f"A step takes {seconds[0]:.2f} s (ConvLSTM), {seconds[1]:.2f} s (DynUNet) of one processor: {steps} steps.")
    return peer_row(folds / "fold0" / "data", sources, folds / "peer", steps)


def build_peer():
    """MONAI's DynUNet with our heads, from random weights."""
    import torch
    from monai.networks.nets import DynUNet

    from CovidLungQuantLib.networks.heads import Heads

    class Peer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = DynUNet(2, 2, 5, [3] * 6, [1, 2, 2, 2, 2, 2], [2] * 5, filters=[16, 32, 64, 128, 192, 192])

        def forward(self, x):
            y = self.net(x)
            return Heads(y[:, :1], y[:, 1:4], y[:, 4:])

    torch.manual_seed(0)
    return Peer()


def channels_last(image):
    """The order in memory that our trainings use."""
    import torch

    return image.contiguous(memory_format=torch.channels_last)


def loss_of(network, drawn):
    """The segmentation loss of a batch of slices."""
    from LesionKitResearch.losses.covid import segmentation_loss

    batch, _ = drawn
    return segmentation_loss(
        network(channels_last(batch["image"])), *(batch[k] for k in ("lesion", "lung", "infected", "weight"))
    )


def seconds_of_a_step(network, sources: dict, of_sequences: bool = False, count: int = 3) -> float:
    """Processor seconds of forward and backward of a batch; the network's gradients are thrown away."""
    import numpy as np
    import torch

    from LesionKitResearch.losses.covid import segmentation_loss
    from LesionKitResearch.training.covid import Mixture, draw_batch

    network = copy.deepcopy(network).train().to(memory_format=torch.channels_last)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    best = float("inf")
    for n in range(count):
        batch, lengths = draw_batch(sources, Mixture(), np.random.default_rng(n))
        image = channels_last(batch["image"])
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            heads = network(image, lengths) if of_sequences else network(image)
            loss, _ = segmentation_loss(heads, *(batch[k] for k in ("lesion", "lung", "infected", "weight")))
        loss.backward()
        best = min(best, time.process_time() - start)
    return best


def peer_row(data: Path, sources: dict, folder: Path, steps: int) -> dict:
    """The peer, trained by the same loop and scored on the fold's held-out slices."""
    import torch

    from LesionKitResearch.datasets.covid import labeled_slices
    from LesionKitResearch.evaluation.covid import metrics_of, score_slices
    from LesionKitResearch.evaluation.covid_pictures import picture_segmenter
    from LesionKitResearch.training.covid import Mixture, draw_batch
    from LesionKitResearch.training.loop import TrainingPlan, fit

    model = build_peer().to(memory_format=torch.channels_last)
    plan = TrainingPlan(steps=steps, warmup=min(100, steps // 10), save_every=25)
    groups = [{"params": list(model.parameters())}]
    model = fit(model, groups, lambda rng: draw_batch(sources, Mixture(), rng), loss_of, plan, folder)
    held_out = list(labeled_slices(data / "sirm100", "val"))
    masks = metrics_of(score_slices(picture_segmenter(model, "cpu"), held_out))
    return {
        "network": f"DynUNet (MONAI), fold 1 (n = {len(held_out)}), {steps} steps",
        **{c: masks[c]["dice"] for c in CLASSES},
        "area_r": masks["infection"]["r"],
        **cost([model]),
    }


def table(rows: list[dict]) -> str:
    """Markdown."""
    columns = [*CLASSES, "area_r", *DECISION]
    names = {"infection": "Dice infection", "ggo": "Dice GGO", "high_opacity": "Dice high opacity", "area_r": "area r"}
    head = ["network", *(names.get(c, c) for c in columns), "M parameters", "GFLOP", "CPU s"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row["network"], *(_figure(row.get(c)) for c in columns)]
        cells += [f"{row['parameters_m']:.2f}", f"{row['gflop']:.1f}", f"{row['seconds']:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _figure(value: dict | None) -> str:
    if value is None or value["mean"] is None:
        return "–"
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def main() -> None:
    from CovidLungQuantLib.networks.registry import CHOICES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path())
    parser.add_argument("--folds", type=Path)
    parser.add_argument("--peer-steps", type=int, default=0)
    options = parser.parse_args()
    rows = [row_of(name, options.data) for name in CHOICES]
    if options.folds:
        rows += fold_rows(options.folds, options.peer_steps)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "compare_covid.json").write_text(json.dumps(rows, indent=2) + "\n")
    (options.output / "compare_covid.md").write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
