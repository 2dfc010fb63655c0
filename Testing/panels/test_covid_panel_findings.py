"""The decision, the lesions one by one, and truth against prediction, in the panel."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from CovidLungQuantLib.classification.decision import RULE
from LesionKitLib.mrml.views import jump_to

pytest_plugins = "covid_panel"

DECISION = {"covid_probability": 0.83, "positive": True, "threshold": 0.5, "slices": 10,
            "rule": RULE.format(threshold=0.5)}  # fmt: skip


def row(panel, n) -> list[str]:
    table = panel.ui.lesionsTable
    return [table.item(n, column).text() for column in range(table.columnCount)]


def test_a_decision_is_shown_with_its_rule_and_that_it_is_no_diagnosis(panel):
    panel.apply()
    assert panel.ui.decisionLabel.text == "" and not panel.ui.decisionLabel.visible
    panel.pipeline.decision = DECISION
    panel.apply()
    text = panel.ui.decisionLabel.text
    assert "probability 83 %, positive" in text and "not a diagnosis" in text and DECISION["rule"] in text


def test_each_lesion_has_a_row_that_leads_to_it(panel):
    panel.apply()
    assert panel.ui.lesionsTable.rowCount == 3
    assert row(panel, 0)[:3] == ["1", "Ground-glass opacity", "5.8"]
    view = panel.scene.AddNewNodeByClass("vtkMRMLSliceNode")
    center = [view.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)]
    places = panel.widget.logic.findingsFor(panel.segmentation)
    for n in (2, 0):
        panel.ui.lesionsTable.setCurrentCell(n, 1)
        matrix = view.GetSliceToRAS()
        shown = [matrix.GetElement(axis, 3) for axis in range(3)]
        assert shown == pytest.approx([*center[:2], places[n]["ras"][2]]), "the image stays where it is in the view"
    far = np.add(places[0]["ras"], (1000, 0, 0))
    jump_to(panel.scene, far)
    assert [view.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)] == pytest.approx(list(far))
    panel.scene.RemoveNode(view)


def test_each_lesion_is_listed_with_its_slice(panel, chest):
    panel.apply()
    _hu, _lungs, lesions, ijk_to_ras = chest
    places = [finding["ras"] for finding in panel.widget.logic.findingsFor(panel.segmentation)]
    for n, place in enumerate(places):
        slice_number = int(column(panel, "Slice")[n])
        assert (np.linalg.inv(ijk_to_ras) @ (*place, 1.0))[2] == pytest.approx(slice_number - 1)
        assert lesions[slice_number - 1].any()


def test_a_click_on_a_title_sorts_the_lesions_by_it_and_rows_still_lead_to_their_lesions(panel):
    panel.apply()
    table = panel.ui.lesionsTable
    volumes = [float(text) for text in column(panel, "Volume (ml)")]
    numbers = column(panel, "No.")
    titles = [table.horizontalHeaderItem(index).text() for index in range(table.columnCount)]
    places = [finding["ras"] for finding in panel.widget.logic.findingsFor(panel.segmentation)]
    shown = []
    panel.widget.resultsSection.lesions._show_place = shown.append
    for descending in (True, False):
        table.horizontalHeader().sectionClicked.emit(titles.index("Volume (ml)"))
        assert [float(text) for text in column(panel, "Volume (ml)")] == sorted(volumes, reverse=descending)
        table.setCurrentCell(0, 1)
        assert shown[-1] == places[numbers.index(column(panel, "No.")[0])]
        table.setCurrentCell(-1, -1)


def column(panel, title):
    table = panel.ui.lesionsTable
    titles = [table.horizontalHeaderItem(index).text() for index in range(table.columnCount)]
    return [table.item(index, titles.index(title)).text() for index in range(table.rowCount)]


def test_the_lesions_are_looked_for_again_after_a_correction(panel):
    panel.apply()
    panel.edit("ggo", lambda mask: mask.fill(0))
    assert panel.ui.lesionsTable.rowCount == 3
    panel.ui.lesionsGroupBox.collapsed = False
    panel.ui.updateLesionsButton.click()
    assert panel.host.messages.texts("error") == []
    assert panel.ui.lesionsTable.rowCount == 2
    assert panel.host.messages.texts("error") == []


def test_truth_against_prediction_colors_what_was_missed_and_is_a_false_positive(panel, chest):
    from CovidLungQuantLib.labels import LESIONS
    from LesionKitLib.mrml.segmentations import Layer, write_segmentation

    segmentation = panel.apply()
    assert not panel.ui.compareButton.enabled and "holds the ground truth" in panel.ui.compareButton.toolTip
    lesions = chest[2].copy()
    lesions[lesions == 3] = 0  # the network's effusion is a false positive
    lesions[8:10, 9:12, 3:7] = 2  # and this was missed
    volume = panel.widget.logic.volumeOf(segmentation)
    truth = write_segmentation([Layer(lesions, LESIONS)], volume, "LesionKit phantom 1")
    panel.ui.groundTruthSelector.setCurrentNode(truth)
    assert panel.ui.compareButton.enabled
    panel.ui.compareButton.click()
    node = segmentation.GetNodeReference(panel.widget.logic.AGREEMENT_ROLE)
    found = {
        key: slicer.util.arrayFromSegmentBinaryLabelmap(node, key, volume)
        for key in ("false_negative", "false_positive")
    }
    np.testing.assert_array_equal(found["false_negative"] > 0, (lesions > 0) & (chest[2] == 0))
    np.testing.assert_array_equal(found["false_positive"] > 0, chest[2] == 3)
    assert "missed 2.9 ml, false positive 2.4 ml" in panel.ui.agreementLabel.text
    panel.ui.groundTruthSelector.setCurrentNode(segmentation)
    assert not panel.ui.compareButton.enabled


def test_nothing_is_left_when_the_scene_is_closed(panel):
    panel.pipeline.decision = DECISION
    panel.apply()
    panel.scene.Clear(0)
    assert panel.ui.lesionsTable.rowCount == 0 and panel.ui.decisionLabel.text == ""
