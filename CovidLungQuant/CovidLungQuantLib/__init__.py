"""Pneumonia burden on chest CT: networks, pipeline, measurements. Plain Python: no slicer, qt, vtk."""
