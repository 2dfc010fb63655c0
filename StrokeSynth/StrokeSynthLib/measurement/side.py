"""Which side of the brain a voxel or a lesion lies on: always the patient's own side, decided here and nowhere else.

Voxels have a hemisphere (LEFT, RIGHT, or MIDLINE for those that the midsagittal plane passes through). It comes from
the alignment with standard space, where the plane is x = 0, or of a label map from the map itself.
"""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.volume import Volume

MIDLINE, LEFT, RIGHT = 0, 1, 2
SIDES = ("left", "right", "both", "none")
ONE_SIDE = 0.9  # share of the volume from which a lesion belongs to one side
COARSE_MM = 4.0  # voxels by which a label map is compared with its mirror image
STEPS_MM, STEP_LIMIT = (6.0, 0.05), 300  # of the search for the plane: first and last step at 50 mm from its center
LEVER_MM = 50.0


def side_of(hemispheres: np.ndarray) -> str:
    """One of SIDES. hemispheres: of a lesion's voxels, any shape; those on the midline count for neither side."""
    if not hemispheres.size:
        return "none"
    if np.mean(hemispheres == LEFT) >= ONE_SIDE:
        return "left"
    return "right" if np.mean(hemispheres == RIGHT) >= ONE_SIDE else "both"


def left_share(hemispheres: np.ndarray) -> float:
    """Share of the voxels on the left, those on the midline by halves."""
    return float(np.mean(hemispheres == LEFT) + 0.5 * np.mean(hemispheres == MIDLINE))


def hemispheres_by_alignment(shape: tuple[int, int, int], to_mni: np.ndarray) -> np.ndarray:
    """uint8 of the shape (k, j, i). to_mni: 4 x 4 from (i, j, k) to mm of standard space, RAS."""
    return _by_plane(shape, to_mni[0], 0.5 * float(np.abs(to_mni[0, :3]).max()))


def hemispheres_of_labels(labels: Volume, lateral: np.ndarray | None = None) -> np.ndarray:
    """uint8 of a semantic map's shape, from the map alone.

    lateral: LEFT and RIGHT where a label says so (see labels.lateral_from_freesurfer), MIDLINE elsewhere; where it says
    nothing a plane between both decides. Without it the plane is the one to which the map is most symmetric.
    """
    has_sides = lateral is not None and (lateral == LEFT).any() and (lateral == RIGHT).any()
    plane = _separating_plane(labels, lateral) if has_sides else _symmetry_plane(labels)
    found = _by_plane(labels.array.shape, plane @ labels.ijk_to_ras, 0.5 * float(labels.spacing.max()))
    return np.where(lateral != MIDLINE, lateral, found).astype(np.uint8) if has_sides else found


def _by_plane(shape, row: np.ndarray, half_mm: float) -> np.ndarray:
    """row: (4) that gives mm to the right of the plane for (i, j, k, 1); nearer than half_mm is the midline."""
    k, j, i = np.ogrid[tuple(slice(n) for n in shape)]
    distance = row[0] * i + row[1] * j + row[2] * k + row[3]
    return np.where(distance < -half_mm, LEFT, np.where(distance > half_mm, RIGHT, MIDLINE)).astype(np.uint8)


def _separating_plane(labels: Volume, lateral: np.ndarray) -> np.ndarray:
    """(4): mm to the right of the plane for (x, y, z, 1) in RAS; Fisher's linear discriminant of both sides' voxels."""
    step = max(1, round(COARSE_MM / float(labels.spacing.min())))
    part = lateral[::step, ::step, ::step]
    left, right = (_points(labels, part == side, step) for side in (LEFT, RIGHT))
    within = np.cov(left.T) + np.cov(right.T)
    normal = np.linalg.solve(within, right.mean(0) - left.mean(0))
    normal /= np.linalg.norm(normal)
    return np.append(normal, -normal @ (left.mean(0) + right.mean(0)) / 2)


def _symmetry_plane(labels: Volume) -> np.ndarray:
    """(4), as of _separating_plane: the plane to which the map's own mirror image fits best."""
    from scipy import ndimage, optimize

    step = [max(1, round(COARSE_MM / mm)) for mm in labels.spacing[::-1]]
    values = labels.array[tuple(slice(None, None, n) for n in step)]
    points = _points(labels, values > 0, step)
    center = points.mean(0)
    lookup = np.array([0.0, 0.1, 0.3, 0.7, 1.0, 0.85, 1.0])  # fluid dark, tissue bright, a lesion like tissue
    gray = ndimage.gaussian_filter(lookup[np.minimum(values, len(lookup) - 1)], 0.8)
    own = gray[values > 0]
    to_index = np.linalg.inv(labels.ijk_to_ras @ np.diag([*step[::-1], 1.0]))

    def plane_of(at: np.ndarray) -> np.ndarray:
        normal = np.array([1.0, at[1] / LEVER_MM, at[2] / LEVER_MM])
        normal /= np.linalg.norm(normal)
        return np.append(normal, -normal @ center - at[0])

    def difference(at: np.ndarray) -> float:
        plane = plane_of(at)
        mirrored = points - 2 * (points @ plane[:3] + plane[3])[:, None] * plane[:3]
        index = mirrored @ to_index[:3, :3].T + to_index[:3, 3]
        there = ndimage.map_coordinates(gray, index.T[::-1], order=1, mode="constant")
        return float(np.mean((there - own) ** 2))

    simplex = np.vstack([np.zeros(3), STEPS_MM[0] * np.eye(3)])
    options = {"initial_simplex": simplex, "xatol": STEPS_MM[1], "fatol": 1e-7, "maxfev": STEP_LIMIT}
    return plane_of(optimize.minimize(difference, np.zeros(3), method="Nelder-Mead", options=options).x)


def _points(volume: Volume, mask: np.ndarray, step) -> np.ndarray:
    """(n, 3) RAS mm of the voxels of a mask that holds every step-th voxel (k, j, i)."""
    index = (np.argwhere(mask) * step)[:, ::-1]
    return index @ volume.ijk_to_ras[:3, :3].T + volume.ijk_to_ras[:3, 3]
