"""What strokes teach: a Gaussian process on the network's logits, learned anew from all strokes after each one.

The prior mean is the network's own logit. Strokes are observations: at their voxels the class that was drawn should
lead. Voxels of which the network is sure are observations, too: there it is taken to be right. The posterior mean
(Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", eq. 2.25) carries what was learned to voxels
that are alike in place, gray value, the network's probability and its features; its reach is limited by a geodesic
distance, as MONet weights an online likelihood by its distance from the strokes (Asad et al. 2023, arXiv 2303.13696).
No iteration: one small linear system, so the answer is quick and the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .evidence import Evidence
from .influence import LEAST_INFLUENCE, brush_radius, distance_from, limit_of, reach_of, speed_of

UNMARKED = -1
CHANGED_FROM = 0.05  # logits: where less was learned the voxel keeps its label
BEYOND = 0.02  # speed of a stroke's influence through voxels that may not change
BLOCK = 2**15  # voxels whose kernel is held at once


@dataclass(frozen=True)
class Settings:
    """Chosen on training patients (docs/correction.md).

    reach: geodesic distance after which influence falls to 1/e, in radii of the stroke: who takes a wide brush means a
    large region; reach_mm: its limits. place: mm, scale of the kernel in space. feature: its scale in features. noise:
    variance of an observation, relative to the kernel's 1. lead: logits by which a drawn class leads. smooth: mm of the
    Gaussian that regularizes logits. edge_weight: see speed_of. anchors, sure_anchors: observations kept of the strokes
    and of the sure voxels. sure: probability.
    """

    reach: float = 5.0
    reach_mm: tuple[float, float] = (4.0, 45.0)
    place: float = 66.0
    feature: float = 0.6
    noise: float = 0.3
    lead: float = 4.0
    smooth: float = 1.6
    edge_weight: float = 1.3
    anchors: int = 150
    sure_anchors: int = 200
    sure: float = 0.95


@dataclass(frozen=True)
class Answer:
    """labels (*grid) uint8 and the scores (classes, *grid) that they come from; changes (*grid) bool: where they hold,
    that is where a region touches a stroke of its class; elsewhere the labels before stay."""

    labels: np.ndarray
    scores: np.ndarray
    changes: np.ndarray


class OnlineLikelihood:
    """Labels after strokes, for one image; see the module's docstring.

    labels: the labels (*grid) to start from; default: the evidence's own. They stay where nothing was learned.
    allowed (*grid) bool: voxels that may change; None: all. Strokes hardly reach through the others.
    """

    def __init__(
        self,
        evidence: Evidence,
        labels: np.ndarray | None = None,
        settings: Settings | None = None,
        allowed: np.ndarray | None = None,
    ):
        self.settings = settings or Settings()
        self.evidence = evidence
        self._allowed = allowed
        self.labels = evidence.labels if labels is None else np.asarray(labels, np.uint8)
        if self.labels.shape != evidence.shape:
            raise ValueError("Labels and evidence lie on different grids.")
        self._sigma = [self.settings.smooth / s for s in evidence.spacing]
        self._prior = self._smoothed(evidence.log_prior)
        self._speed = speed_of(
            evidence.features[:2] / self.settings.feature, self.settings.edge_weight, evidence.spacing
        )
        if allowed is not None:
            self._speed = np.where(allowed, self._speed, np.float32(BEYOND))

    def correct(self, strokes: np.ndarray) -> np.ndarray:
        """Labels (*grid) uint8 after strokes (*grid, signed: the class drawn, UNMARKED elsewhere).

        Strokes keep exactly what was drawn. Only regions that touch a stroke of their class change. Raises ValueError
        for strokes on another grid or of a class that is not known.
        """
        strokes = np.asarray(strokes, np.int16)
        if strokes.shape != self.labels.shape:
            raise ValueError("Strokes lie on another grid than the image.")
        if strokes.max(initial=UNMARKED) >= len(self._prior):
            raise ValueError("A stroke names a class that is not known.")
        answer = self.answer(strokes)
        return np.where(answer.changes, answer.labels, self.labels).astype(np.uint8)

    def answer(self, strokes: np.ndarray) -> Answer:
        """As correct, with the scores that labels come from, so that they can be brought to a finer grid."""
        drawn = strokes > UNMARKED
        if not drawn.any():
            return Answer(self.labels, self._prior, drawn)
        learned = self._learned(strokes, drawn)
        scores = self._prior + learned
        taught = np.abs(learned).max(0) > CHANGED_FROM
        new = np.where(taught, scores.argmax(0), self.labels)
        new[drawn] = strokes[drawn]
        return Answer(new.astype(np.uint8), scores, _touching(new, strokes))

    def _learned(self, strokes: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Change of the logits (classes, *grid), 0 beyond the strokes' influence."""
        s = self.settings
        influence = self._influence(drawn)
        if self._allowed is not None:
            influence[~(self._allowed | drawn)] = 0
        influence = influence.ravel()
        near = np.flatnonzero(influence > LEAST_INFLUENCE)
        anchors, wanted = self._observations(strokes.ravel(), near)
        points = self._points_at(anchors)
        weights = np.linalg.solve(
            _kernel(points, points) + s.noise * np.eye(len(points), dtype=np.float32), wanted
        ).astype(np.float32)
        learned = np.zeros((len(self._prior), influence.size), np.float32)
        for start in range(0, len(near), BLOCK):
            part = near[start : start + BLOCK]
            learned[:, part] = (_kernel(self._points_at(part), points) @ weights).T * influence[part]
        learned = learned.reshape(self._prior.shape)
        box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.unravel_index(near, drawn.shape))
        box = (slice(None), *self._widened(box, 4 * s.smooth))
        learned[box] = self._smoothed(learned[box])
        return learned

    def _influence(self, drawn: np.ndarray) -> np.ndarray:
        """0..1 (*grid): how far each stroke reaches, in proportion to its brush."""
        from scipy import ndimage

        s, influence = self.settings, np.zeros(drawn.shape, np.float32)
        regions, _ = ndimage.label(drawn, np.ones((3,) * drawn.ndim))
        for number, place in enumerate(ndimage.find_objects(regions), 1):
            radius = brush_radius(regions[place] == number, self.evidence.spacing)
            reach = reach_of(radius, s.reach, s.reach_mm)
            limit = limit_of(reach)
            box = self._widened(place, limit)
            distance = distance_from(regions[box] == number, self._speed[box], self.evidence.spacing, limit)
            influence[box] = np.maximum(influence[box], np.exp(-distance / reach))
        return influence

    def _widened(self, place: tuple[slice, ...], margin: float) -> tuple[slice, ...]:
        """The part of the grid within ``margin`` mm of a place."""
        steps = [int(margin / spacing) + 1 for spacing in self.evidence.spacing]
        return tuple(
            slice(max(0, part.start - step), part.stop + step) for part, step in zip(place, steps, strict=True)
        )

    def _observations(self, strokes: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices of voxels (n), and the change of the logits (n, classes) that is right there."""
        s, classes = self.settings, len(self._prior)
        prior = self._prior.reshape(classes, -1)
        drawn = _spread(np.flatnonzero(strokes > UNMARKED), s.anchors)
        own = np.eye(classes, dtype=np.float32)[strokes[drawn]]
        logits = (prior[:, drawn] - prior[:, drawn].mean(0)).T
        wanted = s.lead * (own - 1 / classes) - logits
        lead = (logits * own).sum(1) - np.where(own > 0, -np.inf, logits).max(1)
        wanted[lead > s.lead] = 0  # the network knows it
        probability = np.exp(prior[:, near].max(0))
        sure = near[(probability > s.sure) & (strokes[near] == UNMARKED)]
        sure = _spread(sure, s.sure_anchors)
        return np.concatenate([drawn, sure]), np.concatenate([wanted, np.zeros((len(sure), classes), np.float32)])

    def _points_at(self, voxels: np.ndarray) -> np.ndarray:
        """(n, features + axes) float32 of voxels (n, flat indices), in units of the kernel's scales."""
        features = self.evidence.features.reshape(len(self.evidence.features), -1)[:, voxels] / self.settings.feature
        places = np.array(np.unravel_index(voxels, self.evidence.shape), np.float32)
        places *= np.array(self.evidence.spacing, np.float32)[:, None] / self.settings.place
        return np.ascontiguousarray(np.concatenate([features, places]).T, np.float32)

    def _smoothed(self, logits: np.ndarray) -> np.ndarray:
        from scipy import ndimage

        return np.stack([ndimage.gaussian_filter(part, self._sigma) for part in logits])


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared-exponential kernel (n, m) of points (n, d) and (m, d)."""
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    return np.exp(-0.5 * np.maximum(squares, 0))


def _spread(indices: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` of the indices, evenly."""
    return indices if len(indices) <= count else indices[np.linspace(0, len(indices) - 1, count).astype(int)]


def _touching(labels: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    """Voxels (bool) of regions of one label that hold a stroke of that label."""
    from scipy import ndimage

    touching = np.zeros(labels.shape, bool)
    for value in np.unique(strokes[strokes > UNMARKED]):
        regions, count = ndimage.label(labels == value)
        held = np.zeros(count + 1, bool)
        held[regions[strokes == value]] = True
        held[0] = False
        touching |= held[regions]
    return touching
