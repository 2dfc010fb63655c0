"""From a brain MR to lesion, brain, tissues and measurements: the one way of the command line, the panel and the tests.

The image is aligned with the template, segmented slice by slice on the standard 1 mm grid, and the probabilities are
brought back to the image's own grid before anything is decided.
"""

from __future__ import annotations

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
from StrokeSynthLib.segmentation import brain_extraction
from StrokeSynthLib.segmentation.alignment import Alignment, align, from_standard, to_standard
from StrokeSynthLib.segmentation.input_check import check_brain_mr, notes_on_brain, refuse_diffusion_map
from StrokeSynthLib.segmentation.slice_prediction import LESION_FROM, mirrored_probabilities
from StrokeSynthLib.segmentation.slice_views import channels, normalized, template_volume
from StrokeSynthLib.segmentation.template import load_template

from .labels import LESION, WHITE

MODEL = NETWORKS[SEGMENTATION].model
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

    def note(text: str) -> None:
        notes.append(text)
        log.warning(text)

    progress.report("finding the brain", 0.03)
    extractor = brain_extraction.load_network()[1]
    brain, runtime = with_fallback(lambda now: brain_extraction.extract_brain(lps, extractor, now), runtime, note)
    notes += notes_on_brain(float(brain.mask.sum()) * lps.voxel_ml, brain.cut)
    refuse_diffusion_map(lps.array[brain.mask], header)
    progress.report("aligning with the template", 0.15)
    alignment = align(lps, brain.mask, whole=not brain.cut)
    aligned = time.perf_counter()
    probability, runtime = with_fallback(
        lambda now: lesion_probability(lps, brain.mask, alignment, net, now, progress), runtime, note
    )
    inferred = time.perf_counter()
    lesion = to_native(probability, alignment, lps, brain.mask)
    kinds = restore(_tissues(lps, brain.mask, probability, alignment)) if tissues else None
    progress.report("measuring", 0.95)
    lesion, mask = restore(lesion), restore(brain.mask.astype(np.uint8))
    measurements = measure(volume, lesion, mask, alignment.to_image, kinds)
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
        volume, lesion, mask, kinds, MODEL, version, runtime.description, seconds, measurements, alignment.to_image,
        tuple(notes),
    )  # fmt: skip


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
    net = net.to(runtime.device)
    for start in range(0, len(slices), runtime.batch):
        progress.report("segmenting", 0.3 + 0.6 * start / len(slices))
        rows = slices[start : start + runtime.batch]
        stack = np.concatenate([channels(seen[k : k + 1], template[k]) for k in rows])
        lesion[rows] = mirrored_probabilities(net, stack, runtime)[:, 0]
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
    from StrokeSynthLib.segmentation.template import PRIOR_STEP
    from StrokeSynthLib.segmentation.tissues import tissue_map

    template = load_template()
    step = (slice(None, None, PRIOR_STEP),) * 3
    gray = to_standard(lps, alignment, fill=float(lps.array.min()))[step]
    inside = to_standard(lps.with_array(brain.astype(np.uint8)), alignment, nearest=True)[step] > 0
    found = tissue_map(gray, inside, template.priors, lesion[step] > LESION_FROM)
    found[found == LESION.value] = WHITE.value  # what lay there before; the lesion is a mask of its own
    coarse = found.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    fine = coarse[: lesion.shape[0], : lesion.shape[1], : lesion.shape[2]]
    return from_standard(fine, alignment, lps, nearest=True)
