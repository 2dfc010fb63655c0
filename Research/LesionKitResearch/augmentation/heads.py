"""Heads with random contrast, skull, pose, noise and field of view, made from label maps for brain extraction.

After SynthStrip (Hoopes et al. 2022, NeuroImage 260:119474): each label gets a gray of its own at random, so that the
network learns shapes and not a sequence. The label maps know one kind of tissue outside the skull; layers of bone and
scalp of random thickness are laid around the brain, because real skulls are dark and scalp may be brightest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from StrokeSynthLib.labels import BACKGROUND, CSF, SKULL_FIRST, SKULL_KINDS
from StrokeSynthLib.segmentation.brain_extraction import BRAIN_IN_FIELD, FIELD, STEP_MM, normalized_head

from .label_map_randomization import random_means

FINE_MM = 2.0  # where images are made, before they are averaged to STEP_MM
TURN_DEGREES, SHIFT_MM = 20.0, 18.0
LARGEST_MM = 60.0  # distances from the brain are kept up to here
WITHOUT_SKULL, FAINT_SKULL, LAYERED_SKULL = 0.3, 0.2, 0.75  # shares of the samples
WITH_LESION, WITH_NOISE, THICK_SLICES, CUT = 0.5, 0.6, 0.4, 0.4


@dataclass(frozen=True)
class Anatomy:
    """labels: uint8 (k, j, i), LPS, every FINE_MM, semantic numbers and those of skull. outside: uint8, mm to brain.

    center: voxel (k, j, i) in the middle of the brain.
    """

    labels: np.ndarray
    outside: np.ndarray
    center: np.ndarray


def anatomy_of(labels: np.ndarray) -> Anatomy:
    """From a semantic map at 1 mm in LPS order."""
    from scipy import ndimage

    step = round(FINE_MM)
    fine = np.ascontiguousarray(labels[::step, ::step, ::step])
    tissue = np.argwhere(is_brain(fine) & (fine != CSF.value))
    lowest = tissue[:, 0].min()
    fine[:lowest][fine[:lowest] == CSF.value] = SKULL_FIRST  # fluid goes on down the spine
    brain = is_brain(fine)
    distance = np.minimum(ndimage.distance_transform_edt(~brain) * FINE_MM, LARGEST_MM)
    return Anatomy(fine, distance.round().astype(np.uint8), (tissue.min(0) + tissue.max(0)) / 2)


def is_brain(labels: np.ndarray) -> np.ndarray:
    """Brain, and fluid within the skull: everything but air, skull and scalp."""
    return (labels != BACKGROUND) & (labels < SKULL_FIRST)


def random_head(anatomy: Anatomy, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(image, occupancy): float32 of FIELD; the share of each voxel that is brain."""
    labels, outside = _posed(anatomy, rng)
    brain = is_brain(labels)
    gray = _grays(labels, outside, brain, rng)
    if rng.random() < WITH_LESION:
        gray = _with_lesion(gray, brain, rng)
    gray, brain = _cut(gray, brain, rng)
    gray = _acquired(gray, rng)
    factor = round(STEP_MM / FINE_MM)
    return normalized_head(_averaged(gray, factor)), _averaged(brain.astype(np.float32), factor)


