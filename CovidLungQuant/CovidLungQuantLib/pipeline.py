"""From a chest CT to labels and measurements: the one way that the command line, the panel and the tests take."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from CovidLungQuantLib.classification.decision import UNUSUAL_NOTE, Calibration, SliceAnswers, decide, is_unusual
from CovidLungQuantLib.measurement.findings import list_findings
from CovidLungQuantLib.measurement.measurements import measure
from CovidLungQuantLib.networks.registry import CHOICES, load_network, members, version_of
from CovidLungQuantLib.results.result import CovidResult
from CovidLungQuantLib.segmentation.chest_box import ChestBox, find_chest
from CovidLungQuantLib.segmentation.frames import FramePlacement, channels_of_hu
from CovidLungQuantLib.segmentation.input_check import check_chest_ct
from CovidLungQuantLib.segmentation.lungs import label_lungs
from LesionKitLib.imaging.resample import linear_weights
from LesionKitLib.imaging.volume import (
    OBLIQUE_LIMIT_DEGREES,
    Volume,
    obliquity_degrees,
    reorient_to_lps,
    resample_like,
    straighten,
)
from LesionKitLib.models.inference import Runtime, choose_runtime, with_fallback
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress

LESION_IN_LUNG = 0.2  # a lesion voxel needs at least this probability of lung
log = logging.getLogger(__name__)


def analyze(
    volume: Volume,
    network: str = "convlstm",
    device: str = "auto",
    progress: Progress | None = None,
    header=None,
    read_seconds: float = 0.0,
) -> CovidResult:
    """Lungs, lesions and measurements of a chest CT in HU, on the grid of ``volume`` (any axis order, flip, rotation).

    network: one of networks_list.CHOICES; the ensemble averages the probabilities of all networks.
    device: auto, cpu, cuda or mps. header: what the DICOM header said, if read from DICOM.
    Raises UnusableInput for an image that cannot be analyzed, MissingResource without weights, Cancelled.
    """
    start = time.perf_counter()
    progress = progress or Progress()
    if network not in CHOICES:
        raise UnusableInput(f"The network '{network}' is not known; choose one of {', '.join(CHOICES)}.")
    progress.report("checking the image", 0.0)
    volume = check_chest_ct(volume, header)
    notes = list(volume.notes)
    models, nets = zip(*(load_network(name) for name in members(network)), strict=True)
    calibrations = [Calibration.of_card(model.card) for model in models]
    runtime = choose_runtime(device)
    straight = straighten(volume) if obliquity_degrees(volume) > OBLIQUE_LIMIT_DEGREES else volume
    lps, restore = reorient_to_lps(straight)

    def attempt(now: Runtime):
        return segment(lps, nets, now, progress)

    inferred = time.perf_counter()
    found, runtime = with_fallback(attempt, runtime, lambda text: (notes.append(text), log.warning(text)))
    infer_seconds = time.perf_counter() - inferred
    heat = heat_map(lps, found, calibrations)

    def back(labels: np.ndarray, nearest: bool = True) -> np.ndarray:
        labels = restore(labels)
        return resample_like(straight.with_array(labels), volume, nearest=nearest) if straight is not volume else labels

    lungs, lesions = back(found.lungs), back(found.lesions)
    heat = None if heat is None else back(heat, nearest=False)
    answers = [(a, c) for a, c in zip(found.answers, calibrations, strict=True) if a is not None]
    if any(is_unusual(a, c) for a, c in answers):
        notes.append(UNUSUAL_NOTE)
    progress.report("measuring", 0.97)
    measurements = measure(volume, lungs, lesions)
    seconds = {"read": read_seconds, "infer": infer_seconds, "total": read_seconds + time.perf_counter() - start}
    progress.report("done", 1.0)
    return CovidResult(
        volume,
        lungs,
        lesions,
        network,
        version_of(models),
        runtime.description,
        seconds,
        measurements,
        decide(answers),
        heat,
        tuple(notes),
        tuple(list_findings(volume, lungs, lesions)),
    )


@dataclass(frozen=True)
class Segmented:
    """lungs, lesions: uint8 on the LPS grid. answers: of each network, None where it does not decide. heats: the
    activation maps (slices of the box, h, w) of each network, None where it gives none; box: where they lie."""

    lungs: np.ndarray
    lesions: np.ndarray
    answers: tuple[SliceAnswers | None, ...]
    heats: tuple[np.ndarray | None, ...]
    box: ChestBox


def segment(lps: Volume, nets, runtime: Runtime, progress: Progress) -> Segmented:
    """Labels of a CT in LPS order from the mean of the networks' probabilities, and what they decide."""
    progress.report("finding the lungs", 0.02)
    box = find_chest(lps)
    probabilities, spoken = None, []
    for n, net in enumerate(nets):
        part, said = run_network(lps, box, net, runtime, progress, (n / len(nets), (n + 1) / len(nets)))
        spoken.append(said)
        if probabilities is None:
            probabilities = part
        else:  # a running mean, so that an ensemble needs the memory of two networks
            probabilities += (part - probabilities) / np.float16(n + 1)
    progress.report("cleaning the masks", 0.82)
    sides = _clean(probabilities, box.model_spacing(lps))
    if not sides.any():
        raise UnusableInput("No lungs were found; this does not look like a chest CT.")
    lung = (sides > 0).mean((1, 2))
    answers = tuple(SliceAnswers(s.logits, lung, s.errors) if s.logits is not None else None for s in spoken)
    lungs, lesions = _to_native(lps, box, probabilities, sides, progress)
    return Segmented(lungs, lesions, answers, tuple(s.heat for s in spoken), box)


