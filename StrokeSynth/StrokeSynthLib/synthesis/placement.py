"""Where lesions lie and how large they are: a Gaussian mixture over the boxes of the training lesions.

The seven numbers of a box (see mask_boxes.conditions_of) are drawn together, so that a large lesion gets a place where
large lesions are. The mixture is fitted by expectation maximization (Dempster, Laird, Rubin 1977).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.run.errors import UnusableInput

PARTS = 8
ROUNDS = 200
RIDGE = 0.02  # of each number's variance, added to every part's covariance
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


def fit_placement(conditions: np.ndarray, left: float, seed: int = 0, parts: int = PARTS) -> Placement:
    """The mixture of the training lesions' conditions (n, 7); left: share of them that lay on the left."""
    rng = np.random.default_rng(seed)
    values = np.asarray(conditions, float)
    spread = values.var(axis=0)
    means = _spread_out(values / np.sqrt(spread), parts, rng) * np.sqrt(spread)
    covariances = np.repeat(np.diag(spread)[None], parts, axis=0)
    weights = np.full(parts, 1 / parts)
    for _ in range(ROUNDS):
        shares = _responsibilities(values, weights, means, covariances)
        counts = shares.sum(axis=0) + 1e-9
        weights, means = counts / len(values), shares.T @ values / counts[:, None]
        for part in range(parts):
            away = values - means[part]
            covariances[part] = (shares[:, part, None] * away).T @ away / counts[part] + np.diag(RIDGE * spread)
    return Placement(weights, means, np.linalg.cholesky(covariances), left)


def _spread_out(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Starting centers far from each other (k-means++, Arthur and Vassilvitskii 2007)."""
    centers = [values[rng.integers(len(values))]]
    while len(centers) < count:
        distances = np.min([((values - center) ** 2).sum(axis=1) for center in centers], axis=0)
        centers.append(values[rng.choice(len(values), p=distances / distances.sum())])
    return np.array(centers)


def _responsibilities(values, weights, means, covariances) -> np.ndarray:
    """(n, parts): how likely each value comes from each part."""
    logs = np.empty((len(values), len(weights)))
    for part, weight in enumerate(weights):
        root = np.linalg.cholesky(covariances[part])
        standard = np.linalg.solve(root, (values - means[part]).T)
        logs[:, part] = np.log(weight + 1e-12) - 0.5 * (standard**2).sum(axis=0) - np.log(np.diag(root)).sum()
    logs = np.exp(logs - logs.max(axis=1, keepdims=True))
    return logs / logs.sum(axis=1, keepdims=True)
