#!/usr/bin/env bash
# slicer-core: resampling a label map that is cropped to its label, onto a grid shifted by half a voxel, adds a layer.
#
# One would expect: nearest-neighbor resampling onto a grid of the same spacing keeps the volume of a cube (a tie goes to
# one side), and the result does not depend on whether background is stored around the label.
# What happens: with the label map cropped to its label (as segmentations store it) a cube of 10 x 10 x 10 voxels becomes
# 11 x 11 x 11, 33 % more; with one background voxel around it the same cube stays 1000.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check slicer-core==5.12.4.0 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version
import numpy as np, slicer, vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

def labelmap(values, origin):
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*values.shape[::-1])
    image.SetOrigin(*origin)
    image.GetPointData().SetScalars(numpy_to_vtk(values.ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR))
    return image

def resampled_voxels(margin):
    cube = np.pad(np.ones((10, 10, 10), np.uint8), margin)
    source = labelmap(cube, [5.0 - margin] * 3)
    reference = labelmap(np.zeros((30, 30, 30), np.uint8), [0.5] * 3)
    result = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        source, reference, result, False, False
    )
    return int(vtk_to_numpy(result.GetPointData().GetScalars()).sum())

print("slicer-core", version("slicer-core"))
cropped, padded = resampled_voxels(0), resampled_voxels(1)
print(f"cube of 1000 mm3 cropped to its label: {cropped} mm3; with one background voxel around it: {padded} mm3")
assert (cropped, padded) == (1331, 1000)
print("as described")
PY
