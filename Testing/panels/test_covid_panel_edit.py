"""CovidLungQuant's panel: the editor, the way from lesion to lesion, revert, reviewed."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from LesionKitLib.mrml.segmentations import ALGORITHM_TYPE_TAG, get_tag

pytest_plugins = "covid_panel"


@pytest.fixture
def result(panel):
    panel.apply()
    panel.ui.editCollapsibleButton.collapsed = False
    return panel


def kind_of(panel, segment_id):
    return get_tag(panel.segmentation.GetSegmentation().GetSegment(segment_id), ALGORITHM_TYPE_TAG)


def test_the_editor_has_ct_and_segmentation_chosen_already(result):
    editor = result.ui.segmentEditorWidget
    assert editor.segmentationNode() is result.segmentation
    assert editor.sourceVolumeNode() is result.parameters.inputVolume
    assert not editor.segmentationNodeSelectorVisible and not editor.sourceVolumeNodeSelectorVisible


def test_the_editor_keeps_the_result_s_ct_when_another_is_chosen(result):
    own = result.parameters.inputVolume
    result.add_ct("another")
    assert result.ui.segmentEditorWidget.sourceVolumeNode() is own


def test_the_editor_paints_inside_the_lungs_unless_told_otherwise(result):
    node, modes = result.ui.segmentEditorWidget.mrmlSegmentEditorNode(), slicer.vtkMRMLSegmentationNode
    assert node.GetMaskMode() == modes.EditAllowedInsideAllSegments
    result.ui.maskToLungsCheckBox.click()
    assert node.GetMaskMode() == modes.EditAllowedEverywhere
    result.ui.maskToLungsCheckBox.click()
    assert node.GetMaskMode() == modes.EditAllowedInsideAllSegments


def test_the_editor_lets_go_of_the_views_when_it_cannot_be_seen(result):
    editor = result.ui.segmentEditorWidget
    editor.setActiveEffectByName("Paint")
    assert editor._observes_views and editor._has_shortcuts
    result.ui.editCollapsibleButton.collapsed = True
    assert (editor.activeEffect(), editor._observes_views, editor._has_shortcuts) == (None, False, False)
    result.ui.editCollapsibleButton.collapsed = False
    assert editor._observes_views
    editor.setActiveEffectByName("Paint")
    result.host.leave()
    assert (editor.activeEffect(), editor._observes_views, editor._has_shortcuts) == (None, False, False)
    result.host.enter("CovidLungQuant")
    assert editor._observes_views


def test_the_shortcuts_work_only_while_the_module_is_open(result):
    def enabled():
        return {s.key.toString(): s.enabled for s in result.widget.edit._shortcuts}

    assert enabled() == {"Shift+N": True, "Shift+P": True, "Shift+R": True}
    for keys in enabled():
        assert keys in result.ui.shortcutsLabel.text
    result.host.leave()
    assert not any(enabled().values())


def test_next_and_previous_go_from_lesion_to_lesion_by_size(result, chest):
    view = result.scene.AddNewNodeByClass("vtkMRMLSliceNode")
    result.ui.nextLesionButton.click()
    assert result.ui.lesionLabel.text == "1 of 3: Ground-glass opacity, 5.8 ml"
    center = [view.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
    i, j, k, _ = np.rint(np.linalg.inv(chest[3]) @ [*center, 1]).astype(int)
    assert chest[2][k, j, i] == 1
    result.ui.nextLesionButton.click()
    assert result.ui.lesionLabel.text.startswith("2 of 3: Consolidation")
    result.ui.previousLesionButton.click()
    result.ui.previousLesionButton.click()
    assert result.ui.lesionLabel.text.startswith("3 of 3: Pleural effusion")
    result.scene.RemoveNode(view)


def test_a_shortcut_goes_to_the_next_lesion(result):
    shortcut = next(s for s in result.widget.edit._shortcuts if s.key.toString() == "Shift+N")
    shortcut.activated.emit()
    assert result.ui.lesionLabel.text.startswith("1 of 3")


def test_lesions_are_looked_up_again_after_an_edit(result):
    result.ui.nextLesionButton.click()
    result.edit("ggo", lambda mask: mask.fill(0))
    result.ui.nextLesionButton.click()
    assert " of 2: " in result.ui.lesionLabel.text


def test_a_result_without_lesions_says_so(result):
    for lesion in ("ggo", "consolidation", "effusion"):
        result.edit(lesion, lambda mask: mask.fill(0))
    result.ui.nextLesionButton.click()
    assert result.ui.lesionLabel.text == "No lesion of 0.1 ml or more"


def test_an_edit_is_counted_and_makes_the_segment_semiautomatic(result):
    assert result.ui.editStateLabel.text.startswith("Edits: 0,")
    result.edit("ggo", lambda mask: mask.fill(0))
    assert kind_of(result, "ggo") == "SEMIAUTOMATIC" and kind_of(result, "effusion") == "AUTOMATIC"
    assert result.ui.editStateLabel.text.startswith("Edits: 1,")


def test_revert_brings_back_what_the_network_found_and_undo_takes_it_back(result):
    original = result.voxels("ggo")
    result.ui.segmentEditorWidget.setCurrentSegmentID("ggo")
    assert not result.ui.revertButton.enabled
    assert result.ui.revertButton.toolTip == "This segment is as the network left it."
    result.edit("ggo", lambda mask: mask.fill(0))
    assert result.ui.revertButton.enabled
    result.ui.revertButton.click()
    result.settle()
    np.testing.assert_array_equal(result.voxels("ggo"), original)
    assert kind_of(result, "ggo") == "AUTOMATIC" and not result.ui.revertButton.enabled
    result.ui.segmentEditorWidget.undo()
    result.settle()
    assert not result.voxels("ggo").any()
    assert kind_of(result, "ggo") == "SEMIAUTOMATIC"


def test_revert_leaves_the_other_segments_as_corrected(result):
    result.edit("ggo", lambda mask: mask.fill(0))
    result.edit("effusion", lambda mask: mask.fill(0))
    result.ui.segmentEditorWidget.setCurrentSegmentID("ggo")
    result.ui.revertButton.click()
    result.settle()
    assert result.voxels("ggo").any() and not result.voxels("effusion").any()


def test_a_segment_drawn_by_a_person_cannot_be_reverted(result):
    segment_id = result.segmentation.GetSegmentation().AddEmptySegment("mine", "mine")
    result.settle()
    result.ui.segmentEditorWidget.setCurrentSegmentID(segment_id)
    assert not result.ui.revertButton.enabled


def test_reviewed_is_kept_until_the_next_edit(result):
    result.ui.reviewedButton.click()
    assert result.ui.reviewedButton.text == "Reviewed"
    assert result.ui.editStateLabel.text.endswith("Reviewed by a person.")
    result.edit("ggo", lambda mask: mask.fill(0))
    assert not result.ui.reviewedButton.checked
    assert result.ui.editStateLabel.text.endswith("Not reviewed.")
    result.ui.reviewedButton.click()
    result.ui.reviewedButton.click()
    assert not result.ui.reviewedButton.checked
    assert result.ui.editStateLabel.text.endswith("Not reviewed.")


def test_lesion_painted_by_the_editor_takes_no_lung_away(result):
    """The editor removes what is painted over from the other segments."""
    lung = result.voxels("right_lung")
    node = result.widget.logic.volumeOf(result.segmentation)
    painted = np.zeros(lung.shape, np.uint8)
    painted[2:4, 4:8, 3:6] = 1
    ggo = (result.voxels("ggo") | painted).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(ggo, result.segmentation, "ggo", node)
    rest = (lung.astype(bool) & ~ggo.astype(bool)).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(rest, result.segmentation, "right_lung", node)
    result.settle()
    assert (result.voxels("right_lung") > 0)[painted > 0].all()
    assert result.table()["Lungs"]["± [ml]"] == "0.0"
