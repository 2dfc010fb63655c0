"""Brain, lesion and tissues of a brain MR.

The image is aligned with the template, segmented slice by slice on the standard 1 mm grid, and the probabilities are
brought back to the image's own grid before anything is decided.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.measures import components
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.models.inference import Runtime, with_fallback
from LesionKitLib.run.progress import Progress
from StrokeSynthLib.labels import LESION, MIN_LESION_ML, WHITE

from .alignment import Alignment, align, from_standard, to_standard
from .brain_extraction import ExtractedBrain, extract_brain
from .input_check import notes_on_brain, refuse_diffusion_map
from .slice_prediction import LESION_FROM, mirrored_probabilities
from .slice_views import channels, normalized, template_volume
from .template import PRIOR_STEP, load_template
from .tissues import tissue_map

ACROSS_SLICES = (0.25, 0.5, 0.25)  # weights of a slice's neighbors: the network sees one slice at a time


@dataclass(frozen=True)
class Segmentation:
    """brain: bool, lesion: uint8 0/1, tissues: semantic map without lesion (uint8) or None; all of the image's shape.

    runtime: that gave the lesion. seconds: align, infer.
    """

    brain: np.ndarray
    lesion: np.ndarray
    tissues: np.ndarray | None
    alignment: Alignment
    runtime: Runtime
    seconds: dict[str, float]


def segment(
    lps: Volume,
    extractor,
    net,
    runtime: Runtime,
    progress: Progress,
    note: Callable[[str], None],
    header=None,
    tissues: bool = False,
) -> Segmentation:
    """lps: the MR in LPS order. extractor, net: the networks of brain and lesion. note(sentence): for the user.

    Raises UnusableInput for what is no image in which a stroke can be found, Cancelled.
    """
    start = time.perf_counter()
    progress.report("finding the brain", 0.03)
    brain, runtime = with_fallback(lambda now: extract_brain(lps, extractor, now), runtime, note)
    _look_at_brain(lps, brain, header, note)
    progress.report("aligning with the template", 0.15)
    alignment = align(lps, brain.mask, whole=not brain.cut)
    aligned = time.perf_counter()
    probability, runtime = with_fallback(
        lambda now: lesion_probability(lps, brain.mask, alignment, net, now, progress), runtime, note
    )
    seconds = {"align": aligned - start, "infer": time.perf_counter() - aligned}
    lesion = to_native(probability, alignment, lps, brain.mask)
    kinds = _tissues(lps, brain.mask, probability, alignment) if tissues else None
    return Segmentation(brain.mask, lesion, kinds, alignment, runtime, seconds)


def _look_at_brain(lps: Volume, brain: ExtractedBrain, header, note: Callable[[str], None]) -> None:
    for sentence in notes_on_brain(float(brain.mask.sum()) * lps.voxel_ml, brain.cut):
        note(sentence)
    refuse_diffusion_map(lps.array[brain.mask], header, lps.source.file if lps.source is not None else "")


def lesion_probability(
    lps: Volume, brain: np.ndarray, alignment: Alignment, net, runtime: Runtime, progress: Progress
) -> np.ndarray:
    """Probability of lesion on the standard grid, float32; 0 outside the brain. brain: bool of the image's shape."""
    gray = to_standard(lps, alignment, fill=float(lps.array.min()))
    inside = to_standard(lps.with_array(brain.astype(np.uint8)), alignment, nearest=True) > 0
    seen = normalized(gray, inside)
    template = template_volume()
    slices = np.flatnonzero(inside.any((1, 2)))
    lesion = np.zeros(gray.shape, np.float32)
    net = runtime.prepared(net)

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(slices), runtime.batch):
            progress.report("segmenting", 0.3 + 0.6 * start / len(slices))
            yield slices[start : start + runtime.batch]

    def segmented(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        stack = np.concatenate([channels(seen[k : k + 1], template[k]) for k in rows])
        return rows, mirrored_probabilities(net, stack, runtime)[:, 0]

    with runtime.computing() as workers:
        for rows, found in workers.map(segmented, batches()):
            lesion[rows] = found
    return _across(lesion) * inside


def to_native(lesion: np.ndarray, alignment: Alignment, lps: Volume, brain: np.ndarray) -> np.ndarray:
    """The lesion (uint8) on the image's grid; components below MIN_LESION_ML are dropped."""
    mask = (from_standard(lesion, alignment, lps) > LESION_FROM) & brain
    return (components(mask, lps.voxel_ml, MIN_LESION_ML)[0] > 0).astype(np.uint8)


def _across(probability: np.ndarray) -> np.ndarray:
    """Each slice with its neighbors above and below."""
    below, own, above = ACROSS_SLICES
    result = own * probability
    result[1:] += below * probability[:-1]
    result[:-1] += above * probability[1:]
    return result


def _tissues(lps: Volume, brain: np.ndarray, lesion: np.ndarray, alignment: Alignment) -> np.ndarray:
    """Tissue labels (uint8) on the image's grid, found at 2 mm in standard space."""
    template = load_template()
    step = (slice(None, None, PRIOR_STEP),) * 3
    gray = to_standard(lps, alignment, fill=float(lps.array.min()))[step]
    inside = to_standard(lps.with_array(brain.astype(np.uint8)), alignment, nearest=True)[step] > 0
    found = tissue_map(gray, inside, template.priors, lesion[step] > LESION_FROM)
    found[found == LESION.value] = WHITE.value  # what lay there before; the lesion is a mask of its own
    coarse = found.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    fine = coarse[: lesion.shape[0], : lesion.shape[1], : lesion.shape[2]]
    return from_standard(fine, alignment, lps, nearest=True)
