"""The body part of an X-ray and where it belongs: networks, header check, routing. Plain Python: no slicer, qt, vtk."""
