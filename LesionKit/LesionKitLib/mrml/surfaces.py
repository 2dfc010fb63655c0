"""Segments as surfaces in the 3-D views; they follow edits by themselves once they are there, which costs time."""

from __future__ import annotations

import slicer

SURFACE = "Closed surface"
# as text, in the units of Slicer's conversion rule; half the triangles are gone, edges of voxels are smoothed away
SETTINGS = {"Smoothing factor": "0.5", "Decimation factor": "0.5"}


def is_shown(segmentation) -> bool:
    """Whether surfaces are there and visible."""
    display = segmentation.GetDisplayNode()
    there = segmentation.GetSegmentation().ContainsRepresentation(SURFACE)
    return bool(there and display is not None and display.GetVisibility3D())


def show(segmentation, shown: bool = True) -> None:
    """Make the surfaces and show them; hidden, they are removed, so that editing is as fast as without them."""
    display = segmentation.GetDisplayNode()
    if display is None:
        return
    if not shown:
        display.SetVisibility3D(False)
        segmentation.RemoveClosedSurfaceRepresentation()
        return
    content = segmentation.GetSegmentation()
    for name, value in SETTINGS.items():
        content.SetConversionParameter(name, value)
    with slicer.util.NodeModify(display):
        segmentation.CreateClosedSurfaceRepresentation()
        display.SetVisibility3D(True)
