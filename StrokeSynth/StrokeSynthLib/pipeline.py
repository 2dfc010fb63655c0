"""From a brain MR to lesion, brain, tissues and measurements: the one way of the command line, the panel and the tests.

The image is aligned with the template, segmented slice by slice on the standard 1 mm grid, and the probabilities are
brought back to the image's own grid before anything is decided.
"""

from __future__ import annotations

import functools
import logging
import time

import numpy as np

from LesionKitLib.imaging.measures import components
from LesionKitLib.imaging.volume import Volume, reorient_to_lps
from LesionKitLib.models.inference import Runtime, choose_runtime, with_fallback
from LesionKitLib.run.progress import Progress
from StrokeSynthLib.measurement.measurements import MIN_LESION_ML, measure
from StrokeSynthLib.networks.registry import NETWORKS, SEGMENTATION, load_network
from StrokeSynthLib.results.result import StrokeResult
from StrokeSynthLib.segmentation.alignment import Alignment, align, foreground, from_standard, has_skull, to_standard
from StrokeSynthLib.segmentation.input_check import check_brain_mr
from StrokeSynthLib.segmentation.slice_prediction import LESION_FROM, mirrored_probabilities
from StrokeSynthLib.segmentation.slice_views import channels, normalized, template_volume
from StrokeSynthLib.segmentation.template import load_template

from .labels import LESION, WHITE

MODEL = NETWORKS[SEGMENTATION].model
BRAIN_MARGIN = 3  # voxels of 1 mm about the template's brain in which a head's brain is looked for
ACROSS_SLICES = (0.25, 0.5, 0.25)  # weights of a slice's neighbors: the network sees one slice at a time
log = logging.getLogger(__name__)


def segment_stroke(
    volume: Volume,
    device: str = "auto",
    progress: Progress | None = None,
    header=None,
    read_seconds: float = 0.0,
    tissues: bool = False,
    network=None,
) -> StrokeResult:
    """Stroke lesion, brain and measurements of a brain MR of any sequence, on its own grid (any orientation).

    device: auto, cpu, cuda or mps. header: what the DICOM header said. tissues: find the tissue classes, too (some
    seconds more). network: a StrokeUNet to use in place of the bundled one. Raises UnusableInput for an image that
    cannot be analyzed, MissingResource without weights, Cancelled.
    """
    start = time.perf_counter()
    progress = progress or Progress()
    progress.report("checking the image", 0.0)
    notes = [*volume.notes, *check_brain_mr(volume, header)]
    model, net = (None, network) if network is not None else load_network()
    runtime = choose_runtime(device)
    lps, restore = reorient_to_lps(volume)
    progress.report("finding the brain", 0.03)
    head = foreground(lps)
    alignment = align(lps, head)
    skull = has_skull(lps, head)
    progress.report("aligning with the template", 0.3)
    aligned = time.perf_counter()

    def attempt(now: Runtime):
        return segment(lps, head, alignment, skull, net, now, progress)

    found, runtime = with_fallback(attempt, runtime, lambda text: (notes.append(text), log.warning(text)))
    inferred = time.perf_counter()
    lesion, brain = (restore(mask) for mask in to_native(*found, alignment, lps))
    kinds = restore(_tissues(lps, head, found[1], found[0], alignment)) if tissues else None
    progress.report("measuring", 0.95)
    measurements = measure(volume, lesion, brain, alignment.to_image, kinds)
    end = time.perf_counter()
    seconds = {
        "read": read_seconds,
        "align": aligned - start,
        "infer": inferred - aligned,
        "total": read_seconds + end - start,
    }
    progress.report("done", 1.0)
    version = model.version if model else ""
    return StrokeResult(
        volume, lesion, brain, kinds, MODEL, version, runtime.description, seconds, measurements, alignment.to_image,
        tuple(notes),
    )  # fmt: skip


def segment(
    lps: Volume, head: np.ndarray, alignment: Alignment, skull: bool, net, runtime: Runtime, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of lesion and of brain on the standard grid, float32.

    skull: whether the head was not stripped; then the network decides what is brain, near the template's.
    """
    gray = to_standard(lps, alignment, fill=float(lps.array.min()))
    inside = to_standard(lps.with_array(head.astype(np.uint8)), alignment, nearest=True) > 0
    seen = normalized(gray, inside)
    near = _near_template()
    template = template_volume()
    slices = np.flatnonzero((inside & near).any((1, 2)))
    lesion, brain = np.zeros(gray.shape, np.float32), np.zeros(gray.shape, np.float32)
    net = net.to(runtime.device)
    for start in range(0, len(slices), runtime.batch):
        progress.report("segmenting", 0.3 + 0.6 * start / len(slices))
        rows = slices[start : start + runtime.batch]
        stack = np.concatenate([channels(seen[k : k + 1], template[k]) for k in rows])
        lesion[rows], brain[rows] = np.moveaxis(mirrored_probabilities(net, stack, runtime), 1, 0)
    allowed = inside & near
    brain = brain * allowed if skull else inside.astype(np.float32)
    brain = _largest(brain)
    return _across(lesion) * (brain > LESION_FROM), brain


def to_native(
    lesion: np.ndarray, brain: np.ndarray, alignment: Alignment, lps: Volume
) -> tuple[np.ndarray, np.ndarray]:
    """Masks (uint8) on the image's grid; pieces of lesion below MIN_LESION_ML are dropped, the last one excepted."""
    brains = from_standard(brain, alignment, lps) > 0.5
    mask = (from_standard(lesion, alignment, lps) > LESION_FROM) & brains
    kept, sizes = components(mask, lps.voxel_ml, MIN_LESION_ML)
    return (kept > 0).astype(np.uint8), brains.astype(np.uint8)


@functools.lru_cache(maxsize=1)
def _near_template() -> np.ndarray:
    from scipy import ndimage

    return ndimage.binary_dilation(load_template().labels.array > 0, iterations=BRAIN_MARGIN)


def _across(probability: np.ndarray) -> np.ndarray:
    """Each slice with its neighbors above and below."""
    below, own, above = ACROSS_SLICES
    result = own * probability
    result[1:] += below * probability[:-1]
    result[:-1] += above * probability[1:]
    return result


def _largest(brain: np.ndarray) -> np.ndarray:
    """Only the largest connected part of what is brain."""
    from scipy import ndimage

    pieces, count = ndimage.label(brain[::2, ::2, ::2] > 0.5)
    if count < 2:
        return brain
    keep = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    keep = ndimage.binary_dilation(keep).repeat(2, 0).repeat(2, 1).repeat(2, 2)
    return brain * keep[: brain.shape[0], : brain.shape[1], : brain.shape[2]]


def _tissues(lps: Volume, head: np.ndarray, brain: np.ndarray, lesion: np.ndarray, alignment: Alignment) -> np.ndarray:
    """Tissue labels (uint8) on the image's grid, found at 2 mm in standard space."""
    from StrokeSynthLib.segmentation.template import PRIOR_STEP
    from StrokeSynthLib.segmentation.tissues import tissue_map

    template = load_template()
    step = (slice(None, None, PRIOR_STEP),) * 3
    gray = to_standard(lps, alignment, fill=float(lps.array.min()))[step]
    found = tissue_map(gray, brain[step] > 0.5, template.priors, lesion[step] > LESION_FROM)
    found[found == LESION.value] = WHITE.value  # what lay there before; the lesion is a mask of its own
    coarse = found.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    fine = coarse[: brain.shape[0], : brain.shape[1], : brain.shape[2]]
    return from_standard(fine, alignment, lps, nearest=True)
