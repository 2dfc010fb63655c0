"""Brains with strokes from label maps: lesion masks, images, databases."""
