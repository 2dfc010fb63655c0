"""Slice and 3-D views of the page."""
