"""A result's segments and numbers for DICOM objects."""

from __future__ import annotations

from CovidLungQuantLib.labels import LESIONS
from LesionKitLib.io.dicom_objects.codes import (
    ATTENUATION,
    BURDEN,
    CT_SEVERITY,
    CUBIC_CENTIMETER,
    HIGH_OPACITY_VOLUME,
    HOUNSFIELD,
    LESION_COUNT,
    LUNG_VOLUME,
    MEAN,
    NO_UNITS,
    PERCENT,
    PROBABILITY_OF_COVID,
    VOLUME,
)
from LesionKitLib.io.dicom_objects.sr import Figure
from LesionKitLib.io.seg_nrrd import SegmentRecord
from LesionKitLib.report.dicom_objects import Findings

from .result import CovidResult


def findings_of(result: CovidResult, layers: list, records: list[SegmentRecord]) -> Findings:
    """The segments of files.segments() with volume, mean HU, number and burden; and the numbers of the whole chest."""
    from CovidLungQuantLib.measurement.measurements import region

    total = result.measurements["total"]
    sides = {f"{side}_lung": region(result.measurements, side) for side in ("right", "left")}
    figures = {lung: _figures(row, "lung") for lung, row in sides.items()}
    figures |= {lesion.key: _figures(total, lesion.key) for lesion in LESIONS}
    return Findings(layers, records, figures, _overall(result))


def _figures(row: dict, key: str) -> list[Figure]:
    """Volume, mean HU and, of lesions, their number."""
    found = [
        (VOLUME, row[f"{key}_ml"], CUBIC_CENTIMETER, None),
        (ATTENUATION, row[f"{key}_mean_hu"], HOUNSFIELD, MEAN),
        (LESION_COUNT, row.get(f"{key}_lesions"), NO_UNITS, None),
        (BURDEN, row["burden_percent"] if key == "lung" else row[f"{key}_percent"], PERCENT, None),
    ]
    return [Figure(concept, value, unit, kind) for concept, value, unit, kind in found if value is not None]


def _overall(result: CovidResult) -> list[Figure]:
    total, decision = result.measurements["total"], result.decision or {}
    probability = decision.get("covid_probability")
    found = [
        (LUNG_VOLUME, total["lung_ml"], CUBIC_CENTIMETER),
        (HIGH_OPACITY_VOLUME, total["high_opacity_ml"], CUBIC_CENTIMETER),
        (BURDEN, total["burden_percent"], PERCENT),
        (LESION_COUNT, total.get("any_lesions"), NO_UNITS),
        (CT_SEVERITY, result.measurements["severity"]["score"], NO_UNITS),
        (PROBABILITY_OF_COVID, None if probability is None else 100 * probability, PERCENT),
    ]
    return [Figure(concept, value, unit) for concept, value, unit in found if value is not None]
