"""Anatomical label maps brought to standard space, and slices of them with a lesion drawn in: the ground for synthesis.

Alignment is by the brain's bounding box alone: enough for lesions to lie in plausible places, and it leaves the
individual shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.measures import bounding_box
from StrokeSynthLib.labels import BACKGROUND, DEEP_GRAY, GRAY, LESION, SKULL_FIRST, WHITE, with_lesion
from StrokeSynthLib.segmentation.slice_views import AXIAL, CORONAL, SAGITTAL, plane_slice
from StrokeSynthLib.segmentation.template import SOOP_FIRST, STANDARD_SHAPE, load_template

from .stroke import MaskSet, read_label_maps

PLANE_AXES = {AXIAL: 0, CORONAL: 1, SAGITTAL: 2}
PLANE_SHARES = {AXIAL: 0.7, CORONAL: 0.2, SAGITTAL: 0.1}
WITHOUT_LESION = 0.15
SHOWN_PIXELS = 20


def to_standard(labels: np.ndarray) -> np.ndarray:
    """A semantic map (k, j, i, LPS, about 1 mm) on the standard grid, its brain scaled to the template's.

    Front, back, sides and top come to the template's; how far down it reaches is left to the scale of the others,
    because the maps end at different heights.
    """
    wanted = bounding_box(_is_tissue(load_template().labels.array))
    found = bounding_box(_is_tissue(labels))
    scales = [(own.stop - own.start) / (to.stop - to.start) for to, own in zip(wanted, found, strict=True)]
    scales[0] = (scales[1] + scales[2]) / 2
    ends = [(to.start, own.start) for to, own in zip(wanted, found, strict=True)]
    ends[0] = wanted[0].stop, found[0].stop
    result = labels
    for axis, (size, scale, (to, own)) in enumerate(zip(STANDARD_SHAPE, scales, ends, strict=True)):
        source = np.round(own + (np.arange(size) - to + 0.5) * scale - 0.5).astype(int)
        inside = (source >= 0) & (source < result.shape[axis])
        result = np.take(result, np.clip(source, 0, result.shape[axis] - 1), axis)
        result[tuple(~inside if n == axis else slice(None) for n in range(3))] = BACKGROUND
    return result


def _is_tissue(labels: np.ndarray) -> np.ndarray:
    """Gray and white matter: fluid runs down the spine, which would pull the box along."""
    return np.isin(labels, (GRAY.value, WHITE.value, DEEP_GRAY.value))


def read_anatomies(folder: Path, split: str = "train", skull: bool = True) -> list[np.ndarray]:
    """The maps of the folder synthseg_labels on the standard grid, and the template's own as the last.

    Lesions of their own become white matter: they are scars of age, not the strokes that are drawn in.
    """
    maps = [to_standard(volume.array) for volume in read_label_maps(folder, split, skull)]
    for labels in maps:
        labels[labels == LESION.value] = WHITE.value
    return [*maps, load_template().labels.array]


def random_lesion_slice(
    anatomies: Sequence[np.ndarray], masks: MaskSet, rng: np.random.Generator, plane: str | None = None
) -> tuple[np.ndarray, str, int]:
    """A label slice with the slice of a lesion in it; returns (labels (h, w), plane, index on the standard grid).

    A share of WITHOUT_LESION has none. Both may be mirrored, each for itself. plane: None draws one by PLANE_SHARES.
    """
    anatomy = anatomies[rng.integers(len(anatomies))]
    if plane is None:
        plane = str(rng.choice(list(PLANE_SHARES), p=list(PLANE_SHARES.values())))
    axis = PLANE_AXES[plane]
    mask = masks.volume(int(rng.integers(len(masks)))).array
    areas = mask.sum(tuple(n for n in range(3) if n != axis))
    shown = np.flatnonzero(areas >= SHOWN_PIXELS)
    if not len(shown):
        shown = np.array([np.argmax(areas)])
    index = int(rng.choice(shown))
    lesion = np.zeros([n for m, n in enumerate(STANDARD_SHAPE) if m != axis], bool)
    first = [a for m, a in enumerate(SOOP_FIRST) if m != axis]
    picture = np.moveaxis(mask, axis, 0)[index]
    lesion[tuple(slice(a, a + n) for a, n in zip(first, picture.shape, strict=True))] = picture
    if plane != AXIAL:
        lesion = lesion[::-1]
    index += SOOP_FIRST[axis]
    labels = plane_slice(anatomy, plane, index)
    if plane != SAGITTAL:
        labels = labels[:, :: rng.choice((-1, 1))]
        lesion = lesion[:, :: rng.choice((-1, 1))]
    if rng.random() >= WITHOUT_LESION:
        labels = with_lesion(labels, lesion & (labels < SKULL_FIRST))
    return labels, plane, index
