"""Which artery supplies what a lesion fills: an atlas of territories in MNI space, not the patient's own vessels.

Digital 3D Brain MRI Arterial Territories Atlas (Liu et al. 2023, Scientific Data 10:74), CC BY-SA 4.0; the notice lies
beside the file.
"""

from __future__ import annotations

import functools

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.io.resources import resource
from LesionKitLib.run.errors import MissingResource
from StrokeSynthLib.segmentation.template import STANDARD_IJK_TO_RAS, STANDARD_SHAPE

from .measurements import stroke_components

# in the order of the atlas's values: 2 n + 1 is the left one, 2 n + 2 the right one
TERRITORIES = (
    "ACA", "ACA, medial lenticulostriate", "MCA, lateral lenticulostriate", "MCA, frontal", "MCA, parietal",
    "MCA, temporal", "MCA, occipital", "MCA, insular", "PCA, temporal", "PCA, occipital",
    "PCA, posterior choroidal and thalamoperforating", "PCA, anterior choroidal and thalamoperforating", "basilar",
    "superior cerebellar", "inferior cerebellar", "lateral ventricle",
)  # fmt: skip
SIDES = ("left", "right")
VENTRICLES = (31, 32)
OUTSIDE = "outside the atlas"


def title(value: int) -> str:
    """Such as "left MCA, frontal", of an atlas value; OUTSIDE for 0."""
    return OUTSIDE if value == 0 else f"{SIDES[(value - 1) % 2]} {TERRITORIES[(value - 1) // 2]}"


def lesion_territories(volume: Volume, lesion: np.ndarray, to_image: np.ndarray) -> list[dict]:
    """[{"territory", "territory_percent"}] of the lesions in the order of measure()'s: where most of each lies.

    lesion: mask (k, j, i); to_image: 4 x 4, MNI mm to the image's mm. A territory of a ventricle is named only where a
    lesion touches no other. Raises MissingResource when the atlas is missing.
    """
    to_mni = np.linalg.inv(to_image)
    found = []
    for component in stroke_components(volume, lesion):
        counts = np.bincount(_values(component.points, to_mni), minlength=len(TERRITORIES) * 2 + 1)
        supplied = counts.copy()
        supplied[[0, *VENTRICLES]] = 0
        value = int(np.argmax(supplied if supplied.any() else counts))
        found.append({"territory": title(value), "territory_percent": 100.0 * float(counts[value] / counts.sum())})
    return found


def territory_volumes(volume: Volume, lesion: np.ndarray, to_image: np.ndarray) -> dict[str, float]:
    """Milliliters of lesion in each territory that holds any, the largest first; what lies outside the atlas, too."""
    i_j_k = np.argwhere(lesion > 0)[:, ::-1]
    points = i_j_k @ volume.ijk_to_ras[:3, :3].T + volume.ijk_to_ras[:3, 3]
    counts = np.bincount(_values(points, np.linalg.inv(to_image)), minlength=1)
    order = [int(value) for value in np.argsort(-counts, kind="stable") if counts[value]]
    return {title(value): float(counts[value] * volume.voxel_ml) for value in order}


def _values(points: np.ndarray, to_mni: np.ndarray) -> np.ndarray:
    """Atlas values at points (n, 3: RAS mm of the image). to_mni: 4 x 4, the image's mm to MNI mm."""
    to_index = np.linalg.inv(STANDARD_IJK_TO_RAS) @ to_mni
    index = np.rint((points @ to_index[:3, :3].T + to_index[:3, 3])[:, ::-1]).astype(int)
    inside = ((index >= 0) & (index < np.array(STANDARD_SHAPE))).all(1)
    values = np.zeros(len(points), np.intp)
    values[inside] = load_atlas()[tuple(index[inside].T)]
    return values


@functools.lru_cache(maxsize=1)
def load_atlas() -> np.ndarray:
    """uint8 (k, j, i) on the template's standard grid."""
    path = resource("StrokeSynthLib", "ArterialAtlas", "territories.npz")
    try:
        with np.load(path) as file:
            return file["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise MissingResource("The arterial atlas of StrokeSynth is damaged; install it again.") from error
