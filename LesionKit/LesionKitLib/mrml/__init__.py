"""Between MRML nodes and LesionKit's arrays: the only part of the library that knows slicer and vtk (and never Qt)."""