@dataclass(frozen=True)
class Spoken:
    """What a network said of n slices beside the masks: logits (n), errors (n), heat (n, h, w); None where nothing."""

    logits: np.ndarray | None
    errors: np.ndarray | None
    heat: np.ndarray | None


def run_network(
    lps: Volume, box: ChestBox, net, runtime: Runtime, progress: Progress, part: tuple[float, float] = (0.0, 1.0)
) -> tuple[np.ndarray, Spoken]:
    """(n, 5, h, w) float16 in the box: lung, any lesion, ground glass, consolidation, effusion; and what else it said.

    part: the share of the progress that this network's run takes.
    """
    import torch

    net = net.to(runtime.device, memory_format=torch.channels_last)
    seen: list = []

    def batches() -> Iterator:
        for done, frames in model_frames(lps, box, runtime.batch):
            share = part[0] + (part[1] - part[0]) * done / box.model_slices
            progress.report("segmenting", 0.05 + 0.75 * share)
            seen[:] = [torch.from_numpy(frames).to(runtime.device, memory_format=torch.channels_last)]
            yield seen[0]

    out = np.empty((box.model_slices, 5, *box.plane.shape), np.float16)
    filled, said = 0, []
    with runtime.autocast():
        for heads in net.stream(batches()):
            probabilities = heads.probabilities().to(torch.float16).cpu().numpy()
            out[filled : filled + len(probabilities)] = probabilities
            filled += len(probabilities)
            if getattr(heads, "decision", None) is not None:
                said.append(_said(heads, seen[0]))
    if not said:
        return out, Spoken(None, None, None)
    return out, Spoken(*(None if values[0] is None else np.concatenate(values) for values in zip(*said, strict=True)))


def _said(heads, image) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    from CovidLungQuantLib.networks.heads import lung_window_errors

    errors = None if heads.reconstruction is None else lung_window_errors(heads.reconstruction, image)
    heat = None if heads.heat is None else heads.heat[:, 0]
    return tuple(None if x is None else x.float().cpu().numpy() for x in (heads.decision, errors, heat))


def heat_map(lps: Volume, found: Segmented, calibrations: list[Calibration]) -> np.ndarray | None:
    """uint8 0..100 on the LPS grid: how much each place spoke for the decision; None where no network says.

    100 is what the strongest places of COVID-19 pictures reach (Calibration.heat_full). Several maps are averaged.
    """
    given = [(h, c) for h, c in zip(found.heats, calibrations, strict=True) if h is not None]
    if not given:
        return None
    heat = np.mean([np.clip(h / c.heat_full, 0, 1) for h, c in given], 0)
    box, out = found.box, np.zeros(lps.array.shape, np.uint8)
    plane = box.plane
    coarse = tuple(
        step * size / cells for step, size, cells in zip(plane.step, plane.shape, heat.shape[1:], strict=True)
    )
    place = FramePlacement(plane.top, plane.left, coarse, heat.shape[1:])
    first, last = box.slices
    for k in range(first, last):
        low, high, share = _between(box, k)
        out[k] = np.rint(100 * place.paste(_blend(heat[low], heat[high], share), lps.array.shape[1:]))
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
        low, high, share = _between(box, k)
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


def _between(box: ChestBox, k: int) -> tuple[int, int, float]:
    """The two of the network's slices that slice k of the volume lies between, and how far it is from the first."""
    at = min(max((k - box.slices[0] + 0.5) / box.step - 0.5, 0), box.model_slices - 1)
    return int(at), min(int(at) + 1, box.model_slices - 1), at - int(at)


def _blend(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    if share == 0:
        return a.astype(np.float32)
    return a.astype(np.float32) * np.float32(1 - share) + b.astype(np.float32) * np.float32(share)
