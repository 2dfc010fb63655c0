"""Which pixels of public slices are brain: all that differ from the background, or what brain extraction finds.

Slices whose place in the head is known are stacked to a volume for the bundled extraction, as the pipeline does with
volumes; it keeps the border of brains whose skull was removed. Their pixel size is not known; a usual field of view
stands in for it.
"""

from __future__ import annotations

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.errors import UnusableInput

SPACING_MM = (0.9, 0.9, 5.0)  # assumed for whole heads: 230 mm in 256 pixels, slices of usual thickness


def with_brain_masks(
    images: np.ndarray, ids: np.ndarray, numbers: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The images with blank surroundings at 0, and bool (n, h, w), or None where every pixel above 0 is brain.

    images: uint8 (n, h, w), axial, anterior up; ids: patient of each; numbers: each slice's place in the head, from the
    feet up, where it is known.
    """
    if numbers is not None:
        return images, _extracted(images, ids, numbers)
    blank = images[:, [0, 0, -1, -1], [0, -1, 0, -1]].min(1)[:, None, None]
    return np.where(images > blank, images, 0), None


def _extracted(images: np.ndarray, ids: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    from StrokeSynthLib.segmentation.brain_extraction import extract_brain, load_network

    network = load_network()[1]
    place = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
    masks = np.zeros(images.shape, bool)
    for patient in np.unique(ids):
        rows = np.flatnonzero(ids == patient)
        rows = rows[np.argsort(numbers[rows])]
        try:
            masks[rows] = extract_brain(Volume(images[rows], place), network).mask
        except UnusableInput:
            continue  # no brain is seen in these slices, so none is marked
    return masks
