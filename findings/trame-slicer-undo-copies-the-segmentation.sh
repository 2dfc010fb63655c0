#!/usr/bin/env bash
# trame-slicer 2.0.0 with slicer-core 5.11.0.6: undo keeps two copies of the whole segmentation for an edit of one voxel.
#
# One would expect: a step of undo holds what an edit changed, or the one segment that was edited, or shares the state
# after one edit with the state before the next. What happens: each step holds two deep copies of all segments' voxels, so
# 30 steps on a CT of 512 x 512 x 120 with lungs and lesions take gigabytes, and each stroke the time to copy them.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  'trame-slicer[standalone]==2.0.0' slicer-core==5.11.0.6 numpy 2>/dev/null
"$folder/venv/bin/python" - 2>/dev/null <<'PY'
import gc
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
from slicer import vtkMRMLScalarVolumeNode
from trame_slicer.core import SlicerApp
from trame_slicer.segmentation import ModificationMode
from undo_stack import UndoStack
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData

SIDE, EDITS = 256, 4


def resident_mb():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


image = vtkImageData()
image.SetDimensions(SIDE, SIDE, SIDE)
image.GetPointData().SetScalars(numpy_to_vtk(np.zeros(SIDE**3, np.int16), deep=True))
app = SlicerApp()
volume = app.scene.AddNode(vtkMRMLScalarVolumeNode())
volume.SetAndObserveImageData(image)
editor = app.segmentation_editor
editor.set_active_segmentation(editor.create_empty_segmentation_node(), volume)
segment = editor.add_empty_segment(segment_name="all")
full = np.ones((SIDE, SIDE, SIDE), np.uint8)
editor.active_segment_modifier.set_segment_labelmap(segment, full)
editor.set_undo_stack(UndoStack(undo_limit=30))
before = resident_mb()
for n in range(EDITS):
    full[100, 100, 100 + n] = 0
    editor.active_segment_modifier.set_segment_labelmap(segment, full)
grown, one = (resident_mb() - before) / EDITS, SIDE**3 / 2**20
print("trame-slicer", version("trame-slicer"), "slicer-core", version("slicer-core"))
print(f"one segment of {SIDE}^3 voxels: {one:.0f} MB; a step of undo for an edit of one voxel: {grown:.0f} MB")
assert grown > 1.5 * one
print("as described")
PY
