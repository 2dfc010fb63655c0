"""3D Slicer's grow-cut, as its Segment Editor runs it (from the package slicer-core), on one slice."""

from __future__ import annotations

import numpy as np

from LesionKitLib.run.errors import MissingResource

SLICES = 3  # equal ones: the filter takes no thinner image


def grow_cut(gray: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Labels (h, w) grown from seeds (h, w; 0 none) in an image (h, w). Raises MissingResource without slicer-core."""
    try:
        import slicer
        from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
        from vtkmodules.vtkCommonCore import VTK_SHORT
        from vtkmodules.vtkCommonDataModel import vtkImageData
    except ImportError as error:
        raise MissingResource("The method 'growcut' needs the package slicer-core.") from error

    def as_image(values: np.ndarray):
        image = vtkImageData()
        image.SetDimensions(values.shape[1], values.shape[0], SLICES)
        stack = np.stack([values.astype(np.int16)] * SLICES)
        image.GetPointData().SetScalars(numpy_to_vtk(stack.ravel(), deep=True, array_type=VTK_SHORT))
        return image

    run = slicer.vtkImageGrowCutSegment()
    run.SetIntensityVolume(as_image(np.round(gray)))
    run.SetSeedLabelVolume(as_image(seeds))
    run.Update()
    return vtk_to_numpy(run.GetOutput().GetPointData().GetScalars()).reshape(SLICES, *gray.shape)[1].copy()
