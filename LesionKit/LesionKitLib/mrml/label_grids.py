"""Segments' label maps on an image's grid.

Segments may lie on other grids than the image (oversampled, drawn on another image, moved by a transform). Slicer keeps
their label maps cropped to the label, and its nearest-neighbor resampling then counts voxels on both sides of a
half-voxel tie: 1000 mm3 became 1331 or 1728. One background voxel around the label cures it. What is finer than the
image is read on a grid as fine as itself and brought to the image's so that volumes stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from LesionKitLib.imaging.coarser_labels import coarser_labels
from LesionKitLib.imaging.grids import spacing_of

from .oriented_images import oriented_image
from .volumes import array_from_matrix, local_ijk_to_ras, matrix_from_array

_FIT = 0.45  # voxels; from 0.5 on, another voxel is nearer
_FINER = 0.75  # of the image's voxel: a segment's voxels of at most this length are finer
_FINEST = 4  # times finer than the image in one direction is what is looked at


@dataclass(frozen=True)
class LabelGrid:
    """Where labels are wanted. shape: (k, j, i); matrix: 4 x 4 ijk to the coordinates below the node's transform."""

    shape: tuple[int, int, int]
    matrix: np.ndarray
    transform: object  # the parent transform node, or None

    @classmethod
    def of(cls, volume_node) -> LabelGrid:
        shape = volume_node.GetImageData().GetDimensions()[::-1]
        return cls(shape, local_ijk_to_ras(volume_node), volume_node.GetParentTransformNode())

    def finer(self, factors: np.ndarray, box: tuple[slice, ...]) -> LabelGrid:
        """The part ``box`` (k, j, i) of the grid with voxels smaller by whole ``factors`` (k, j, i)."""
        first = np.array([part.start for part in box])[::-1]
        steps = 1 / np.asarray(factors, float)[::-1]
        inner = np.eye(4)
        inner[:3, :3] = np.diag(steps)
        inner[:3, 3] = first - 0.5 + steps / 2
        shape = tuple((part.stop - part.start) * int(n) for part, n in zip(box, factors, strict=True))
        return replace(self, shape=shape, matrix=self.matrix @ inner)


@dataclass(frozen=True)
class SegmentLabels:
    """One segment's voxels as they are kept. image: vtkOrientedImageData; value: of the segment in it; label: wanted.

    transform: the segmentation's parent transform node, or None.
    """

    image: object
    value: int
    label: int
    transform: object


def labels_on_grid(segments: list[SegmentLabels], grid: LabelGrid) -> np.ndarray:
    """uint8 of the grid's shape; where segments overlap, the later one wins. What lies outside is left out.

    Segments on the grid, or a fraction of a voxel off it, are taken voxel by voxel; on other grids by nearest neighbor,
    and where one is finer than the grid, all so that their volumes stay (see coarser_labels).
    """
    labels = np.zeros(grid.shape, np.uint8)
    factors, box = _fineness(segments, grid)
    if box is None or (factors == 1).all():
        _paste_all(segments, grid, labels)
        return labels
    fine = grid.finer(factors, box)
    found = np.zeros(fine.shape, np.uint8)
    _paste_all(segments, fine, found)
    labels[box] = coarser_labels(found, tuple(int(n) for n in factors), spacing_of(grid.matrix)[::-1])
    return labels


def array_of(image) -> np.ndarray:
    """The voxels (k, j, i) of a vtkImageData, without a copy."""
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def _fineness(segments: list[SegmentLabels], grid: LabelGrid) -> tuple[np.ndarray, tuple[slice, ...] | None]:
    """How many times finer than the grid the segments are along (k, j, i), and the part of the grid that they fill."""
    factors, low, high = np.ones(3, int), np.full(3, np.inf), np.full(3, -np.inf)
    for segment in segments:
        between = _matrix_between(segment.transform, grid.transform)
        if between is None:  # bent by a transform: nearest neighbor on the grid
            return np.ones(3, int), None
        to_index = np.linalg.inv(grid.matrix) @ between @ _image_matrix(segment.image)
        if _whole_voxels(segment.image, to_index) is None:
            steps = np.abs(to_index[:3, :3]).max(1)  # along each axis of the grid, of the segment's axis nearest to it
            finer = np.where(steps <= _FINER, np.rint(1 / np.maximum(steps, 1e-6)), 1)
            factors = np.maximum(factors, np.clip(finer, 1, _FINEST).astype(int)[::-1])
        corners = _corners(segment.image) @ to_index[:3, :3].T + to_index[:3, 3]
        low, high = np.minimum(low, corners.min(0)), np.maximum(high, corners.max(0))
    if not segments:
        return factors, None
    first = np.clip(np.floor(low[::-1]) - 1, 0, grid.shape).astype(int)
    last = np.clip(np.ceil(high[::-1]) + 2, 0, grid.shape).astype(int)
    if (last <= first).any():
        return factors, None
    return factors, tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))


