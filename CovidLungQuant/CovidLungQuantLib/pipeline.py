"""From a chest CT to labels and measurements: the one way that the command line, the panel and the tests take."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import numpy as np

from LesionKitLib.errors import UnusableInput
from LesionKitLib.inference import Runtime, choose_runtime, with_fallback
from LesionKitLib.progress import Progress
from LesionKitLib.resample import linear_weights
from LesionKitLib.volume import (
    OBLIQUE_LIMIT_DEGREES,
    Volume,
    obliquity_degrees,
    reorient_to_lps,
    resample_like,
    straighten,
)

from .chestbox import ChestBox, find_chest
from .frames import channels_of_hu
from .input_check import check_chest_ct
from .lungs import label_lungs
from .measurements import measure
from .networks_list import NETWORKS, load_network
from .result import CovidResult

LESION_IN_LUNG = 0.2  # a lesion voxel needs at least this probability of lung
log = logging.getLogger(__name__)


def analyse(
    volume: Volume,
    network: str = "convlstm",
    device: str = "auto",
    progress: Progress | None = None,
    header=None,
    read_seconds: float = 0.0,
) -> CovidResult:
    """Lungs, lesions and measurements of a chest CT in HU, on the grid of ``volume`` (any axis order, flip, rotation).

    network: a key of NETWORKS. device: auto, cpu, cuda or mps. header: what the DICOM header said, if read from DICOM.
    Raises UnusableInput for an image that cannot be analysed, MissingResource without weights, Cancelled.
    """
    start = time.perf_counter()
    progress = progress or Progress()
    if network not in NETWORKS:
        raise UnusableInput(f"The network '{network}' is not known; choose one of {', '.join(NETWORKS)}.")
    progress.report("checking the image", 0.0)
    volume = check_chest_ct(volume, header)
    notes = list(volume.notes)
    model, net = load_network(network)
    runtime = choose_runtime(device)
    straight = straighten(volume) if obliquity_degrees(volume) > OBLIQUE_LIMIT_DEGREES else volume
    lps, restore = reorient_to_lps(straight)

    def attempt(now: Runtime):
        return segment(lps, net, now, progress)

    inferred = time.perf_counter()
    (lungs, lesions), runtime = with_fallback(attempt, runtime, lambda text: (notes.append(text), log.warning(text)))
    infer_seconds = time.perf_counter() - inferred
    lungs, lesions = restore(lungs), restore(lesions)
    if straight is not volume:
        lungs, lesions = (resample_like(straight.with_array(x), volume, nearest=True) for x in (lungs, lesions))
    progress.report("measuring", 0.97)
    measurements = measure(volume, lungs, lesions)
    seconds = {"read": read_seconds, "infer": infer_seconds, "total": read_seconds + time.perf_counter() - start}
    progress.report("done", 1.0)
    return CovidResult(
        volume, lungs, lesions, network, model.version, runtime.description, seconds, measurements, notes=tuple(notes)
    )


def segment(lps: Volume, net, runtime: Runtime, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Lung and lesion label maps (uint8) of a CT in LPS order, on its grid."""
    progress.report("finding the lungs", 0.02)
    box = find_chest(lps)
    probabilities = run_network(lps, box, net, runtime, progress)
    progress.report("cleaning the masks", 0.82)
    sides = _clean(probabilities, box.model_spacing(lps))
    if not sides.any():
        raise UnusableInput("No lungs were found; this does not look like a chest CT.")
    return _to_native(lps, box, probabilities, sides, progress)


def run_network(lps: Volume, box: ChestBox, net, runtime: Runtime, progress: Progress) -> np.ndarray:
    """(n, 5, h, w) float16 in the box: lung, any lesion, ground glass, consolidation, effusion."""
    import torch

    net = net.to(runtime.device, memory_format=torch.channels_last)

    def batches() -> Iterator:
        for done, frames in model_frames(lps, box, runtime.batch):
            progress.report("segmenting", 0.05 + 0.75 * done / box.model_slices)
            yield torch.from_numpy(frames).to(runtime.device, memory_format=torch.channels_last)

    out = np.empty((box.model_slices, 5, *box.plane.shape), np.float16)
    filled = 0
    with runtime.autocast():
        for heads in net.stream(batches()):
            part = heads.probabilities().to(torch.float16).cpu().numpy()
            out[filled : filled + len(part)] = part
            filled += len(part)
    return out


def model_frames(lps: Volume, box: ChestBox, batch: int) -> Iterator[tuple[int, np.ndarray]]:
    """Batches of the slices that the network sees: (slices before, channels 0..1 (n, 2, h, w) float32)."""
    first, last = box.slices
    along = linear_weights(last - first, box.model_slices, 0.0, box.step)
    for start in range(0, box.model_slices, batch):
        weights = along[start : start + batch]
        used = np.flatnonzero(weights.any(0))
        planes = box.plane.cut(lps.array[first + used[0] : first + used[-1] + 1])
        if box.step != 1:
            planes = np.tensordot(weights[:, used[0] : used[-1] + 1], planes, 1)
        yield start, channels_of_hu(planes)


def _clean(probabilities: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Makes ``probabilities`` agree with cleaned lungs, in place; returns their labels (n, h, w): 1 right, 2 left."""
    lung, lesion = probabilities[:, 0], probabilities[:, 1]
    lesion[lung < LESION_IN_LUNG] = 0
    mask = (lung > 0.5) | (lesion > 0.5)
    sides = label_lungs(mask, spacing)
    lung[(sides > 0) & ~(lung > 0.5)] = 1
    lung[sides == 0] = np.minimum(lung[sides == 0], 0.49)
    lesion[mask & (sides == 0)] = 0
    lung[mask & (sides == 0)] = 0
    return sides


def _to_native(lps: Volume, box: ChestBox, probabilities: np.ndarray, sides: np.ndarray, progress: Progress):
    """Labels on the volume's own grid: probabilities are interpolated, then decided."""
    lungs, lesions = np.zeros(lps.array.shape, np.uint8), np.zeros(lps.array.shape, np.uint8)
    first, last = box.slices
    rows, columns = box.plane.covered(lps.array.shape[1:])
    inner = box.plane.moved(-rows.start, -columns.start)
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    for k in range(first, last):
        if k % 8 == 0:
            progress.report("bringing labels to the image", 0.85 + 0.12 * (k - first) / (last - first))
        at = min(max((k - first + 0.5) / box.step - 0.5, 0), box.model_slices - 1)
        low = int(at)
        high, share = min(low + 1, box.model_slices - 1), at - low
        if not (sides[low].any() or sides[high].any()):
            continue
        stack = _blend(probabilities[low], probabilities[high], share)
        left = _blend((sides[low] == 2)[None] * stack[:1], (sides[high] == 2)[None] * stack[:1], share)
        lung, lesion, *kinds, left = inner.paste(np.concatenate([stack, left]), shape)
        labels = np.where(lesion > 0.5, 1 + np.argmax(kinds, 0), 0)
        inside = (lung > 0.5) | (labels > 0)
        lungs[k, rows, columns] = np.where(inside, np.where(left > 0.5 * lung, 2, 1), 0)
        lesions[k, rows, columns] = labels
    return lungs, lesions


def _blend(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    if share == 0:
        return a.astype(np.float32)
    return a.astype(np.float32) * np.float32(1 - share) + b.astype(np.float32) * np.float32(share)
