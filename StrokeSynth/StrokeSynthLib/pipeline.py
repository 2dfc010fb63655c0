"""From a brain MR to lesion, brain, tissues and measurements: the one way of command line, panel and tests."""

from __future__ import annotations

import logging
import time

import numpy as np

from LesionKitLib.imaging.volume import Volume, reorient_to_lps
from LesionKitLib.models.inference import choose_runtime
from LesionKitLib.run.progress import Progress
from StrokeSynthLib.measurement.measurements import measure
from StrokeSynthLib.networks.registry import NETWORKS, SEGMENTATION, load_network
from StrokeSynthLib.results.result import StrokeResult
from StrokeSynthLib.segmentation.input_check import check_brain_mr
from StrokeSynthLib.segmentation.segment import segment

from .segmentation import brain_extraction

MODEL = NETWORKS[SEGMENTATION].model
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
    lps, restore = reorient_to_lps(volume)

    def note(text: str) -> None:
        notes.append(text)
        log.warning(text)

    extractor = brain_extraction.load_network()[1]
    found = segment(lps, extractor, net, choose_runtime(device), progress, note, header, tissues)
    progress.report("measuring", 0.95)
    lesion, brain = restore(found.lesion), restore(found.brain.astype(np.uint8))
    kinds = None if found.tissues is None else restore(found.tissues)
    to_image = found.alignment.to_image
    measurements = measure(volume, lesion, brain, to_image, kinds)
    total = read_seconds + time.perf_counter() - start
    progress.report("done", 1.0)
    version = model.version if model else ""
    return StrokeResult(
        volume, lesion, brain, kinds, MODEL, version, found.runtime.description,
        {"read": read_seconds, **found.seconds, "total": total}, measurements, to_image, tuple(notes),
    )  # fmt: skip
