"""The modules do not touch each other's results, and find nodes by what they are and not by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
from slicer_host.headless import load_module

from LesionKitLib.imaging.volume import Volume, affine
from StrokeSynthLib.labels import LESION, WHITE
from StrokeSynthLib.synthesis.synthesis import Synthesis

STROKE = Path(__file__).parents[2] / "StrokeSynth" / "StrokeSynth.py"


@pytest.fixture
def stroke(application, scene):
    labels = np.zeros((10, 12, 14), np.uint8)
    labels[2:8, 2:10, 2:12] = WHITE.value
    labels[4:6, 4:7, 4:7] = LESION.value
    volume = Volume(labels, affine((2.0, 2.0, 2.0)))

    def synthesize(*_arguments):
        return Synthesis(volume.with_array((labels * 100).astype(np.int16)), volume, "stand-in 0", 1)

    return load_module(STROKE).StrokeSynthLogic(synthesize=synthesize)


def is_shown(segmentation) -> bool:
    return bool(segmentation.GetDisplayNode().GetVisibility())


def test_synthesizing_a_stroke_leaves_the_lungs_of_another_module_shown(chest, logic, stroke):
    lungs = logic.process(chest.node())
    image = stroke.synthesize()
    assert is_shown(lungs) and is_shown(image.GetNodeReference(stroke.SEGMENTATION_ROLE))
    assert not stroke.isResult(lungs) and stroke.runOf(lungs) == {}


def test_of_one_module_s_results_only_the_chosen_one_is_shown(chest, logic):
    first, second = logic.process(chest.node("A")), logic.process(chest.node("B"))
    logic.showOnly(second)
    assert [is_shown(first), is_shown(second)] == [False, True]
    assert logic.results() == [first, second]


def test_nodes_that_a_user_gave_our_names_are_not_taken_for_ours(stroke, scene):
    foreign = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "StrokeSynth template labels")
    colors = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "StrokeSynth colors")
    template = stroke.templateNode()
    assert template is not foreign and template.GetDisplayNode().GetColorNode() is not colors
    template.SetName("renamed by the user")
    assert stroke.templateNode() is template


def test_a_drawing_is_hidden_where_its_lesion_was_synthesized(stroke, scene):
    drawing = stroke.newDrawing(stroke.templateNode())
    image = stroke.showSynthesis(stroke.prepareSynthesis(lesion="none")(None), drawing)
    assert not is_shown(drawing) and is_shown(image.GetNodeReference(stroke.SEGMENTATION_ROLE))
    assert slicer.mrmlScene.IsNodePresent(drawing)
