"""Slicer's "Grow from seeds": each segment grows from what is drawn of it, by gray values, until they meet.

The method is vtkImageGrowCutSegment of Slicer (L. Zhu et al., An effective interactive medical image segmentation
method using fast GrowCut, MICCAI Workshop on Interactive Methods 2014).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

MARGIN_VOXELS = 12  # around the seeds: how far they may grow
LEAST_SLICES = 3  # vtkImageGrowCutSegment takes no image that is thinner


def grow_from_seeds(editor, segmentation, volume_node, segment_ids: Sequence[str]) -> None:
    """Grow these segments of the segmentation; raises ValueError with fewer than two that hold anything.

    editor: trame_slicer.core.SegmentationEditor, whose undo takes the change back.
    """
    image = slicer.util.arrayFromVolume(volume_node)
    masks = {i: slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, i, volume_node) > 0 for i in segment_ids}
    masks = {i: mask for i, mask in masks.items() if mask.any()}
    if len(masks) < 2:
        raise ValueError("Growing from seeds needs at least two segments with something drawn in them.")
    seeds = np.zeros(image.shape, np.int16)
    for value, mask in enumerate(masks.values(), 1):
        seeds[mask] = value
    box = _box(seeds > 0)
    grown = np.zeros_like(seeds)
    grown[box] = grow_cut(image[box], seeds[box])
    for value, segment_id in enumerate(masks, 1):
        editor.active_segment_modifier.set_segment_labelmap(segment_id, (grown == value).astype(np.uint8))


def grow_cut(image: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Label of each voxel [k, j, i]; seeds: 0 where one is looked for. Raises ValueError for fewer than 3 slices."""
    if image.shape[0] < LEAST_SLICES:
        raise ValueError(f"Growing from seeds needs an image of at least {LEAST_SLICES} slices.")
    grow = slicer.vtkImageGrowCutSegment()
    grow.SetIntensityVolume(_image_data(np.ascontiguousarray(image, np.int16)))
    grow.SetSeedLabelVolume(_image_data(seeds))
    grow.Update()
    return vtk_to_numpy(grow.GetOutput().GetPointData().GetScalars()).reshape(image.shape)


def _image_data(array: np.ndarray):
    import vtk

    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True))
    return image


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    places = np.argwhere(mask)
    first, last = places.min(0) - MARGIN_VOXELS, places.max(0) + MARGIN_VOXELS + 1
    return tuple(slice(max(a, 0), min(b, n)) for a, b, n in zip(first, last, mask.shape, strict=True))
