"""The methods that are compared: each answers with labels after all strokes so far, from the same strokes.

teach: ours (LesionKitLib.correction). paint: the bare brush. growcut: 3D Slicer's (Zhu et al. 2014, Front. Neuroinform.
8:31). randomwalker: Grady 2006 (IEEE TPAMI 28:1768), scikit-image's. econet: a small online network on scribbles after
ECONet (Asad et al. 2022, arXiv 2201.04584), mixed with the automatic result by distance as in MONet (arXiv 2303.13696).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from LesionKitLib.correction.evidence import Evidence
from LesionKitLib.correction.online_likelihood import UNMARKED, OnlineLikelihood
from LesionKitLib.run.errors import MissingResource

SEED_PROBABILITY = 0.9  # of the automatic result, for methods that need seeds of every class
MARGIN_MM = 25.0  # around the strokes, for methods that answer within a box
WALKER_BETA = 130.0  # scikit-image's default
METHODS = ("teach", "paint", "growcut", "randomwalker", "econet")


@dataclass(frozen=True)
class Picture:
    """gray (h, w) float32; evidence and labels of the automatic result, alike; spacing: mm per pixel."""

    gray: np.ndarray
    evidence: Evidence
    labels: np.ndarray
    spacing: float


# all strokes so far (h, w; class or UNMARKED), labels before (h, w), the newest stroke (h, w; bool) -> labels
Method = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def method_for(name: str, picture: Picture) -> Method:
    """One of METHODS for one picture. Raises MissingResource where its library is missing."""
    return {
        "teach": _teach,
        "paint": _paint,
        "growcut": _grow_cut,
        "randomwalker": _random_walker,
        "econet": _econet,
    }[name](picture)


def _teach(picture: Picture) -> Method:
    online = OnlineLikelihood(picture.evidence, picture.labels)
    return lambda strokes, labels, newest: online.correct(strokes)


def _paint(picture: Picture) -> Method:
    return lambda strokes, labels, newest: np.where(newest, strokes, labels).astype(np.uint8)


def _random_walker(picture: Picture) -> Method:
    try:
        from skimage.segmentation import random_walker
    except ImportError as error:
        raise MissingResource("The method 'randomwalker' needs scikit-image.") from error

    def answer(strokes, labels, newest):
        def walk(gray, seeds):
            return random_walker(gray, seeds, beta=WALKER_BETA, mode="cg_j", tol=1e-3)

        return _within_box(picture, strokes, labels, newest, walk)

    return answer


def _grow_cut(picture: Picture) -> Method:
    from .slicer_grow_cut import grow_cut

    return lambda strokes, labels, newest: _within_box(picture, strokes, labels, newest, grow_cut)


def _within_box(picture: Picture, strokes, labels, newest, segment) -> np.ndarray:
    """The answer of segment(gray, seeds: class + 1, 0 unknown) around the newest stroke; elsewhere the labels before.

    Seeds are the strokes, and what the automatic result is sure of.
    """
    margin = int(MARGIN_MM / picture.spacing)
    box = tuple(slice(max(0, int(at.min()) - margin), int(at.max()) + margin + 1) for at in np.nonzero(newest))
    prior = picture.evidence.log_prior[(slice(None), *box)]
    seeds = np.where(np.exp(prior.max(0)) > SEED_PROBABILITY, prior.argmax(0) + 1, 0)
    drawn = strokes[box]
    seeds = np.where(drawn > UNMARKED, drawn + 1, seeds).astype(np.int32)
    result = labels.copy()
    if len(np.unique(seeds[seeds > 0])) < 2:  # one class alone: nothing to tell apart
        return np.where(newest, strokes, labels).astype(np.uint8)
    found = segment(picture.gray[box], seeds)
    result[box] = np.where(found > 0, found - 1, labels[box])
    return np.where(strokes > UNMARKED, strokes, result).astype(np.uint8)


def _econet(picture: Picture) -> Method:
    from .econet import OnlineNetwork

    online = OnlineNetwork(picture.gray, picture.evidence, picture.labels, picture.spacing)
    return lambda strokes, labels, newest: online.correct(strokes)
