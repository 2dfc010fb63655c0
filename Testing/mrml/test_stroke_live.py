"""Live numbers of a stroke belong to the segmentation they count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
from scene_helpers import edit
from slicer_host.headless import load_module

from LesionKitLib.imaging.volume import affine
from LesionKitLib.mrml.live_measurements import LiveMeasurement
from StrokeSynthLib.measurement.measurements import measure
from StrokeSynthLib.results.result import StrokeResult

MODULE_FILE = Path(__file__).parents[2] / "StrokeSynth" / "StrokeSynth.py"
SHAPE = (10, 12, 14)


@pytest.fixture
def stroke_logic(application, scene):
    """A StrokeSynthLogic whose pipeline aligns each further run 50 mm more to the left."""
    shifts = iter((0.0, 50.0))

    def pipeline(volume, device="auto", progress=None, tissues=False):
        to_image = np.eye(4)
        to_image[0, 3] = next(shifts)
        lesion = np.zeros(SHAPE, np.uint8)
        lesion[4:7, 4:7, 8:11] = 1
        brain = np.ones(SHAPE, np.uint8)
        found = measure(volume, lesion, brain, to_image)
        return StrokeResult(volume, lesion, brain, None, "net", "1", "CPU", {"total": 0.1}, found, to_image)

    return load_module(MODULE_FILE).StrokeSynthLogic(segment=pipeline)


class OneShot:
    """A timer that is fired by hand."""

    def __init__(self, _interval, callback):
        self.fire = callback

    def start(self):
        """Nothing happens by itself."""

    def stop(self):
        """Nothing happens by itself."""


def test_an_older_result_is_counted_live_by_its_own_alignment(stroke_logic):
    image = np.random.default_rng(0).integers(1, 500, SHAPE).astype(np.int16)
    node = slicer.util.addVolumeFromArray(image, affine((5.0, 5.0, 5.0), origin=(-10.0, 0.0, 0.0)), "MR")
    first = stroke_logic.process(node)
    edit(first, "Ischemic stroke lesion", np.ones(SHAPE, bool), node)
    second = stroke_logic.process(node, first)  # edited, so the new result is another segmentation
    assert second is not first
    for segmentation in (first, second):
        tables = []
        live = LiveMeasurement(stroke_logic, segmentation, node, tables.append, OneShot)
        live.refresh()
        live.stop()
        assert tables[-1].measurements == stroke_logic.measure(segmentation, node)
