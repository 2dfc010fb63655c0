"""Slicer's segment editor on the page."""
