"""Fitting the mixture from which places and sizes of synthetic lesions are drawn."""

from __future__ import annotations

import numpy as np

from LesionKitLib.run.errors import UnusableInput
from StrokeSynthLib.synthesis.lesion_prior import LesionPrior

COMPONENTS = 8
ROUNDS = 200
RIDGE = 0.02  # of each number's variance, added to every component's covariance


def fit_lesion_prior(conditions: np.ndarray, left: float, seed: int = 0, components: int = COMPONENTS) -> LesionPrior:
    """The Gaussian mixture of the training lesions' conditions (n, 7); left: share of them that lay on the left.

    Fitted by expectation maximization from k-means++ centers. Raises UnusableInput for fewer lesions than components.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    values = np.asarray(conditions, float)
    if len(values) < components:
        raise UnusableInput(f"There are only {len(values)} lesions, too few to learn their places and sizes from.")
    spread = values.std(axis=0) + 1e-12
    mixture = GaussianMixture(components, reg_covar=RIDGE, max_iter=ROUNDS, init_params="k-means++", random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last round's mixture serves as well
        mixture.fit(values / spread)
    roots = np.linalg.cholesky(mixture.covariances_) * spread[:, None]
    return LesionPrior(mixture.weights_, mixture.means_ * spread, roots, left)
