"""3D Slicer without its desktop: the application, and the modules' own files loaded in it."""
