"""Label maps as vtkOrientedImageData, the form in which segments hold their voxels."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from LesionKitLib.imaging.measures import bounding_box
from LesionKitLib.mrml.volumes import matrix_from_array


def image_from_labels(labels: np.ndarray, matrix: np.ndarray, first=(0, 0, 0)):
    """vtkOrientedImageData cropped to the labels set; one background voxel when there are none.

    matrix: 4 x 4 ijk to RAS. first: index (k, j, i) of the array's first voxel in that grid.
    """
    box = bounding_box(labels > 0) or (slice(0, 1),) * 3
    crop = np.ascontiguousarray(labels[box], np.uint8)
    image = slicer.vtkOrientedImageData()
    edges = [(start + part.start, start + part.stop - 1) for start, part in zip(first, box, strict=True)]
    image.SetExtent([int(edge) for low_high in reversed(edges) for edge in low_high])
    scalars = numpy_to_vtk(crop.ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    image.SetImageToWorldMatrix(matrix_from_array(matrix))
    return image
