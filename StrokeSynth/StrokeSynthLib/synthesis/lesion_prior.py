"""The prior of a lesion's place and size: a Gaussian mixture over the bounding boxes of the training lesions.

The seven numbers of a box (see occupancy_grid.conditions_of) are sampled together, so that a large lesion gets a place
where large lesions are. LesionKitResearch.training.lesion_prior fits the mixture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.run.errors import UnusableInput

DRAWS = 4096


@dataclass(frozen=True)
class LesionPrior:
    """A mixture: weights (n), means (n, 7), roots (n, 7, 7: lower Cholesky factors); left: share of left lesions."""

    weights: np.ndarray
    means: np.ndarray
    roots: np.ndarray
    left: float

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, 7) conditions of lesions on the left."""
        parts = rng.choice(len(self.weights), size=count, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((count, self.means.shape[1]))
        return self.means[parts] + np.einsum("nij,nj->ni", self.roots[parts], noise)

    def sample_one(self, rng: np.random.Generator, low_ml: float, high_ml: float) -> np.ndarray:
        """Conditions of one lesion whose volume lies within the range (ml).

        A range that the mixture hardly knows is served by the nearest lesion, grown or shrunk.
        Raises UnusableInput when the range is empty.
        """
        if not 0 < low_ml <= high_ml:
            raise UnusableInput("The range of the lesion's volume must begin above 0 ml and end above its beginning.")
        sampled = self.sample(rng, DRAWS)
        low, high = np.log(low_ml), np.log(high_ml)
        inside = np.flatnonzero((sampled[:, 6] >= low) & (sampled[:, 6] <= high))
        if len(inside):
            return sampled[inside[0]]
        chosen = sampled[np.argmin(np.abs(np.clip(sampled[:, 6], low, high) - sampled[:, 6]))]
        wanted = np.clip(chosen[6], low, high)
        chosen[3:6] += (wanted - chosen[6]) / 3  # each side by the cube root of the volumes' ratio
        chosen[6] = wanted
        return chosen
