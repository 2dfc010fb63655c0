"""Truth against prediction, voxel by voxel, for learners: what was found, what was missed, what was marked in vain."""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.labels import LUNG, MORPHOLOGICALLY_ABNORMAL_STRUCTURE, SegmentClass
from LesionKitLib.imaging.metrics import dice

ABNORMAL = MORPHOLOGICALLY_ABNORMAL_STRUCTURE
# colors that people with red-green blindness tell apart (Okabe and Ito 2008)
FOUND = SegmentClass("found", 1, "Found (true positive)", (0, 158, 115), ABNORMAL, ABNORMAL, region=LUNG)
MISSED = SegmentClass("missed", 2, "Missed (false negative)", (230, 159, 0), ABNORMAL, ABNORMAL, region=LUNG)
IN_VAIN = SegmentClass(
    "in_vain", 3, "Marked in vain (false positive)", (204, 121, 167), ABNORMAL, ABNORMAL, region=LUNG
)
OUTCOMES = (FOUND, MISSED, IN_VAIN)


def compare(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """uint8 of the arrays' shape: 0 nothing, 1 found, 2 missed, 3 marked in vain; any lesion counts, whatever its kind.

    Raises ValueError when the shapes differ.
    """
    if truth.shape != predicted.shape:
        raise ValueError("The two segmentations do not lie on the same image.")
    truth, predicted = truth > 0, predicted > 0
    outcome = np.zeros(truth.shape, np.uint8)
    outcome[truth & predicted] = FOUND.value
    outcome[truth & ~predicted] = MISSED.value
    outcome[~truth & predicted] = IN_VAIN.value
    return outcome


def summary(outcome: np.ndarray, voxel_ml: float) -> dict:
    """{"found_ml", "missed_ml", "in_vain_ml", "dice"}; Dice is None where both are empty."""
    counts = np.bincount(outcome.ravel(), minlength=4)[1:4]
    overlap = dice((outcome == 1) | (outcome == 2), (outcome == 1) | (outcome == 3))
    volumes = {f"{c.key}_ml": float(n * voxel_ml) for c, n in zip(OUTCOMES, counts, strict=True)}
    return volumes | {"dice": None if np.isnan(overlap) else float(overlap)}
