"""Which voxels are brain, whatever the sequence, with or without skull: a network that sees the whole head at 4 mm.

At 4 mm, averaged over what lies between, little is left of noise, and the network sees a head of any size in its own
place: nothing is decided by milliliters or gray values. Its occupancy is interpolated to the image's grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.resample import linear_weights
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.models.inference import Runtime
from LesionKitLib.models.registry import Model
from LesionKitLib.run.errors import UnusableInput
from StrokeSynthLib.networks.registry import EXTRACTION, NETWORKS

MODEL = NETWORKS[EXTRACTION].model
STEP_MM = 4.0
MULTIPLE = 8  # sizes that the network takes
FIELD = (56, 56, 48)  # k, j, i that the network learned from
BRAIN_IN_FIELD = (32, 28, 24)  # where the middle of the brain lies in it: there is more head below than above
FIELD_MARGIN = 8  # around the image, where the brain is looked for
CENTERINGS = 2
BRAIN_FROM = 0.5  # occupancy from which a voxel is brain
LOW, HIGH = 1.0, 99.5  # percentiles that become 0 and 1
MAX_GRAY = 1.5
NEAR, AROUND = 1, 3  # coarse voxels from the network's border: where the true one lies, and where skull and scalp are
CRUMB = 0.1  # of the brain's gray: what interpolation leaves around a stripped brain is darker
MAX_CRUMBS = 0.08  # share of the voxels around a stripped brain that may be brighter
CUT_SHARE = 0.3  # of the largest slice's area: more brain in the lowest slice than brain stem and cerebellum's end
CUT_SHARE_OF_TOP = 0.15  # the same of every other side, where a brain ends as a dome


@dataclass(frozen=True)
class ExtractedBrain:
    """mask: bool of the volume's shape, one component. cut: the sides at which the image ends within the brain, of
    "bottom", "top", "front", "back", "right" and "left"."""

    mask: np.ndarray
    cut: tuple[str, ...] = ()


def extract_brain(volume: Volume, network, runtime: Runtime | None = None) -> ExtractedBrain:
    """The brain with the fluid around it.

    volume: in LPS order (oblique by any angle), any spacing. network: a BrainExtractionNet. The border of an image
    whose skull was removed before is kept as it is. Raises UnusableInput where no brain is seen.
    """
    sizes = tuple(zip(volume.array.shape, volume.spacing[::-1], strict=True))
    coarse = _separable(volume.array.astype(np.float32), [_weights(*size) for size in sizes])
    if np.ptp(coarse) == 0:
        raise UnusableInput("No brain was found: the image holds one value only.")
    occupancy = _largest(_occupancy_in_field(coarse, network, runtime or Runtime("cpu")))
    mask = _separable(occupancy, [_weights_back(*size) for size in sizes]) > BRAIN_FROM
    if not mask.any():
        raise UnusableInput("No brain was found in the image; is this an MR of the brain?")
    mask = _border_of_stripped(volume, mask, occupancy)
    return ExtractedBrain(mask, _cut_sides(mask))


def _occupancy_in_field(coarse: np.ndarray, network, runtime: Runtime) -> np.ndarray:
    """Share of each coarse voxel that is brain, float32: found anywhere first, then in the field that the network
    learned from, with the brain at the place that it had there."""
    padding = [(FIELD_MARGIN, FIELD_MARGIN + (-size - 2 * FIELD_MARGIN) % MULTIPLE) for size in coarse.shape]
    found = occupancy_of(np.pad(coarse, padding, constant_values=coarse.min()), network, runtime)
    found = found[tuple(slice(FIELD_MARGIN, FIELD_MARGIN + size) for size in coarse.shape)]
    for _ in range(CENTERINGS):
        brain = np.argwhere(_largest(found) > BRAIN_FROM)
        if not len(brain):
            return np.zeros_like(coarse)
        center = (np.percentile(brain, 1, axis=0) + np.percentile(brain, 99, axis=0)) / 2
        first = np.round(center - BRAIN_IN_FIELD).astype(int)
        inside = [
            (max(0, start), min(size, start + length))
            for start, size, length in zip(first, coarse.shape, FIELD, strict=True)
        ]
        here = tuple(slice(low, high) for low, high in inside)
        there = tuple(slice(low - start, high - start) for (low, high), start in zip(inside, first, strict=True))
        field = np.full(FIELD, coarse.min(), np.float32)
        field[there] = coarse[here]
        found = np.zeros_like(coarse)
        found[here] = occupancy_of(field, network, runtime)[there]
    return found


def occupancy_of(image: np.ndarray, network, runtime: Runtime | None = None) -> np.ndarray:
    """Share of each voxel that is brain, float32. image: float32 (k, j, i), sizes multiples of MULTIPLE."""
    import torch

    runtime = runtime or Runtime("cpu")
    seen = torch.from_numpy(normalized_head(image)[None, None]).to(runtime.device)
    with torch.inference_mode():
        return torch.sigmoid(network.to(runtime.device)(seen).float()).cpu().numpy()[0, 0]


def _largest(occupancy: np.ndarray) -> np.ndarray:
    """The largest component, by faces, with its rim; its holes filled."""
    from scipy import ndimage

    labels, count = ndimage.label(occupancy > BRAIN_FROM)
    if not count:
        return np.zeros_like(occupancy)
    largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    filled = ndimage.binary_fill_holes(largest)
    rim = ndimage.binary_dilation(filled) & ~((labels > 0) & ~largest)
    return np.where(filled & ~largest, 1, np.where(rim, occupancy, 0)).astype(np.float32)


def _border_of_stripped(volume: Volume, mask: np.ndarray, occupancy: np.ndarray) -> np.ndarray:
    """The mask, or the image's own border where the skull was removed: where all around the brain is one value.

    occupancy: of the coarse voxels.
    """
    from scipy import ndimage

    brain = occupancy > BRAIN_FROM
    near = ndimage.binary_dilation(brain, iterations=NEAR)
    around = ndimage.binary_dilation(brain, iterations=AROUND) & ~near
    sizes = zip(volume.array.shape, volume.spacing[::-1], occupancy.shape, strict=True)
    middles = [np.minimum(((np.arange(n) + 0.5) * STEP_MM / mm).astype(int), size - 1) for size, mm, n in sizes]
    values = volume.array[np.ix_(*middles)][around]
    if not values.size:
        return mask
    ground = np.median(values)
    crumb = CRUMB * abs(float(np.percentile(volume.array[mask], 75)) - float(ground))
    if np.mean(np.abs(values - ground) > crumb) > MAX_CRUMBS:
        return mask
    sizes = zip(volume.array.shape, volume.spacing[::-1], occupancy.shape, strict=True)
    nearest = [np.minimum(((np.arange(size) + 0.5) * mm / STEP_MM).astype(int), n - 1) for size, mm, n in sizes]
    own = near[np.ix_(*nearest)] & (np.abs(volume.array - ground) > crumb)
    labels, count = ndimage.label(own)
    return _filled(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))) if count else mask


def _filled(mask: np.ndarray) -> np.ndarray:
    """The mask with its holes; many times faster than SciPy's binary_fill_holes."""
    from scipy import ndimage

    labels, count = ndimage.label(np.pad(~mask, 1, constant_values=True))
    outside = labels[0, 0, 0]  # the padding is one component
    return (labels != outside)[1:-1, 1:-1, 1:-1] if count > 1 else mask


