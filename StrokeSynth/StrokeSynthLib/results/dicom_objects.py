"""A result's segments and numbers for DICOM objects."""

from __future__ import annotations

from LesionKitLib.io.dicom_objects.codes import (
    CUBIC_CENTIMETER,
    LESION_COUNT,
    NO_UNITS,
    PERCENT,
    PERCENT_OF_BRAIN,
    VOLUME,
)
from LesionKitLib.io.dicom_objects.sr import Figure
from LesionKitLib.io.seg_nrrd import SegmentRecord
from LesionKitLib.report.dicom_objects import Findings
from StrokeSynthLib.labels import BRAIN, LESION

from .result import StrokeResult


def findings_of(result: StrokeResult, layers: list, records: list[SegmentRecord]) -> Findings:
    """The segments of files.segments() with volumes, number of lesions and their share of the brain."""
    found = result.measurements
    volumes = {BRAIN.key: found["brain_ml"], LESION.key: found["lesion_ml"], **found.get("tissues_ml", {})}
    figures = {key: [Figure(VOLUME, ml, CUBIC_CENTIMETER)] for key, ml in volumes.items()}
    figures[LESION.key].append(Figure(LESION_COUNT, found["lesions"], NO_UNITS))
    share = found["lesion_percent"]
    overall = [] if share is None else [Figure(PERCENT_OF_BRAIN, share, PERCENT)]
    return Findings(layers, records, figures, overall)
