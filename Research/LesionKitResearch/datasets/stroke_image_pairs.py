"""Pairs of label map and image that the translators learn from: the public FLAIR slices with tissue and lesion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.imaging.volume import resample_like
from LesionKitLib.run.progress import Progress
from StrokeSynthLib.segmentation.slice_views import PUBLIC_INDEX, normalized, plane_slice
from StrokeSynthLib.segmentation.template import SOOP_BOX, load_template
from StrokeSynthLib.segmentation.tissues import tissue_map

from .stroke import PLANES, SliceSet, read_slices


@dataclass(frozen=True)
class Pairs:
    """Slices of one plane, anterior or superior up. images: float16 (n, h, w), -1..1 as slice_views.normalized gives
    them, -1 outside the brain; labels: uint8 (n, h, w), semantic maps; ids: patients."""

    plane: str
    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def public_priors() -> np.ndarray:
    """(5, k, j, i) the atlas on the grid of the public slices."""
    template = load_template()
    return np.stack([resample_like(template.t1.with_array(p), template.labels)[SOOP_BOX] for p in template.priors])


def read_pairs(soop: Path, split: str = "train", progress: Progress | None = None) -> dict[str, Pairs]:
    """Pairs of every plane; takes a fifth of a second for each slice."""
    priors, progress = public_priors(), progress or Progress()
    pairs = {}
    for number, plane in enumerate(PLANES):

        def report(share: float, number=number) -> None:
            progress.report("finding tissue", (number + share) / len(PLANES))

        pairs[plane] = pairs_of(read_slices(soop, plane, split), priors, report)
    return pairs


def pairs_of(
    slices: SliceSet, priors: np.ndarray | None = None, report: Callable[[float], None] = lambda share: None
) -> Pairs:
    """The pairs of these slices. priors: of public_priors, which takes a second. report: is told the share done."""
    from scipy import ndimage

    plane = slices.plane
    priors = public_priors() if priors is None else priors
    atlas = np.stack([plane_slice(p, plane, PUBLIC_INDEX[plane]) for p in priors])
    images, labels = np.empty(slices.images.shape, np.float16), np.empty(slices.images.shape, np.uint8)
    for row, (image, lesion) in enumerate(zip(slices.images, slices.masks, strict=True)):
        brain = ndimage.binary_fill_holes(image > 0)
        images[row] = normalized(image, brain, dark=0)
        labels[row] = tissue_map(image, brain, atlas, lesion)
        report(row / len(slices))
    return Pairs(plane, images, labels, slices.ids)