def _paste_all(segments: list[SegmentLabels], grid: LabelGrid, labels: np.ndarray) -> None:
    for segment in segments:
        placed, shift = _on_grid(segment, grid)
        if placed is not None:
            _paste(labels, placed, _first(placed.image) + shift)


def _on_grid(segment: SegmentLabels, grid: LabelGrid):
    """(segment, shift): itself where its voxels are those of the grid, else resampled to the grid's.

    shift: (k, j, i), what to add to the image's extent to count in the grid's voxels. (None, None) where the two do not
    meet.
    """
    between = _matrix_between(segment.transform, grid.transform)
    if between is None:
        transform = vtk.vtkGeneralTransform()
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(segment.transform, grid.transform, transform)
    else:
        to_index = np.linalg.inv(grid.matrix) @ between @ _image_matrix(segment.image)
        shift = _whole_voxels(segment.image, to_index)
        if shift is not None:
            return segment, shift
        transform = vtk.vtkTransform()  # many times as fast as a general one
        transform.SetMatrix(matrix_from_array(between))
    reference = slicer.vtkOrientedImageData()
    slices, rows, columns = grid.shape
    reference.SetExtent(0, columns - 1, 0, rows - 1, 0, slices - 1)
    reference.SetImageToWorldMatrix(matrix_from_array(grid.matrix))
    resampled = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        _with_margin(segment), reference, resampled, False, False, transform
    )
    return (None, None) if resampled.IsEmpty() else (replace(segment, image=resampled, value=1), np.zeros(3, int))


def _with_margin(segment: SegmentLabels):
    """The segment alone, as 1, with one background voxel on every side, by which ties fall on one side only."""
    mask = np.pad((array_of(segment.image) == segment.value).astype(np.uint8), 1)
    return oriented_image(mask, _image_matrix(segment.image), _first(segment.image) - 1)


def _matrix_between(own, target) -> np.ndarray | None:
    """4 x 4 from below one transform node to below another; None where no matrix does it."""
    if own is target:
        return np.eye(4)
    between = vtk.vtkMatrix4x4()
    if slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(own, target, between):
        return array_from_matrix(between)
    return None


def _image_matrix(image) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return array_from_matrix(matrix)


def _first(image) -> np.ndarray:
    """Index (k, j, i) of the image's first voxel."""
    return np.array(image.GetExtent()[::2])[::-1]


def _corners(image) -> np.ndarray:
    """Indices (i, j, k) of the image's eight corner voxels."""
    limits = np.reshape(image.GetExtent(), (3, 2))
    return np.stack(np.meshgrid(*limits, indexing="ij"), -1).reshape(-1, 3)


def _whole_voxels(image, to_index: np.ndarray) -> np.ndarray | None:
    """Whole voxels (k, j, i) by which the image's grid is shifted in the target's, or None where it does not fit.

    It fits where every voxel of the image lies nearer to one of the target's than to any other, each by the same shift:
    nearest-neighbor resampling would then give the same. (The Segment Editor may leave a label map a fraction of a
    voxel off the image, and comparing matrices alone would resample it at every stroke.)
    """
    corners = _corners(image)
    moved = corners @ to_index[:3, :3].T + to_index[:3, 3] - corners
    shift = np.rint(moved[0])
    return shift.astype(int)[::-1] if np.abs(moved - shift).max() < _FIT else None


def _paste(labels: np.ndarray, segment: SegmentLabels, first: np.ndarray) -> None:
    """labels[...] = segment.label where its image, whose first voxel is ``first`` (k, j, i), has segment.value."""
    source = array_of(segment.image)
    low = np.maximum(first, 0)
    high = np.minimum(first + source.shape, labels.shape)
    if (high <= low).any():
        return
    inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    part = tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))
    labels[inside][source[part] == segment.value] = segment.label
