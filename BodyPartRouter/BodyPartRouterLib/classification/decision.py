"""From logits and distances to an answer, or to "unknown: needs a person"."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from BodyPartRouterLib.labels import CHESTS, CLASSES, TITLES, UNKNOWN
from BodyPartRouterLib.reading.xray import HeaderFacts

from .prediction import Prediction

# DICOM modalities of projection X-rays, and those that say nothing about it (PS3.3 C.7.3.1.1.1)
XRAY_MODALITIES = frozenset({"CR", "DX", "XA", "RG", "PX", "RF", "IO", "MG", "DR"})
SILENT_MODALITIES = frozenset({"", "OT", "SC", "XC", "HC"})
LEAST_SIDE = 100  # pixels of the longer side: detectors have a thousand and more, MR and NM slices 64 and 128
FLAT = (0.85, 0.70)  # of an Xray's flatness; of 2,050 public X-rays none is beyond both, and none above 0.80 in either
COLORED = 0.05  # share of the pixels: side marks and a physician's arrows are less


@dataclass(frozen=True)
class Decision:
    """temperature: of the calibrated softmax (Guo 2017, arXiv 1706.04599); threshold: least probability of an answer;
    distance: largest distance from the training images of an answer. All from training images held out."""

    temperature: float = 1.0
    threshold: float = 0.5
    distance: float = float("inf")


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """(n, 6) logits -> (n, 6), each row summing to 1."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def decide(
    chances: np.ndarray,
    distance: float,
    header: HeaderFacts,
    decision: Decision,
    colored: float = 0.0,
    side: float = math.inf,
    flatness: tuple[float, float] = (0.0, 0.0),
) -> Prediction:
    """chances: (6,), of the classes and of "no X-ray of these"; colored, flatness, side (the
    longer one, pixels): of an Xray."""
    chances = np.asarray(chances, float)
    best = int(np.argmax(chances[: len(CLASSES)]))
    label, probability = CLASSES[best], float(chances[best])
    reason = why_held(chances, distance, header, decision, colored, side, flatness)
    shares = {name: float(p) for name, p in zip(CLASSES, chances, strict=False)}
    return Prediction(UNKNOWN if reason else label, probability, shares, reason is not None, reason)


def why_held(
    chances: np.ndarray,
    distance: float,
    header: HeaderFacts,
    decision: Decision,
    colored: float = 0.0,
    side: float = math.inf,
    flatness: tuple[float, float] = (0.0, 0.0),
) -> str | None:
    """One sentence, or None where the answer stands."""
    best = int(np.argmax(chances[: len(CLASSES)]))
    modality = header.modality.upper()
    if modality not in XRAY_MODALITIES | SILENT_MODALITIES:
        return f"The header says {modality}, which is no plain X-ray."
    if side < LEAST_SIDE:
        return f"The picture has too few pixels for an X-ray: at most {side} in a row or column."
    if colored > COLORED:
        return "The picture is in color, as no X-ray is."
    if all(share > limit for share, limit in zip(flatness, FLAT, strict=True)):
        return "Most of the picture is of one gray value beside another, as a drawing or a screen is and no X-ray."
    if chances[len(CLASSES)] > chances[best]:
        return "The picture does not look like an X-ray of a body part."
    if chances[best] < decision.threshold:
        second = int(np.argsort(chances[: len(CLASSES)])[-2])
        if {CLASSES[best], CLASSES[second]} == set(CHESTS):
            return "A chest, but whether of an adult or of a child is not clear."
        return f"{TITLES[CLASSES[best]]} is likeliest, but with a probability of {chances[best]:.2f} only."
    if distance > decision.distance:
        return "The picture is unlike the X-rays that the network learned from."
    return None