def _posed(anatomy: Anatomy, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels and distances under a random affine map with a smooth warp, on a grid of FINE_MM twice FIELD."""
    from scipy import ndimage

    shape = np.array(FIELD) * round(STEP_MM / FINE_MM)
    turns = np.radians(rng.uniform(-TURN_DEGREES, TURN_DEGREES, 3)) * rng.random()
    matrix = np.eye(3)
    for axis, turn in enumerate(turns):
        a, b = (n for n in range(3) if n != axis)
        step = np.eye(3)
        step[[a, b], [a, b]] = np.cos(turn)
        step[a, b], step[b, a] = -np.sin(turn), np.sin(turn)
        matrix = matrix @ step
    matrix = matrix * np.exp(rng.normal(0, 0.05, 3)) / np.exp(rng.uniform(-0.25, 0.12))
    matrix = matrix @ np.diag([1, 1, rng.choice((-1.0, 1.0))])
    grid = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in shape], indexing="ij"))
    points = np.tensordot(matrix, grid, axes=(1, 0)).astype(np.float32)
    strength = rng.uniform(0, 3.0) / FINE_MM
    for axis in range(3):
        points[axis] += _smooth(rng.normal(0, strength, (5, 5, 5)), shape)
    shift = rng.uniform(-SHIFT_MM, SHIFT_MM, 3) / FINE_MM
    offset = (np.array(BRAIN_IN_FIELD) - np.array(FIELD) / 2) * STEP_MM / FINE_MM
    points += (anatomy.center + shift - offset)[:, None, None, None]
    labels = ndimage.map_coordinates(anatomy.labels, points, order=0, mode="constant")
    outside = ndimage.map_coordinates(anatomy.outside, points, order=0, mode="constant", cval=LARGEST_MM)
    return labels, outside


def _grays(labels, outside, brain, rng: np.random.Generator) -> np.ndarray:
    """Each label's own gray and texture, with skull or without."""
    count = SKULL_FIRST + SKULL_KINDS
    means, spreads = random_means(rng, count), rng.uniform(0.005, 0.08, count)
    gray = means[labels]
    head = labels >= SKULL_FIRST
    if rng.random() < LAYERED_SKULL:
        bone = rng.uniform(0, 2), rng.uniform(4, 10)
        scalp = bone[1] + rng.uniform(0, 4)
        gray[head & (outside > bone[0]) & (outside <= bone[1])] = rng.uniform(0, 0.2)
        gray[head & (outside > scalp) & (outside < scalp + rng.uniform(2, 12))] = rng.uniform(0.1, 1.3)
    kind = rng.random()
    if kind < WITHOUT_SKULL:
        gray[~brain] = 0
    elif kind < WITHOUT_SKULL + FAINT_SKULL:  # fat suppression, diffusion
        gray[head] *= rng.uniform(0, 0.3)
    textured = gray + spreads[labels] * rng.standard_normal(labels.shape, np.float32)
    return np.where(labels > 0, np.maximum(textured, 0), 0 if kind < WITHOUT_SKULL else gray).astype(np.float32)


def _with_lesion(gray: np.ndarray, brain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An ellipsoid of another gray within the brain."""
    places = np.argwhere(brain[::4, ::4, ::4]) * 4
    if not len(places):
        return gray
    center, half = places[rng.integers(len(places))], rng.uniform(4, 35, 3) / FINE_MM
    axes = np.ogrid[tuple(slice(n) for n in gray.shape)]
    inside = sum(((axis - c) / h) ** 2 for axis, c, h in zip(axes, center, half, strict=True)) <= 1
    return np.where(inside & brain, gray * rng.uniform(0, 1) + rng.uniform(0, 1.3), gray).astype(np.float32)


def _cut(gray: np.ndarray, brain: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The field of view ends within the head, now and then; beyond it there is nothing."""
    boxes = [slice(0, n) for n in gray.shape]
    rows = np.flatnonzero(brain.any((1, 2)))
    if rng.random() < CUT and len(rows):  # k rises to the head's top
        height = rows[-1] - rows[0]
        low = max(0, rows[0] + int(rng.uniform(-0.2, 0.45) * height))
        high = rows[-1] + 1 - int(max(0, rng.uniform(-0.3, 0.25)) * height)
        boxes[0] = slice(low, max(high, low + 8) if high < rows[-1] + 1 else gray.shape[0])
    result = np.zeros_like(gray), np.zeros_like(brain)
    result[0][tuple(boxes)], result[1][tuple(boxes)] = gray[tuple(boxes)], brain[tuple(boxes)]
    return result


def _acquired(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a scanner does: blur, bias field, thick slices, noise of magnitude images, gamma of the display."""
    from scipy import ndimage

    gray = ndimage.gaussian_filter(gray, rng.uniform(0, 0.8))
    gray = gray * np.exp(_smooth(rng.normal(0, 0.4 * rng.random(), (4, 4, 4)), gray.shape))
    if rng.random() < THICK_SLICES:
        thickness = rng.choice((2, 3, 4))
        gray = ndimage.uniform_filter1d(gray, int(thickness), axis=int(rng.choice(3, p=(0.7, 0.15, 0.15))))
    if rng.random() < WITH_NOISE:
        sd = rng.uniform(0, 0.2) * float(gray.max(initial=0.1))
        gray = np.hypot(
            gray + sd * rng.standard_normal(gray.shape, np.float32), sd * rng.standard_normal(gray.shape, np.float32)
        )
    return (np.maximum(gray, 0) ** np.exp(rng.normal(0, 0.2))).astype(np.float32)


def _smooth(knots: np.ndarray, shape) -> np.ndarray:
    """Linear interpolation of a few knots over the shape."""
    from LesionKitLib.imaging.resample import linear_weights

    result = knots.astype(np.float32)
    for axis, size in enumerate(shape):
        weight = linear_weights(knots.shape[axis], int(size), 0.0, knots.shape[axis] / int(size))
        result = np.moveaxis(np.tensordot(weight, result, axes=(1, axis)), 0, axis)
    return result


def _averaged(array: np.ndarray, factor: int) -> np.ndarray:
    """Means over blocks of factor voxels along every axis."""
    k, j, i = (n // factor for n in array.shape)
    return array.reshape(k, factor, j, factor, i, factor).mean((1, 3, 5), dtype=np.float32)
