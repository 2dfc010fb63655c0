"""Examinations of one chest: lungs as ellipsoids, lesions as spheres, moved by breathing and another position."""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine

FIELD_MM = np.array([300.0, 240.0, 280.0])
LUNGS = {1: ((70.0, 0.0, 0.0), (55.0, 80.0, 110.0)), 2: ((-70.0, 0.0, 0.0), (50.0, 80.0, 105.0))}  # RAS, radii


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def examination(
    spheres, motion: np.ndarray | None = None, spacing=(3.0, 3.0, 4.0), directions: np.ndarray = LPS_IN_RAS
) -> tuple[Volume, Volume]:
    """Label maps of the lungs and of the lesions.

    spheres: (label, center in RAS mm of the unmoved chest, radius in mm as it is now). motion: 4 x 4, where the chest's
    points lie now. Lesions keep their radius whatever the motion.
    """
    motion = np.eye(4) if motion is None else motion
    size = np.ceil(FIELD_MM * 1.2 / np.array(spacing)).astype(int)
    corner = moved(motion, np.zeros((1, 3)))[0] - directions @ ((size - 1) / 2 * np.array(spacing))
    matrix = affine(spacing, directions, corner)
    k, j, i = np.indices(size[::-1])
    points = np.stack([i, j, k, np.ones_like(i)], -1).reshape(-1, 4) @ matrix.T
    own = moved(np.linalg.inv(motion), points[:, :3])
    lungs, lesions = np.zeros(len(own), np.uint8), np.zeros(len(own), np.uint8)
    for value, (center, radii) in LUNGS.items():
        lungs[(((own - center) / radii) ** 2).sum(1) < 1] = value
    for label, center, radius in spheres:
        place = moved(motion, np.array([center]))[0]
        lesions[((points[:, :3] - place) ** 2).sum(1) < radius**2] = label
    shape = tuple(size[::-1])
    return Volume(lungs.reshape(shape), matrix), Volume(lesions.reshape(shape), matrix)


def breath(scale=(1.03, 1.05, 1.12), shift=(12.0, -20.0, 35.0), degrees=6.0) -> np.ndarray:
    """A deeper breath, another position on the table and a small turn about the long axis."""
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag(scale)
    matrix[:3, 3] = shift
    return matrix
