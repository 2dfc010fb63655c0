"""How well the brain is extracted from heads that the network never saw: made from the validation label maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LesionKitLib.imaging.metrics import dice
from LesionKitResearch.augmentation.heads import Anatomy, random_head
from StrokeSynthLib.segmentation.brain_extraction import BRAIN_FROM, occupancy_of

SAMPLES = 60


def extraction_scores(network, anatomies: Sequence[Anatomy], seed: int = 1, count: int = SAMPLES) -> dict[str, list]:
    """dice and volume_error (percent of the true volume, signed) of ``count`` random heads at 4 mm, and whose they are
    (patient: number of the anatomy)."""
    scores: dict[str, list] = {"dice": [], "volume_error": [], "patient": []}
    for number in range(count):
        image, occupancy = random_head(anatomies[number % len(anatomies)], np.random.default_rng([seed, number]))
        truth, found = occupancy > BRAIN_FROM, occupancy_of(image, network) > BRAIN_FROM
        scores["dice"].append(dice(found, truth))
        scores["patient"].append(number % len(anatomies))
        scores["volume_error"].append(100 * (found.sum() / truth.sum() - 1))
    return scores
