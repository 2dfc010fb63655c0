"""What the three LesionKit modules share. Everything outside ``mrml`` is plain Python: no slicer, qt, vtk."""
