"""Segmentations that others made, read onto the grid of an image and matched with this project's classes."""
