"""Ground truth against prediction, voxel by voxel: true positives, false negatives and false positives."""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.labels import LUNG, MORPHOLOGICALLY_ABNORMAL_STRUCTURE, SegmentClass
from LesionKitLib.imaging.metrics import dice

ABNORMAL = MORPHOLOGICALLY_ABNORMAL_STRUCTURE
# colors that people with red-green blindness tell apart (Okabe and Ito 2008)
TRUE_POSITIVE = SegmentClass(
    "true_positive", 1, "Found (true positive)", (0, 158, 115), ABNORMAL, ABNORMAL, region=LUNG
)
FALSE_NEGATIVE = SegmentClass(
    "false_negative", 2, "Missed (false negative)", (230, 159, 0), ABNORMAL, ABNORMAL, region=LUNG
)
FALSE_POSITIVE = SegmentClass("false_positive", 3, "False positive", (204, 121, 167), ABNORMAL, ABNORMAL, region=LUNG)
OUTCOMES = (TRUE_POSITIVE, FALSE_NEGATIVE, FALSE_POSITIVE)


def compare(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """uint8 of the arrays' shape: 0 nothing, 1 true positive, 2 false negative, 3 false positive.

    Any lesion counts, whatever its kind. Raises ValueError when the shapes differ.
    """
    if truth.shape != predicted.shape:
        raise ValueError("The two segmentations do not lie on the same image.")
    truth, predicted = truth > 0, predicted > 0
    outcome = np.zeros(truth.shape, np.uint8)
    outcome[truth & predicted] = TRUE_POSITIVE.value
    outcome[truth & ~predicted] = FALSE_NEGATIVE.value
    outcome[~truth & predicted] = FALSE_POSITIVE.value
    return outcome


def summary(outcome: np.ndarray, voxel_ml: float) -> dict:
    """{"true_positive_ml", "false_negative_ml", "false_positive_ml", "dice"}; Dice is None where both are empty."""
    counts = np.bincount(outcome.ravel(), minlength=4)[1:4]
    overlap = dice((outcome == 1) | (outcome == 2), (outcome == 1) | (outcome == 3))
    volumes = {f"{c.key}_ml": float(n * voxel_ml) for c, n in zip(OUTCOMES, counts, strict=True)}
    return volumes | {"dice": None if np.isnan(overlap) else float(overlap)}
