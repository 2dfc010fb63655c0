"""The bundled networks and their ensemble in one table: ``python compare_covid.py --data DIR [--peer FOLDER]``.

data: the folder with sirm100 and classify. For each network: Dice per class on sirm100's validation slices, area under
the ROC curve, sensitivity and specificity on classify's (all with 95 % intervals), parameters, GFLOP (multiplications
and additions) and CPU seconds of one 224 x 288 slice. --peer: a folder in which MONAI's DynUNet (the nnU-Net
architecture; needs the package monai) is trained on the same slices for as many steps as --peer-steps says, or found
trained. Writes compare_covid.json and compare_covid.md into --output.
"""

from __future__ import annotations

import argparse
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
    from CovidLungQuantLib.classification import evaluate_decisions
    from CovidLungQuantLib.evaluation import evaluate_slices
    from CovidLungQuantLib.networks_list import deciding_members, load_network, members

    masks = evaluate_slices(data / "sirm100", "val", name, "cpu")["metrics"]
    row = {"network": name, **{c: masks[c]["dice"] for c in CLASSES}, "area_r": masks["infection"]["r"]}
    if deciding_members(name):
        decision = evaluate_decisions(data / "classify", "val", name, "cpu")[0]["metrics"]["infection"]
        row |= {metric: decision[metric] for metric in DECISION}
    return row | cost([load_network(member)[1] for member in members(name)])


def peer_row(data: Path, folder: Path, steps: int) -> dict:
    """MONAI's DynUNet, trained by the same loop on the same slices, with the same loss, from random weights."""
    import torch
    from monai.networks.nets import DynUNet

    from CovidLungQuantLib.datasets import labelled_slices
    from CovidLungQuantLib.evaluation import metrics_of, score_slices
    from CovidLungQuantLib.joint_training import FRAME, JointMixture
    from CovidLungQuantLib.networks.heads import Heads
    from CovidLungQuantLib.networks.losses import segmentation_loss
    from CovidLungQuantLib.slicewise import picture_segmenter
    from CovidLungQuantLib.training import collate, covid_sources, draw_views
    from LesionKitLib.training import TrainingPlan, fit

    class Peer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = DynUNet(2, 2, 5, [3] * 6, [1, 2, 2, 2, 2, 2], [2] * 5, filters=[16, 32, 64, 128, 192, 192])

        def forward(self, x):
            y = self.net(x)
            return Heads(y[:, :1], y[:, 1:4], y[:, 4:])

    mixture = JointMixture().masks
    sources = covid_sources(data, mixture, 0)

    def loss_of(network, batch):
        keys = ("lesion", "lung", "infected", "weight")
        return segmentation_loss(network(batch["image"]), *(batch[key] for key in keys))

    torch.manual_seed(0)
    model = Peer()
    plan = TrainingPlan(steps=steps, warmup=min(50, steps // 10), ema=0.995, save_every=25)
    model = fit(
        model, [{"params": list(model.parameters())}], lambda rng: collate(draw_views(sources, mixture, rng, FRAME))[0],
        loss_of, plan, folder,
    )  # fmt: skip
    masks = metrics_of(score_slices(picture_segmenter(model, "cpu"), labelled_slices(data / "sirm100", "val")))
    return {
        "network": f"DynUNet (MONAI), {steps} steps",
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
    from CovidLungQuantLib.networks_list import CHOICES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path())
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--peer-steps", type=int, default=800)
    options = parser.parse_args()
    rows = [row_of(name, options.data) for name in CHOICES]
    if options.peer:
        rows.append(peer_row(options.data, options.peer, options.peer_steps))
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "compare_covid.json").write_text(json.dumps(rows, indent=2) + "\n")
    (options.output / "compare_covid.md").write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
