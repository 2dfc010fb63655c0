"""From a chest CT to labels and measurements: the one way that the command line, the panel and the tests take."""

from __future__ import annotations

import logging
import time

import numpy as np

from CovidLungQuantLib.classification.decision import (
    UNUSUAL_NOTE,
    Calibration,
    SlicePredictions,
    accuracy_sentence,
    decide,
    is_unusual,
)
from CovidLungQuantLib.measurement.coverage import coverage_of
from CovidLungQuantLib.measurement.findings import list_findings
from CovidLungQuantLib.measurement.measurements import measure
from CovidLungQuantLib.measurement.plausibility import plausibility_notes
from CovidLungQuantLib.networks.registry import CHOICES, load_network, members, version_of
from CovidLungQuantLib.results.result import CovidResult
from CovidLungQuantLib.segmentation.heat_map import heat_map
from CovidLungQuantLib.segmentation.input_check import check_chest_ct
from CovidLungQuantLib.segmentation.segment import Segmentation, segment
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

CPU_BATCH = 2  # of slices of this size two fit a CPU's caches
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

    network: one of networks.registry.CHOICES; the ensemble averages the probabilities of all networks.
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
    straight = straighten(volume) if obliquity_degrees(volume) > OBLIQUE_LIMIT_DEGREES else volume
    lps, restore = reorient_to_lps(straight)

    def attempt(now: Runtime) -> Segmentation:
        return segment(lps, nets, now, progress)

    inferred = time.perf_counter()
    found, runtime = with_fallback(
        attempt, choose_runtime(device, cpu_batch=CPU_BATCH), lambda text: (notes.append(text), log.warning(text))
    )
    infer_seconds = time.perf_counter() - inferred

    def on_input_grid(labels: np.ndarray, nearest: bool = True) -> np.ndarray:
        labels = restore(labels)
        return resample_like(straight.with_array(labels), volume, nearest=nearest) if straight is not volume else labels

    lungs, lesions = on_input_grid(found.lungs), on_input_grid(found.lesions)
    heat = heat_map(lps, found.box, [o.activation for o in found.outputs], [c.heat_full for c in calibrations])
    heat = None if heat is None else on_input_grid(heat, nearest=False)
    predictions = _predictions(found, calibrations)
    if any(is_unusual(p, c) for p, c in predictions):
        notes.append(UNUSUAL_NOTE)
    progress.report("measuring", 0.97)
    measurements = measure(volume, lungs, lesions)
    notes += plausibility_notes(measurements, coverage_of(volume, lungs))
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
        decide(predictions, accuracy_sentence([model.card for model in models])),
        heat,
        tuple(notes),
        tuple(list_findings(volume, lungs, lesions)),
    )


def _predictions(found: Segmentation, calibrations: list[Calibration]) -> list[tuple[SlicePredictions, Calibration]]:
    """Of the networks that decide, each with its calibration."""
    return [
        (SlicePredictions(outputs.logits, found.lung_share, outputs.errors), calibration)
        for outputs, calibration in zip(found.outputs, calibrations, strict=True)
        if outputs.logits is not None
    ]
