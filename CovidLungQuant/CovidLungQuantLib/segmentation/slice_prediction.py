"""One network over the slices of the chest box: probabilities of every slice, and what else its heads give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.resample import linear_weights
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.models.inference import Runtime
from LesionKitLib.run.progress import Progress

from .chest_box import ChestBox
from .frames import channels_of_hu

PROBABILITIES = 5  # lung, any lesion, ground glass, consolidation, effusion


@dataclass(frozen=True)
class SliceOutputs:
    """What a network gives for n slices beside the masks; None where it has no such head.

    logits (n): of the decision. errors (n): of the reconstruction. activation (n, h, w): the class activation map.
    """

    logits: np.ndarray | None = None
    errors: np.ndarray | None = None
    activation: np.ndarray | None = None


def predict_slices(
    lps: Volume, box: ChestBox, net, runtime: Runtime, progress: Progress, part: tuple[float, float] = (0.0, 1.0)
) -> tuple[np.ndarray, SliceOutputs]:
    """Probabilities (n, 5, h, w) float16 of the slices in the box, and the outputs of the network's other heads.

    part: the share of the progress that this network's run takes.
    """
    import torch

    net = runtime.prepared(net)

    def batches() -> Iterator:
        for done, frames in model_frames(lps, box, runtime.batch):
            share = part[0] + (part[1] - part[0]) * done / box.model_slices
            progress.report("segmenting", 0.05 + 0.75 * share)
            yield torch.from_numpy(frames).to(runtime.device, memory_format=torch.channels_last)

    probabilities = np.empty((box.model_slices, PROBABILITIES, *box.plane.shape), np.float16)
    filled, outputs = 0, []
    with runtime.computing() as workers:
        for values, other in workers.map(_outputs, net.stream(batches(), workers=workers)):
            probabilities[filled : filled + len(values)] = values
            filled += len(values)
            outputs += other
    return probabilities, _joined(outputs)


def model_frames(lps: Volume, box: ChestBox, batch: int) -> Iterator[tuple[int, np.ndarray]]:
    """Batches of the slices that the network sees: (slices before, channels 0..1 (n, 2, h, w) float32)."""
    first, last = box.slices
    along = linear_weights(last - first, box.model_slices, 0.0, box.step)
    for start in range(0, box.model_slices, batch):
        weights = along[start : start + batch]
        used = np.flatnonzero(weights.any(0))
        planes = box.plane.cut(lps.array[first + used[0] : first + used[-1] + 1], mirror=box.is_cut)
        if box.step != 1:
            planes = np.tensordot(weights[:, used[0] : used[-1] + 1], planes, 1)
        yield start, channels_of_hu(planes)


def _outputs(heads) -> tuple[np.ndarray, list[tuple[np.ndarray | None, ...]]]:
    """Probabilities (n, 5, h, w) float16 of a batch, and (logits, errors, activation) in a list that may be empty."""
    import torch

    values = heads.probabilities().to(torch.float16).cpu().numpy()
    if getattr(heads, "decision", None) is None:
        return values, []
    activation = None if heads.heat is None else heads.heat[:, 0]
    other = (heads.decision, heads.errors, activation)
    return values, [tuple(None if x is None else x.float().cpu().numpy() for x in other)]


def _joined(outputs: list[tuple[np.ndarray | None, ...]]) -> SliceOutputs:
    if not outputs:
        return SliceOutputs()
    return SliceOutputs(*(None if parts[0] is None else np.concatenate(parts) for parts in zip(*outputs, strict=True)))
