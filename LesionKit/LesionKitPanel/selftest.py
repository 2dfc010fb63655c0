"""What the modules' self-tests share: they open the panel and do what a user does, in Slicer and on the test host."""

from __future__ import annotations

import os
import time
import unittest

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

WAIT_S = 120.0


class PanelTest(unittest.TestCase):
    """The steps of a user. module: name of the module."""

    _replaced: list = []  # (object, attribute, value) that restoreAll brings back

    def __init__(self, module: str):
        super().__init__()
        self.MODULE = module

    def runTest(self):
        """Nothing by itself."""

    def replace(self, owner, attribute: str, value) -> None:
        """Put a stand-in in the place of an attribute until restoreAll."""
        self._replaced.append((owner, attribute, getattr(owner, attribute)))
        setattr(owner, attribute, value)

    def restoreAll(self) -> None:
        """Nobody shall work with the stand-ins of a test afterwards."""
        while self._replaced:
            owner, attribute, value = self._replaced.pop()
            setattr(owner, attribute, value)

    def hasPanel(self) -> bool:
        """Whether the application has loaded the module with its panel; slicer-core alone has none."""
        return hasattr(getattr(slicer.modules, self.MODULE.lower(), None), "widgetRepresentation")

    def openPanel(self):
        """The module's widget, shown and bound to the scene as it is now."""
        if slicer.util.mainWindow() is not None:
            slicer.util.selectModule(self.MODULE)
        widget = slicer.util.getModuleWidget(self.MODULE)
        widget.enter()
        # the stand-ins need no PyTorch, so nobody is asked whether to install it
        self.replace(widget.runSection.apply, "packagesAreThere", lambda packages: True)
        if hasattr(widget, "synthesizeSection"):
            self.replace(widget.synthesizeSection.apply, "packagesAreThere", lambda packages: True)
        self.assertIsNotNone(widget._parameterNode, "the panel is not bound to its parameters")
        return widget

    def press(self, button, section) -> None:
        """Press a button that starts work, and wait for the end."""
        self.assertTrue(button.enabled, button.toolTip)
        button.click()
        self.waitWhile(lambda: section.apply.running)

    def endless(self):
        """(a pipeline that runs until it is cancelled, a list that is filled once it runs)."""
        began = []

        def pipeline(*_arguments, progress=None, **_options):
            while True:  # until it is cancelled, which report raises
                began.append(True)
                progress.report("segmenting", 0.5)
                time.sleep(0.01)

        return pipeline, began

    def waitWhile(self, condition, seconds: float = WAIT_S) -> None:
        """Let the application work until the condition no longer holds."""
        end = time.monotonic() + seconds
        while condition():
            self.assertLess(time.monotonic(), end, "waited too long")
            slicer.app.processEvents()
            time.sleep(0.001)

    def settle(self, widget) -> None:
        """Until the numbers have caught up with the segments."""
        live = widget.resultsSection._live
        self.waitWhile(lambda: live is not None and live.running and live._armed)
        slicer.app.processEvents()

    def stroke(self, widget, segmentId: str, mask: np.ndarray, erase: bool = False) -> None:
        """Add voxels (k, j, i of the source volume) to a segment, or take them away, with a state saved for undo."""
        editor = widget.ui.segmentEditorWidget
        editor.setCurrentSegmentID(segmentId)
        editor.saveStateForUndo()
        volume, segmentation = editor.sourceVolumeNode(), editor.segmentationNode()
        now = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segmentId, volume) > 0
        voxels = now & ~mask if erase else now | mask
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        logic.SetBinaryLabelmapToSegment(_image(voxels, volume), segmentation, segmentId, logic.MODE_REPLACE)
        self.settle(widget)

    def applyMargin(self, widget, segmentId: str, mm: float) -> None:
        """Grow a segment with the editor's own effect."""
        editor = widget.ui.segmentEditorWidget
        editor.setCurrentSegmentID(segmentId)
        editor.setActiveEffectByName("Margin")
        effect = editor.activeEffect()
        effect.setParameter("MarginSizeMm", mm)
        effect.self().onApply()
        editor.setActiveEffectByName("")
        self.settle(widget)

    def strokesAreUndoneAndRedone(self, widget, segmentId: str, masks) -> None:
        """After each stroke, each undo and each redo the headline is that of the same state."""
        editor = widget.ui.segmentEditorWidget
        texts = [widget.ui.headlineLabel.text]
        for mask in masks:
            self.stroke(widget, segmentId, mask)
            texts.append(widget.ui.headlineLabel.text)
        self.assertEqual(len(set(texts)), len(masks) + 1, "a stroke did not change the numbers")
        for text in reversed(texts[:-1]):
            editor.undo()
            self.settle(widget)
            self.assertEqual(widget.ui.headlineLabel.text, text)
        for text in texts[1:]:
            editor.redo()
            self.settle(widget)
            self.assertEqual(widget.ui.headlineLabel.text, text)

    def reloadScene(self) -> None:
        """Save the scene, close it, and load it again."""
        path = os.path.join(slicer.app.temporaryPath, f"{self.MODULE}-selftest.mrb")
        self.assertTrue(slicer.util.saveScene(path))
        slicer.mrmlScene.Clear(False)
        slicer.app.processEvents()
        slicer.util.loadScene(path)
        slicer.app.processEvents()
        os.remove(path)

    def turned(self, node):
        """Put a volume under a rotation; returns the transform node."""
        transform = vtk.vtkTransform()
        transform.RotateZ(11)
        transform.RotateX(7)
        parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        parent.SetMatrixTransformToParent(transform.GetMatrix())
        node.SetAndObserveTransformNodeID(parent.GetID())
        return parent


def _image(mask: np.ndarray, volume):
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*reversed(mask.shape))
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(mask, np.uint8).ravel(), deep=True))
    image.SetImageToWorldMatrix(matrix)
    return image
