"""Correcting a chest CT's result: inside the lungs, and with a brush for voxels of ground-glass density only."""

from __future__ import annotations

import slicer

from LesionKitPanel import edit
from LesionKitPanel.slots import slot

EDITOR_TAG = "CovidLungQuant.SegmentEditor"
GROUND_GLASS_HU = (-900.0, -300.0)


class EditSection(edit.EditSection):
    """See LesionKitPanel.edit."""

    def __init__(self, ui, logic, parent):
        super().__init__(ui, logic, parent, EDITOR_TAG)
        self._inside = False
        ui.huBrushCheckBox.connect("toggled(bool)", self._on_hu_brush)

    def edit(self, segmentation, volume) -> None:
        super().edit(segmentation, volume)
        self.setMask(self._inside)
        self._on_hu_brush()

    def setMask(self, inside: bool) -> None:
        """Let the editor change voxels inside the segments only (lungs and lesions together), or everywhere."""
        self._inside = inside
        node = self.ui.segmentEditorWidget.mrmlSegmentEditorNode()
        if node is not None:
            modes = slicer.vtkMRMLSegmentationNode
            node.SetMaskMode(modes.EditAllowedInsideAllSegments if inside else modes.EditAllowedEverywhere)

    @slot
    def _on_hu_brush(self, _checked=None) -> None:
        """Let the editor change only voxels whose HU are those of ground-glass opacity, or of any."""
        node = self.ui.segmentEditorWidget.mrmlSegmentEditorNode()
        if node is not None:
            node.SetSourceVolumeIntensityMaskRange(*GROUND_GLASS_HU)
            node.SetSourceVolumeIntensityMask(self.ui.huBrushCheckBox.checked)
