"""Label maps as vtkOrientedImageData, the form in which segments hold their voxels."""

from __future__ import annotations

import numpy as np
import slicer
from vtk.util.numpy_support import numpy_to_vtk

from LesionKitLib.imaging.measures import bounding_box

from .volumes import matrix_from_array

MARGIN = 1  # background voxels around the labels, without which Slicer's resampling adds a layer on half-voxel ties


def image_from_labels(labels: np.ndarray, matrix: np.ndarray, first=(0, 0, 0)):
    """vtkOrientedImageData cropped to the labels set and MARGIN around them; one background voxel when there are none.

    matrix: 4 x 4 ijk to RAS. first: index (k, j, i) of the array's first voxel in that grid.
    """
    box = bounding_box(labels > 0)
    if box is None:
        return oriented_image(np.zeros((1, 1, 1), np.uint8), matrix, first)
    corner = np.array(first) + [part.start for part in box] - MARGIN
    return oriented_image(np.pad(labels[box], MARGIN), matrix, corner)


def oriented_image(labels: np.ndarray, matrix: np.ndarray, first):
    """vtkOrientedImageData of labels (k, j, i). matrix: 4 x 4 ijk to RAS; first: index (k, j, i) of the first voxel."""
    kind = np.uint8 if labels.max(initial=0) <= np.iinfo(np.uint8).max else np.int16
    image = slicer.vtkOrientedImageData()
    edges = [(int(start), int(start) + length - 1) for start, length in zip(first, labels.shape, strict=True)]
    image.SetExtent([edge for low_high in reversed(edges) for edge in low_high])
    scalars = numpy_to_vtk(np.ascontiguousarray(labels, kind).ravel(), deep=True)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    image.SetImageToWorldMatrix(matrix_from_array(matrix))
    return image
