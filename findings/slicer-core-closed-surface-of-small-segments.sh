#!/usr/bin/env bash
# slicer-core: the closed surface of a small segment encloses hardly any volume.
#
# One would expect: a segment of 3 x 3 x 3 voxels of 1 mm encloses about 27 mm3, one of 2 x 2 x 2 about 8 mm3, whichever
# representation is measured; users compare volumes of small lesions.
# What happens: the surface that the default conversion (with smoothing) makes has 4 % of the volume of the larger and nothing of
# the smaller one; a cube of 10 voxels has 99 %.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check slicer-core==5.12.4.0 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version
import numpy as np, slicer, vtk
from vtk.util.numpy_support import numpy_to_vtk

factory = slicer.vtkSegmentationConverterFactory.GetInstance()
factory.RegisterConverterRule(slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule())

def surface_mm3(edge):
    values = np.zeros((edge + 6,) * 3, np.uint8)
    values[3:-3, 3:-3, 3:-3] = 1
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*values.shape)
    image.GetPointData().SetScalars(numpy_to_vtk(values.ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR))
    segment = slicer.vtkSegment()
    segment.AddRepresentation("Binary labelmap", image)
    segmentation = slicer.vtkSegmentation()
    segmentation.SetSourceRepresentationName("Binary labelmap")
    segmentation.AddSegment(segment, "cube")
    assert segmentation.CreateRepresentation("Closed surface")
    surface = segmentation.GetSegment("cube").GetRepresentation("Closed surface")
    if not surface.GetNumberOfCells():
        return 0.0
    measure = vtk.vtkMassProperties()
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputData(surface)
    measure.SetInputConnection(triangles.GetOutputPort())
    measure.Update()
    return measure.GetVolume()

print("slicer-core", version("slicer-core"))
found = {edge: surface_mm3(edge) for edge in (2, 3, 10)}
for edge, volume in found.items():
    print(f"cube of {edge} voxels: {edge**3} mm3, surface {volume:.2f} mm3 ({100 * volume / edge**3:.1f} %)")
assert found[2] < 0.05 * 8 and found[3] < 0.1 * 27 and 0.9 * 1000 < found[10] < 1.1 * 1000
print("as described")
PY
