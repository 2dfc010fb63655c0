"""Training, evaluation and experiments of the bundled networks; not installed into 3D Slicer."""
