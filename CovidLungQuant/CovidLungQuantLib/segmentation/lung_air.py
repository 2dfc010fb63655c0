"""Which air of a CT is lung, on a coarse grid, before any network: not the room's nor the bowel's, but also cut lung.

Air that is closed off by tissue in its slice is lung or gas in an organ. Air that reaches the slice's side is the room,
or lung that the field of view cuts. Lung is told from both by its density: parenchyma holds vessels and has -950 to
-500 HU, the room and bowel gas have -1000 HU throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.volume import Volume

COARSE_MM = 4.0
AIR_HU = -400.0
TISSUE_HU = -300.0
PADDING_HU = -1000.0  # padding is at most as dense as air
SAME_PADDING = 0.95  # of the pixels that are padding in any slice, those that are in all
ROOM_HU = -950.0  # mean of a neighborhood below which it holds no tissue
GAS_HU = -880.0  # median of a component of gas: at most this ...
GAS_SPREAD_HU = 70.0  # ... with 98 % of its inside at most this much denser, for gas holds no vessels
LARGE_MM3 = 5e4  # smaller components of air are bowel gas or airways, unless the lungs are small themselves
LARGE_SHARE = 0.25
BESIDE_ROOM = 0.03  # a cut lung has less of its surface beside the room; foam, clothes and blankets have more


@dataclass(frozen=True)
class LungAir:
    """A CT in LPS order thinned to about 4 mm, and which of its voxels are air-filled lung (bool).

    steps: native voxels per coarse voxel along (k, j, i). size: mm of the coarse voxels along (i, j, k).
    is_cut: lung reaches the side of the field of view.
    """

    coarse: np.ndarray
    air: np.ndarray
    steps: tuple[int, int, int]
    size: np.ndarray
    is_cut: bool


def find_lung_air(volume: Volume) -> LungAir:
    """The air-filled lung of a CT in HU, in LPS order."""
    steps = [max(1, round(COARSE_MM / s)) for s in volume.spacing]
    coarse = volume.array[:: steps[2], :: steps[1], :: steps[0]]
    size = volume.spacing * steps
    air, is_cut = lung_air(coarse, size)
    return LungAir(coarse, air, tuple(reversed(steps)), size, is_cut)


def lung_air(coarse: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, bool]:
    """Air-filled lung (bool) of a coarse CT [k, j, i] in LPS order, and whether the field of view cuts it.

    size: mm of the voxels along (i, j, k).
    """
    from scipy import ndimage

    dark = coarse < AIR_HU
    enclosed = enclosed_in_slices(dark)
    cut = _cut_by_the_field(coarse, dark & ~enclosed, float(np.prod(size)))
    labels, count = ndimage.label(enclosed | cut)
    if not count:
        return np.zeros(coarse.shape, bool), False
    sizes = np.bincount(labels.ravel()) * float(np.prod(size))
    sizes[0] = 0
    boxes = ndimage.find_objects(labels)
    least = min(LARGE_MM3, LARGE_SHARE * sizes.max())
    smooth = in_plane_mean(coarse)
    lungs = [
        number
        for number in np.flatnonzero(sizes > least)
        if not is_gas(smooth[boxes[number - 1]], labels[boxes[number - 1]] == number)
    ]
    if not lungs:
        return np.zeros(coarse.shape, bool), False
    main = boxes[max(lungs, key=lambda number: sizes[number]) - 1][0]
    # bowel gas lies below the lungs' middle
    lungs = [number for number in lungs if boxes[number - 1][0].stop > (main.start + main.stop) / 2]
    air = np.isin(labels, lungs)
    return air, bool((air & cut).any())


def enclosed_in_slices(air: np.ndarray) -> np.ndarray:
    """Air (k, j, i) that does not reach the side of its slice; an open mouth joins lungs and room only in 3-D."""
    from scipy import ndimage

    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[1] = ndimage.generate_binary_structure(2, 1)
    labels, _ = ndimage.label(air, in_plane)
    outside = np.unique(np.concatenate([labels[:, [0, -1]].ravel(), labels[:, :, [0, -1]].ravel()]))
    return air & ~np.isin(labels, outside)


def is_gas(smooth: np.ndarray, mask: np.ndarray) -> bool:
    """Whether a component is gas without tissue in it, as in bowel. smooth: HU averaged over neighbors.

    Only its inside counts: at its wall gas and tissue share voxels.
    """
    from scipy import ndimage

    inside = ndimage.binary_erosion(mask, np.ones((3, 3, 3)))
    values = smooth[inside if inside.any() else mask]
    median, top = np.percentile(values, (50, 98))
    return bool(median < GAS_HU and top < median + GAS_SPREAD_HU)


def _cut_by_the_field(coarse: np.ndarray, open_air: np.ndarray, voxel_mm3: float) -> np.ndarray:
    """Of the air that reaches the slice's side, what is lung."""
    from scipy import ndimage

    none = np.zeros(coarse.shape, bool)
    if not open_air.any():
        return none
    cross = np.zeros((3, 3, 3), bool)
    cross[1] = ndimage.generate_binary_structure(2, 1)
    empty = open_air & (in_plane_mean(coarse) < ROOM_HU)
    padding = padding_mask(coarse)
    rest = open_air & ~ndimage.binary_dilation(empty, cross)  # the rim of tissue and room has the density of lung
    core = ndimage.binary_erosion(rest, cross, border_value=1)
    rest &= ndimage.binary_dilation(core, cross)
    labels, count = ndimage.label(rest)
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * voxel_mm3
    sizes[0] = 0
    room = empty if padding is None else empty & ~padding
    result = none
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if sizes[number] <= min(LARGE_MM3, LARGE_SHARE * sizes.max()):
            continue
        around = tuple(slice(max(0, s.start - 3), s.stop + 3) for s in box)
        mask = labels[around] == number
        ring = ndimage.binary_dilation(mask, cross, iterations=3) & ~mask
        beside_room = np.count_nonzero(ring & room[around])
        beside_tissue = np.count_nonzero(ring & (coarse[around] > TISSUE_HU))
        if beside_room <= BESIDE_ROOM * (beside_room + beside_tissue):
            result[around] |= mask
    return result


def in_plane_mean(values: np.ndarray) -> np.ndarray:
    """float32 mean over 3 x 3 pixels of the slice."""
    from scipy import ndimage

    return ndimage.uniform_filter(values.astype(np.float32), (1, 3, 3), mode="nearest")


def padding_mask(array: np.ndarray) -> np.ndarray | None:
    """Where (bool) an image in LPS order [k, j, i] is padded around a round field of view; None where it is not.

    Padding is the lowest value, in all corners of most slices, and what follows it from either side without a gap. It
    is the same in every slice; what is emptied around a body is not.
    """
    low = array.min()
    corners = array[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    if low > PADDING_HU or (corners == low).all(1).mean() < 0.5:
        return None
    empty = array == low
    padding = np.logical_and.accumulate(empty, 2) | np.logical_and.accumulate(empty[..., ::-1], 2)[..., ::-1]
    return padding if padding.all(0).sum() > SAME_PADDING * padding.any(0).sum() else None
