"""Draws the pictures of StrokeSynth's panel in docs/figures/: ``python Tools/make_stroke_panel_figures.py``.

The panel runs on the test host (Testing/slicer_host), so frames and buttons look a little different in 3D Slicer. The
bundled networks draw a brain with a stroke and segment it: nobody's image is shown. The experiment is the one whose
result is docs/stroke-experiment.json.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(ROOT / folder) for folder in ("LesionKit", "CovidLungQuant", "StrokeSynth", "Testing", "Testing/support")
]
SECTIONS = ("inputs", "results", "edit", "export", "synthesize", "database", "experiment")
SYNTHESIZE_TAB = ("synthesize", "database", "experiment")
WAIT_S = 300
SEED = 3


def main() -> None:
    from slicer_host import host as hosts

    from LesionKitLib.run import requirements

    requirements.missing_packages = lambda *_: []
    pictures = Pictures(hosts.start())
    pictures.empty()
    pictures.synthesize()
    pictures.segment()
    pictures.correct()
    pictures.draw_lesion()
    with tempfile.TemporaryDirectory() as temporary:
        pictures.database(Path(temporary, "database"))
        pictures.experiment(finished_experiment(Path(temporary, "experiment")))
    pictures.host.quit()


class Pictures:
    """The panel, brought from state to state."""

    def __init__(self, host):
        self.host = host
        self.loaded = host.load_module(ROOT / "StrokeSynth" / "StrokeSynth.py")
        self.widget, self.ui = self.loaded.widget, self.loaded.widget.ui

    @property
    def parameters(self):
        return self.widget._parameterNode

    def empty(self) -> None:
        self.draw("empty", "inputs")

    def synthesize(self) -> None:
        self.parameters.seed, self.parameters.minimumMl, self.parameters.maximumMl = SEED, 10.0, 60.0
        self.press("synthesize")
        self.ui.compareSlider.value = 40
        self.draw("synthesize", "synthesize")
        self.ui.compareSlider.value = 0

    def segment(self) -> None:
        """What was just made is segmented: it is the panel's MR volume already."""
        self.press("segment")
        self.settle()
        self.draw("segment", "inputs", "results")

    def correct(self) -> None:
        """Take the smallest slices of the lesion away, as a reader would with Erase."""
        import slicer

        segmentation, volume = self.parameters.outputSegmentation, self.parameters.inputVolume
        self.ui.editCollapsibleButton.collapsed = False
        self.ui.segmentEditorWidget.setCurrentSegmentID("lesion")
        self.ui.segmentEditorWidget.setActiveEffectByName("Erase")
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "lesion", volume).copy()
        shown = np.flatnonzero(mask.any((1, 2)))
        mask[: shown[len(shown) // 5]] = 0
        before = self.ui.headlineLabel.text
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, "lesion", volume)
        self.host.wait_until(lambda: self.ui.headlineLabel.text != before, WAIT_S)
        self.settle()
        self.draw("edit", "results", "edit")

    def draw_lesion(self) -> None:
        """The lesion comes from the user: the button Draw has made an empty segment and opened the editor."""
        self.parameters.lesion = "drawn"
        self.ui.drawButton.click()
        self.ui.segmentEditorWidget.setCurrentSegmentID("lesion")
        self.ui.segmentEditorWidget.setActiveEffectByName("Paint")
        self.host.process_events(0.2)
        self.draw("draw", "edit")
        self.parameters.lesion = "gan"

    def database(self, folder: Path) -> None:
        self.ui.databaseFolderPathLineEdit.currentPath = str(folder)
        self.parameters.cases = 2
        self.press("database")
        self.ui.databaseFolderPathLineEdit.currentPath = "/data/synthetic-strokes"
        self.draw("database", "database")

    def experiment(self, folder: Path) -> None:
        self.ui.experimentFolderPathLineEdit.currentPath = str(folder)
        self.ui.experimentButton.click()
        self.ui.experimentFolderPathLineEdit.currentPath = "/data/experiment"
        self.draw("experiment", "experiment")

    def press(self, section: str) -> None:
        button, part = {"segment": ("apply", "run")}.get(section, (section, section))
        getattr(self.ui, f"{button}Button").click()
        self.host.wait_until(lambda: not getattr(self.widget, f"{part}Section").apply.running, WAIT_S)
        self.host.process_events(0.2)
        self.refuse_errors()

    def refuse_errors(self) -> None:
        if errors := self.host.messages.texts("error"):
            raise SystemExit(errors[-1])

    def settle(self) -> None:
        """Until the numbers have caught up with the segments."""
        live = self.widget.resultsSection._live
        self.host.wait_until(lambda: not (live.running and live._armed), WAIT_S)
        self.host.process_events(1.0)

    def draw(self, name: str, *opened: str) -> None:
        from make_panel_figures import draw

        for section in SECTIONS:
            getattr(self.ui, f"{section}CollapsibleButton").collapsed = section not in opened
        self.ui.tabs.setCurrentIndex(int(opened[0] in SYNTHESIZE_TAB))
        self.refuse_errors()
        draw(self.host, self.loaded, f"stroke_{name}")


def finished_experiment(folder: Path) -> Path:
    """A folder with the result that docs shows, as an experiment leaves it."""
    from LesionKitResearch.experiments.stroke_summary import JSON

    folder.mkdir()
    shutil.copy(ROOT / "docs" / "stroke-experiment.json", folder / JSON)
    return folder


if __name__ == "__main__":
    main()
