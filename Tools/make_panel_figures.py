"""Draws the pictures of CovidLungQuant's panel in docs/figures/: ``python Tools/make_panel_figures.py``.

The panel runs on the test host (Testing/slicer_host), so frames and buttons look a little different in 3D Slicer. The
image is the chest phantom. In place of the network a stand-in answers with the phantom's known lesions, one of them a
little too large, so that there is something to correct; the numbers in the pictures say nothing about accuracy.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
sys.path[:0] = [str(ROOT / folder) for folder in ("LesionKit", "CovidLungQuant", "Testing", "Testing/support")]


class Network:
    """Answers with the phantom's labels when it is let go; until then it stands at two thirds."""

    def __init__(self, phantom):
        from scipy import ndimage

        self.lungs, self.lesions = phantom.lungs, phantom.lesions.copy()
        around = ndimage.binary_dilation(phantom.lesions == 2, iterations=2)
        self.lesions[around & (phantom.lesions == 0) & (phantom.lungs > 0)] = 2
        self.go_on = threading.Event()

    def __call__(self, volume, network="convlstm", device="auto", progress=None):
        from CovidLungQuantLib.measurement.measurements import measure
        from CovidLungQuantLib.results.result import CovidResult

        while not self.go_on.wait(0.05):
            progress.report("segmenting", 0.64)
        seconds = {"read": 0.0, "infer": 19.2, "total": 21.4}
        measurements = measure(volume, self.lungs, self.lesions)
        return CovidResult(volume, self.lungs, self.lesions, network, "1.0", "CPU, 2 threads", seconds, measurements)


def main() -> None:
    from slicer_host import host as hosts

    from LesionKitLib.run import requirements

    requirements.missing_packages = lambda *_: []
    host = hosts.start()
    panel = host.load_module(ROOT / "CovidLungQuant" / "CovidLungQuant.py")
    draw(host, panel, "empty")
    phantom, node = add_phantom()
    widget, ui = panel.widget, panel.widget.ui
    network = widget.logic._analyze = Network(phantom)
    widget._parameterNode.inputVolume = node
    ui.applyButton.click()
    host.process_events(9.0)  # so that there is some time to show
    draw(host, panel, "running")
    network.go_on.set()
    host.wait_until(lambda: ui.headlineLabel.text.startswith("Burden"), 120)
    ui.regionsGroupBox.collapsed = False
    draw(host, panel, "results")
    correct(host, widget, phantom, node)
    draw(host, panel, "edited")


def add_phantom():
    import slicer

    from CovidLungQuantLib.phantoms.chest import make_phantom

    phantom = make_phantom(seed=7, spacing=(2.0, 2.0, 4.0), lesions=("ggo", "ggo", "consolidation", "effusion"))
    volume = phantom.volume
    return phantom, slicer.util.addVolumeFromArray(volume.array, volume.ijk_to_ras, "ChestPhantom")


def correct(host, widget, phantom, node) -> None:
    """What a reader would do: look at the lesions, and take away what is too much."""
    import slicer

    ui, segmentation = widget.ui, widget._parameterNode.outputSegmentation
    ui.regionsGroupBox.collapsed = True
    ui.editCollapsibleButton.collapsed = False
    for _ in range(2):
        ui.nextLesionButton.click()
    ui.segmentEditorWidget.setCurrentSegmentID("consolidation")
    ui.segmentEditorWidget.setActiveEffectByName("Erase")
    before = ui.headlineLabel.text
    host.process_events(5.0)
    mask = (phantom.lesions == 2).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, "consolidation", node)
    host.wait_until(lambda: ui.headlineLabel.text != before, 120)


def draw(host, panel, name: str) -> None:
    """docs/figures/panel_<name>.png with a palette, to keep it small."""
    from PIL import Image

    path = FIGURES / f"panel_{name}.png"
    host.screenshot(panel.panel, path, width=380)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
