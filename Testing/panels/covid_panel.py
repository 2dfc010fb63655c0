"""Fixtures of the tests of CovidLungQuant's panel: a small chest, a pipeline that waits for the test, the panel."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import slicer

from CovidLungQuantLib.measurement.findings import list_findings
from CovidLungQuantLib.measurement.measurements import measure
from CovidLungQuantLib.results.result import CovidResult
from LesionKitLib.imaging.volume import affine
from LesionKitLib.run import requirements


class WaitingPipeline:
    """Answers with the label maps it holds, once ``gate`` is set; until then it reports progress over and over."""

    def __init__(self, lungs, lesions):
        self.lungs, self.lesions = lungs, lesions
        self.heatmap, self.decision, self.error = None, None, None
        self.calls = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, volume, network="convlstm", device="auto", progress=None):
        self.calls.append(SimpleNamespace(volume=volume, network=network, device=device))
        progress.report("segmenting", 0.5)
        while not self.gate.wait(0.002):
            progress.report("segmenting", 0.5)
        if self.error is not None:
            raise self.error
        return CovidResult(
            volume,
            self.lungs,
            self.lesions,
            network,
            "1.2",
            "CPU, 2 threads",
            {"read": 0.0, "infer": 1.0, "total": 2.0},
            measure(volume, self.lungs, self.lesions),
            decision=self.decision,
            heatmap=self.heatmap,
            notes=("The slices lie 6 mm apart.",),
            findings=tuple(list_findings(volume, self.lungs, self.lesions)),
        )


class Panel:
    """The loaded panel, and what a user does with it."""

    def __init__(self, host, scene, loaded, pipeline, hu, ijk_to_ras):
        self.host, self.scene, self.loaded, self.pipeline = host, scene, loaded, pipeline
        self._hu, self._ijk_to_ras = hu, ijk_to_ras
        self.use_pipeline()

    widget = property(lambda self: slicer.modules.CovidLungQuantWidget)  # a reload makes a new one
    ui = property(lambda self: self.widget.ui)
    parameters = property(lambda self: self.widget._parameterNode)
    segmentation = property(lambda self: self.parameters.outputSegmentation)

    def use_pipeline(self):
        self.widget.logic._analyze = self.pipeline

    def add_ct(self, name="CT"):
        node = slicer.util.addVolumeFromArray(self._hu, self._ijk_to_ras, name)
        self.parameters.inputVolume = node
        return node

    def start(self):
        """Press Apply with the pipeline's gate closed, and wait until it is at work."""
        self.pipeline.gate.clear()
        calls = len(self.pipeline.calls)
        self.ui.applyButton.click()
        self.wait_until(lambda: len(self.pipeline.calls) > calls)

    def finish(self):
        self.pipeline.gate.set()
        self.wait_until(lambda: not self.widget.runSection.apply.runner.running)
        self.settle()

    def apply(self, name="CT"):
        """A result in the scene, measured; returns its segmentation."""
        if self.parameters.inputVolume is None:
            self.add_ct(name)
        self.ui.applyButton.click()
        self.finish()
        assert self.host.messages.texts("error") == []
        return self.segmentation

    def settle(self):
        """Let what was done be counted."""
        self.host.process_events()
        live = self.widget.resultsSection._live
        self.wait_until(lambda: live is None or not (live.running and live._armed))
        self.host.process_events()

    def wait_until(self, condition):
        """However slow the machine is."""
        self.host.wait_until(condition, seconds=120)

    def edit(self, segment_id, change):
        """Replace a segment's voxels as the editor does; change(boolean array [k, j, i]) works in place."""
        node = self.widget.logic.volumeOf(self.segmentation)
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(self.segmentation, segment_id, node)
        change(mask)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, self.segmentation, segment_id, node)
        self.settle()

    def voxels(self, segment_id):
        node = self.widget.logic.volumeOf(self.segmentation)
        return slicer.util.arrayFromSegmentBinaryLabelmap(self.segmentation, segment_id, node).copy()

    def table(self):
        """What the first table shows: class -> {column title -> text}."""
        import qt

        model = self.ui.comparisonTableView.model()
        columns = range(model.columnCount())
        titles = [model.headerData(column, qt.Qt.Horizontal) for column in columns]
        rows = [[model.data(model.index(row, column)) for column in columns] for row in range(model.rowCount())]
        return {row[0]: dict(zip(titles[1:], row[1:], strict=True)) for row in rows}


@pytest.fixture
def chest():
    """(HU, lungs, lesions, ijk_to_ras): two boxes for lungs, a lesion of each class, voxels of 0.12 ml."""
    lungs = np.zeros((12, 16, 20), np.uint8)
    lungs[1:11, 3:13, 2:9] = 1
    lungs[1:11, 3:13, 11:18] = 2
    lesions = np.zeros_like(lungs)
    lesions[6:9, 4:8, 3:7] = 1
    lesions[3:5, 4:9, 12:15] = 2
    lesions[1:2, 9:13, 12:17] = 3
    hu = np.choose(lesions, (np.where(lungs > 0, -850, 30), -600, 20, 10)).astype(np.int16)
    return hu, lungs, lesions, affine((4.0, 5.0, 6.0), origin=(30.0, -20.0, 100.0))


@pytest.fixture
def panel(host, load, scene, chest, monkeypatch):
    monkeypatch.setattr(requirements, "missing_packages", lambda *_: [])
    hu, lungs, lesions, ijk_to_ras = chest
    pipeline = WaitingPipeline(lungs, lesions)
    yield Panel(host, scene, load("CovidLungQuant"), pipeline, hu, ijk_to_ras)
    pipeline.gate.set()
