"""How long CovidLungQuant's panel keeps a reader waiting: opening, showing a result, an edit, an export, a whole run.

``python Testing/benchmarks/panel_speed.py`` (from the repository's root) on the test host, with a computed chest CT of
512 x 512 x 60. Widgets are stand-ins and nothing is drawn in views, so a desktop 3D Slicer takes longer; its idle event
loop, which keeps Python's lock, is imitated for the run. Other programs add to these times of the clock.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [
    str(ROOT / folder)
    for folder in ("LesionKit", "CovidLungQuant", "StrokeSynth", "BodyPartRouter", "Testing", "Testing/benchmarks")
]

from slicer_host import host as hosts  # noqa: E402

HOST = hosts.start()

import slicer  # noqa: E402
from background_work import wait_with_lock  # noqa: E402

from CovidLungQuantLib.measurement.measurements import measure  # noqa: E402
from CovidLungQuantLib.phantoms.chest import make_phantom  # noqa: E402
from CovidLungQuantLib.results.result import CovidResult  # noqa: E402
from LesionKitLib.imaging.volume import Volume  # noqa: E402
from LesionKitLib.run import background, requirements  # noqa: E402
from LesionKitLib.run.progress import Progress  # noqa: E402

SHAPE = (60, 512, 512)
PAIRS = 2


def main() -> None:
    requirements.missing_packages = lambda *_: []
    for name in ("BodyPartRouter", "StrokeSynth", "CovidLungQuant"):
        tell(f"open {name} (aim 0.3 s)", timed(lambda name=name: open_module(name)))
    phantom = make_phantom(seed=1, spacing=(0.7, 0.7, 5.0))
    hu, lungs, lesions = (fitted(a) for a in (phantom.volume.array, phantom.lungs, phantom.lesions))
    volume = Volume(hu, phantom.volume.ijk_to_ras)
    widget = slicer.modules.CovidLungQuantWidget
    node = slicer.util.addVolumeFromArray(hu, volume.ijk_to_ras, "CT")
    apply(widget, node, CovidResult(volume, lungs, lesions, "convlstm", "0", "", {}, measure(volume, lungs, lesions)))
    for turned in (False, True):
        if turned:
            turn(node)
        where = "under a transform (aim 0.3 s)" if turned else "(debounce included)"
        tell(f"numbers after a stroke {where}", min(edit(widget, node, k) for k in (25, 30, 35)))
    export(widget)
    run(volume)
    HOST.quit()


def tell(what: str, seconds: float) -> None:
    print(f"{what:<58}{seconds:6.2f} s", flush=True)


def timed(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def open_module(name: str) -> None:
    HOST.load_module(ROOT / name / f"{name}.py")
    HOST.process_events()


def fitted(array: np.ndarray) -> np.ndarray:
    """Cut or padded to SHAPE about the middle, with the value of its first voxel."""
    result = np.full(SHAPE, array.flat[0], array.dtype)
    size = np.minimum(array.shape, SHAPE)
    source, target = (np.array(array.shape) - size) // 2, (np.array(SHAPE) - size) // 2
    to, of = (tuple(slice(a, a + n) for a, n in zip(start, size, strict=True)) for start in (target, source))
    result[to] = array[of]
    return result


def settle(widget) -> None:
    live = widget.resultsSection._live
    HOST.wait_until(lambda: not (live.running and live._armed), 120)


def apply(widget, node, result) -> None:
    """Press Apply, with a network that has its answer ready."""
    ended = []

    def analyze(*_arguments, **_options):
        ended.append(time.perf_counter())
        return result

    widget.logic._analyze = analyze
    widget._parameterNode.inputVolume = node
    widget.ui.applyButton.click()
    HOST.wait_until(lambda: widget.ui.headlineLabel.text.startswith("Burden"), 120)
    tell("result shown after the computation (aim 0.5 s)", time.perf_counter() - ended[0])
    settle(widget)
    tell("  and counted for edits", time.perf_counter() - ended[0])


def turn(node) -> None:
    import vtk

    transform = vtk.vtkTransform()
    transform.RotateZ(11)
    parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    parent.SetMatrixTransformToParent(transform.GetMatrix())
    node.SetAndObserveTransformNodeID(parent.GetID())
    slicer.modules.CovidLungQuantWidget._parameterNode.outputSegmentation.SetAndObserveTransformNodeID(parent.GetID())
    HOST.process_events(1.0)


def edit(widget, node, k: int) -> float:
    """Seconds from a stroke of 25 x 25 mm in slice k to the numbers, debounce and all."""
    from LesionKitPanel.selftest import _image

    segmentation = widget._parameterNode.outputSegmentation
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "ggo", node) > 0
    mask[k, 200:236, 120:156] = ~mask[k, 200:236, 120:156]
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    image = _image(mask, node)
    start = time.perf_counter()
    logic.SetBinaryLabelmapToSegment(image, segmentation, "ggo", logic.MODE_REPLACE)
    settle(widget)
    return time.perf_counter() - start


def export(widget) -> None:
    with tempfile.TemporaryDirectory() as folder:
        widget.ui.exportFolderPathLineEdit.currentPath = folder
        gaps, start = [], time.perf_counter()
        last = start
        widget.ui.exportButton.click()
        while widget.exportSection.apply.running:
            HOST.process_events()
            now = time.perf_counter()
            gaps.append(now - last)
            last = now
        tell("export", time.perf_counter() - start)
        tell("  longest time without events", max(gaps))


def run(volume) -> None:
    """The real pipeline in plain Python, and on the runner's thread beside an event loop that keeps the lock."""
    from CovidLungQuantLib.pipeline import analyze

    plain, threaded = [], []
    analyze(volume, progress=Progress())  # models and libraries are loaded
    for _ in range(PAIRS):
        plain.append(timed(lambda: analyze(volume, progress=Progress())))
        threaded.append(timed(lambda: beside_a_loop(lambda progress: analyze(volume, progress=progress))))
    tell("run in plain Python, best of two", min(plain))
    tell("run beside an event loop that keeps the lock, best of two", min(threaded))
    print(f"{'  ratio (1.7 was seen in Slicer 5.8.1)':<58}{min(threaded) / min(plain):6.2f}")


def beside_a_loop(work) -> None:
    """What 3D Slicer's main thread does meanwhile: it waits for the next tick without letting go of the lock."""
    ticks, errors = [], []

    class Timer:
        def __init__(self, _interval_ms, callback):
            ticks.append(callback)

        def start(self): ...

        def stop(self): ...

    runner = background.BackgroundRunner(Timer)
    runner.start(work, lambda _result: None, lambda _sentence, error: errors.append(error))
    while runner.running:
        wait_with_lock(1000 * background.TICK_MS)
        ticks[0]()
    if errors:
        raise errors[0]


if __name__ == "__main__":
    main()
