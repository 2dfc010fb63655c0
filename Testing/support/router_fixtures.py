"""Small X-rays as DICOM files, and a classifier that knows their class from their brightness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_fixtures import DX_STORAGE, dicom_image, save

from BodyPartRouterLib.classification.prediction import Prediction
from BodyPartRouterLib.labels import CLASSES, UNKNOWN, UNKNOWN_SENTENCE
from LesionKitLib.models.inference import Runtime
from LesionKitLib.models.registry import Model

LEVELS = {label: (n + 1) / 7 for n, label in enumerate((*CLASSES, UNKNOWN))}  # mean brightness of the pictures


def picture(label: str, seed: int = 0, rows: int = 24, columns: int = 20) -> np.ndarray:
    """uint16 (rows, columns), 0..4095, with both ends of the range: brighter than its mean in as many pixels as darker.

    Its share of bright pixels tells the class, whatever window a reader applies.
    """
    order = np.random.default_rng(seed).permutation(rows * columns)
    flat = np.zeros(rows * columns, np.uint16)
    flat[order[: round(LEVELS[label] * flat.size)]] = 4095
    gray = flat.reshape(rows, columns)
    gray[0, :8], gray[4, :8] = 0, 4095  # readers look at every fourth pixel for the range: there are both ends
    return gray


def xray_dataset(label: str = "adult_chest", seed: int = 0, **elements):
    """A digital X-ray of 24 x 20 pixels with this class; elements: more of its header."""
    defaults = {"BodyPartExamined": "CHEST", "ViewPosition": "PA", "BitsStored": 12, "HighBit": 11}
    data = dicom_image(picture(label, seed), DX_STORAGE, "DX", **{**defaults, **elements})
    data.PresentationIntentType = "FOR PRESENTATION"
    return data


def write_xray(path: Path, label: str = "adult_chest", seed: int = 0, **elements) -> Path:
    return save(xray_dataset(label, seed, **elements), path)


class BrightnessClassifier:
    """Sees the class of picture(); probability: of every answer. calls: sizes of the batches."""

    network, name, version = "light", "brightness", "0"
    model = Model({"name": "brightness", "version": "0", "sha256": "ab" * 32, "limits": ["Tests only."]}, Path())
    runtime = Runtime("cpu")

    def __init__(self, probability: float = 0.9):
        self.probability = probability
        self.calls: list[int] = []

    def predict(self, xrays, progress=None) -> list[Prediction]:
        self.calls.append(len(xrays))
        return [self._predict(xray) for xray in xrays]

    def explain(self, xray, label=None) -> np.ndarray:
        rows, columns = np.ogrid[: xray.pixels.shape[0], : xray.pixels.shape[1]]
        return np.broadcast_to(columns / xray.pixels.shape[1] + 0 * rows, xray.pixels.shape).astype(np.float32)

    def _predict(self, xray) -> Prediction:
        bright = float((xray.pixels > 0.5).mean())
        label = min(LEVELS, key=lambda name: abs(LEVELS[name] - bright))
        held = label == UNKNOWN
        shown = CLASSES[0] if held else label
        rest = (1 - self.probability) / len(CLASSES)
        probabilities = {name: self.probability if name == shown else rest for name in CLASSES}
        return Prediction(label, self.probability, probabilities, held, UNKNOWN_SENTENCE if held else None)
