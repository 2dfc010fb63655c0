"""A network with its calibration and its limits: X-rays in, predictions out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from LesionKitLib.errors import MissingResource

from .prediction import Prediction

if TYPE_CHECKING:
    import numpy as np

    from LesionKitLib.progress import Progress

    from .xray import Xray

NETWORKS = ("efficientnet-lite0", "light")
DEFAULT_NETWORK = "efficientnet-lite0"


class Classifier:
    """network: one of NETWORKS; name and version are those of the model's card."""

    network: str
    name: str
    version: str

    def predict(self, xrays: Sequence[Xray], progress: Progress | None = None) -> list[Prediction]:
        """One prediction for each X-ray, in their order."""
        raise MissingResource("The router's model is not installed.")

    def explain(self, xray: Xray, label: str | None = None) -> np.ndarray:
        """Grad-CAM (Selvaraju 2017) of a class (default: the likeliest): float32 (rows, columns), 0..1."""
        raise MissingResource("The router's model is not installed.")


def load_classifier(network: str = DEFAULT_NETWORK, device: str = "auto") -> Classifier:
    """Raises MissingResource when the model is missing or damaged, UnusableInput for an unknown name."""
    raise MissingResource("The router's model is not installed.")
