"""Axial slices translated from label maps with lesions drawn in: what the experiment adds to the real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LesionKitLib.models.inference import Runtime
from LesionKitLib.run.progress import Progress
from StrokeSynthLib.labels import BACKGROUND, LESION, SKULL_FIRST, one_hot
from StrokeSynthLib.segmentation.slice_views import AXIAL, PUBLIC_INDEX
from StrokeSynthLib.segmentation.template import SOOP_FIRST, SOOP_SHAPE

from .anatomies import random_lesion_slice
from .stroke import MaskSet, SliceSet

NEAR_PUBLIC = 12  # slices are taken within so many millimeters of the public ones


def translated_slices(
    generator,
    anatomies: Sequence[np.ndarray],
    masks: MaskSet,
    count: int,
    seed: int,
    runtime: Runtime,
    progress: Progress | None = None,
) -> SliceSet:
    """``count`` translated slices with their lesion masks, in the form of the public axial ones.

    generator: a translator's network. The same seed gives the same slices.
    """
    progress = progress or Progress()
    rng = np.random.default_rng([seed, 7])
    labels = np.stack([_label_slice(anatomies, masks, rng) for _ in range(count)])
    images = np.zeros(labels.shape, np.uint8)
    generator = generator.to(runtime.device)
    for start in range(0, count, runtime.batch):
        progress.report("translating slices", start / count)
        images[start : start + runtime.batch] = _translated(
            generator, labels[start : start + runtime.batch], rng, runtime
        )
    ids = np.array([f"synthetic-{n}" for n in range(count)])
    return SliceSet(AXIAL, images, labels == LESION.value, ids, np.full(count, "train"))


def _label_slice(anatomies: Sequence[np.ndarray], masks: MaskSet, rng: np.random.Generator) -> np.ndarray:
    """A semantic slice (h, w) on the grid of the public axial slices, without skull."""
    middle = PUBLIC_INDEX[AXIAL] + SOOP_FIRST[0]
    while True:
        labels, _, index = random_lesion_slice(anatomies, masks, rng, AXIAL)
        if abs(index - middle) <= NEAR_PUBLIC:
            break
    first = SOOP_FIRST[1:]
    cut = labels[first[0] : first[0] + SOOP_SHAPE[1], first[1] : first[1] + SOOP_SHAPE[2]]
    return np.where(cut < SKULL_FIRST, cut, BACKGROUND).astype(np.uint8)


def _translated(generator, labels: np.ndarray, rng: np.random.Generator, runtime: Runtime) -> np.ndarray:
    import torch

    from StrokeSynthLib.networks.shapes import STYLE
    from StrokeSynthLib.segmentation.slice_views import padded, unpadded

    told = torch.from_numpy(one_hot(padded(labels, BACKGROUND))).to(runtime.device)
    noise = torch.from_numpy(rng.standard_normal((len(told), 1, *told.shape[-2:]), np.float32)).to(runtime.device)
    style = torch.from_numpy(rng.standard_normal((len(told), STYLE), np.float32)).to(runtime.device)
    with torch.inference_mode(), runtime.autocast():
        images = generator(told, noise, style).float().cpu().numpy()[:, 0]
    gray = np.clip(np.rint(127.5 * (unpadded(images, labels.shape[-2:]) + 1)), 1, 255)
    return np.where(labels == BACKGROUND, 0, gray).astype(np.uint8)
