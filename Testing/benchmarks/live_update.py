"""How long the numbers take to follow an edit of a chest CT of 512 x 512 x 120.

``python Testing/benchmarks/live_update.py`` (from the repository's root; needs slicer-core). Strokes go through 3D
Slicer's own editor logic. Times are processor time, which other programs disturb least; add the debounce.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [
    str(ROOT / folder) for folder in ("LesionKit", "CovidLungQuant", "Testing", "Testing/support", "Testing/mrml")
]

from slicer_host.headless import load_module, start  # noqa: E402

start()
import slicer  # noqa: E402
from test_mrml_live import Timers, stroke  # noqa: E402

from CovidLungQuantLib.measurement.measurements import measure  # noqa: E402
from CovidLungQuantLib.phantoms.chest import make_phantom  # noqa: E402
from CovidLungQuantLib.results.result import CovidResult  # noqa: E402
from LesionKitLib.mrml.live_measurements import DEBOUNCE_MS, LiveMeasurement  # noqa: E402

SHAPE = (120, 512, 512)
STROKES = {  # name -> (segment, mode, radii in voxels along k, j, i)
    "one slice, 17 mm": ("ggo", "Add", (0.5, 12, 12)),
    "ball, 25 mm": ("consolidation", "Add", (5, 18, 18)),
    "ball, 60 mm": ("ggo", "Add", (12, 42, 42)),
    "ball erased, 25 mm": ("ggo", "Remove", (5, 18, 18)),
    "lung erased, 25 mm": ("right_lung", "Remove", (5, 18, 18)),
}


def fitted(array: np.ndarray, fill) -> np.ndarray:
    """Cut or padded to SHAPE about the middle."""
    result = np.full(SHAPE, fill, array.dtype)
    size = np.minimum(array.shape, SHAPE)
    source, target = (np.array(array.shape) - size) // 2, (np.array(SHAPE) - size) // 2
    parts = [tuple(slice(a, a + n) for a, n in zip(start, size, strict=True)) for start in (source, target)]
    result[parts[1]] = array[parts[0]]
    return result


def main() -> None:
    phantom = make_phantom(seed=1, spacing=(0.7, 0.7, 2.5))
    hu, lungs = fitted(phantom.volume.array, -1000), fitted(phantom.lungs, 0)
    lesions = fitted(phantom.lesions, 0)

    def analyze(volume, network, device, progress):
        return CovidResult(volume, lungs, lesions, network, "0", "", {}, measure(volume, lungs, lesions))

    node = slicer.util.addVolumeFromArray(hu, phantom.volume.ijk_to_ras, "CT")
    logic = load_module(ROOT / "CovidLungQuant" / "CovidLungQuant.py").CovidLungQuantLogic(analyze=analyze)
    segmentation = logic.process(node)
    timers, tables = Timers(), []
    live = LiveMeasurement(logic, segmentation, node, tables.append, timers)
    print(f"{'first update':20} {_seconds(timers.fire):.3f} s")
    editor = slicer.vtkSlicerSegmentEditorLogic()
    editor.SetMRMLScene(slicer.mrmlScene)
    settings = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor.SetSegmentEditorNode(settings)
    editor.SetSegmentationNode(segmentation)
    editor.SetSourceVolumeNode(node)
    random = np.random.default_rng(0)
    for name, (segment_id, mode, radii) in STROKES.items():
        places = np.argwhere(lesions == 1 if mode == "Remove" and segment_id == "ggo" else lungs == 1)
        center = places[random.integers(len(places))]
        grids = np.ogrid[tuple(slice(n) for n in SHAPE)]
        ball = sum(((grid - c) / r) ** 2 for grid, c, r in zip(grids, center, radii, strict=True)) < 1
        stroke((editor, settings), segmentation, segment_id, ball, mode)
        print(f"{name:20} {_seconds(timers.fire):.3f} s, and {DEBOUNCE_MS / 1000:.2f} s of debounce")
    same = tables[-1].measurements == logic.measure(segmentation, node)
    print(f"{'measuring everything':20} {_seconds(lambda: logic.measure(segmentation, node)):.3f} s; equal: {same}")
    live.stop()


def _seconds(call) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


if __name__ == "__main__":
    main()