def _cut_sides(mask: np.ndarray) -> tuple[str, ...]:
    """The sides where the outermost slice holds much brain; axes are S, P, L."""
    cut = []
    for axis, names in enumerate((("bottom", "top"), ("front", "back"), ("right", "left"))):
        areas = mask.sum(tuple(n for n in range(3) if n != axis))
        limits = (CUT_SHARE, CUT_SHARE_OF_TOP) if axis == 0 else (CUT_SHARE_OF_TOP,) * 2
        cut += [
            name
            for name, area, limit in zip(names, (areas[0], areas[-1]), limits, strict=True)
            if area > limit * areas.max()
        ]
    return tuple(cut)


def normalized_head(array: np.ndarray) -> np.ndarray:
    """Grays as the network takes them, float32 from 0: percentile LOW becomes 0, HIGH 1, at most MAX_GRAY."""
    low, high = np.percentile(array, (LOW, HIGH))
    return np.clip((array - low) / max(float(high - low), 1e-6), 0, MAX_GRAY).astype(np.float32)


def _coarse_size(size: int, mm: float) -> int:
    return max(1, int(np.ceil(size * mm / STEP_MM)))


def _weights(size: int, mm: float) -> np.ndarray:
    return linear_weights(size, _coarse_size(size, mm), 0.0, STEP_MM / mm)


def _weights_back(size: int, mm: float) -> np.ndarray:
    return linear_weights(_coarse_size(size, mm), size, 0.0, mm / STEP_MM)


def _separable(array: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Weights (new, old) applied along each axis."""
    for axis, weight in enumerate(weights):
        array = np.moveaxis(np.tensordot(weight, array, axes=(1, axis)), 0, axis)
    return array


def load_network() -> tuple[Model, object]:
    """The card and the network in eval mode; raises MissingResource when the weights are missing or damaged."""
    return NETWORKS.load(EXTRACTION)
