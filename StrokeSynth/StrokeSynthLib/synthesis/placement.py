"""Where lesions lie and how large they are: a Gaussian mixture over the boxes of the training lesions.

The seven numbers of a box (see mask_boxes.conditions_of) are drawn together, so that a large lesion gets a place where
large lesions are. LesionKitResearch.training.placement fits the mixture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.run.errors import UnusableInput

DRAWS = 4096


@dataclass(frozen=True)
class Placement:
    """A mixture: weights (n), means (n, 7), roots (n, 7, 7: lower Cholesky factors); left: share of left lesions."""

    weights: np.ndarray
    means: np.ndarray
    roots: np.ndarray
    left: float

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, 7) conditions of lesions on the left."""
        parts = rng.choice(len(self.weights), size=count, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((count, self.means.shape[1]))
        return self.means[parts] + np.einsum("nij,nj->ni", self.roots[parts], noise)

    def draw_one(self, rng: np.random.Generator, low_ml: float, high_ml: float) -> np.ndarray:
        """Conditions of one lesion whose volume lies within the range (ml).

        A range that the mixture hardly knows is served by the nearest lesion, grown or shrunk.
        Raises UnusableInput when the range is empty.
        """
        if not 0 < low_ml <= high_ml:
            raise UnusableInput("The range of the lesion's volume must begin above 0 ml and end above its beginning.")
        drawn = self.draw(rng, DRAWS)
        low, high = np.log(low_ml), np.log(high_ml)
        inside = np.flatnonzero((drawn[:, 6] >= low) & (drawn[:, 6] <= high))
        if len(inside):
            return drawn[inside[0]]
        chosen = drawn[np.argmin(np.abs(np.clip(drawn[:, 6], low, high) - drawn[:, 6]))]
        wanted = np.clip(chosen[6], low, high)
        chosen[3:6] += (wanted - chosen[6]) / 3  # each side by the cube root of the volumes' ratio
        chosen[6] = wanted
        return chosen
