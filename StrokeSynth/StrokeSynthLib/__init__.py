"""What StrokeSynth does without 3D Slicer: label maps, segmentation, synthesis, experiment."""
