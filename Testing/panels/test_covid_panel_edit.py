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
        return {s.key.toString(): s.enabled for s in result.widget.editSection._shortcuts}

    assert enabled() == {"Shift+N": True, "Shift+P": True, "Shift+R": True}
    for keys in enabled():
        assert keys in result.ui.shortcutsLabel.text
    result.host.leave()
    assert not any(enabled().values())


def test_next_and_previous_go_from_lesion_to_lesion_by_size(result, chest):
    view = result.scene.AddNewNodeByClass("vtkMRMLSliceNode")
    result.ui.nextLesionButton.click()
    assert result.ui.lesionPlaceLabel.text == "1 of 3: Ground-glass opacity, 5.8 ml"
    k = round((view.GetSliceToRAS().GetElement(2, 3) - chest[3][2, 3]) / chest[3][2, 2])
    assert (chest[2][k] == 1).any()
    result.ui.nextLesionButton.click()
    assert result.ui.lesionPlaceLabel.text.startswith("2 of 3: Consolidation")
    result.ui.previousLesionButton.click()
    result.ui.previousLesionButton.click()
    assert result.ui.lesionPlaceLabel.text.startswith("3 of 3: Pleural effusion")
    result.scene.RemoveNode(view)


def test_a_shortcut_goes_to_the_next_lesion(result):
    shortcut = next(s for s in result.widget.editSection._shortcuts if s.key.toString() == "Shift+N")
    shortcut.activated.emit()
    assert result.ui.lesionPlaceLabel.text.startswith("1 of 3")


def test_lesions_are_looked_up_again_after_an_edit(result):
    result.ui.nextLesionButton.click()
    result.edit("ggo", lambda mask: mask.fill(0))
    result.ui.nextLesionButton.click()
    assert " of 2: " in result.ui.lesionPlaceLabel.text


def test_a_result_without_lesions_says_so(result):
    for lesion in ("ggo", "consolidation", "effusion"):
        result.edit(lesion, lambda mask: mask.fill(0))
    result.ui.nextLesionButton.click()
    assert result.ui.lesionPlaceLabel.text == "No lesion"


def test_an_edit_is_counted_and_makes_the_segment_semiautomatic(result):
    assert result.ui.editStateLabel.text.startswith("CT LesionKit. Edits: 0,")
    result.edit("ggo", lambda mask: mask.fill(0))
    assert kind_of(result, "ggo") == "SEMIAUTOMATIC" and kind_of(result, "effusion") == "AUTOMATIC"
    assert result.ui.editStateLabel.text.startswith("CT LesionKit. Edits: 1,")


def test_revert_brings_back_what_the_network_found_and_undo_takes_it_back(result):
    original = result.voxels("ggo")
    result.ui.segmentEditorWidget.setCurrentSegmentID("ggo")
    assert not result.ui.revertButton.enabled
    assert result.ui.revertButton.toolTip == "<p>This segment is as the network left it.</p>"
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


def test_revert_follows_the_keys_that_change_the_segment(result):
    """Q and W move through the segments without a click on a row."""
    editor = result.ui.segmentEditorWidget
    result.edit("ggo", lambda mask: mask.fill(0))
    editor.setCurrentSegmentID("right_lung")
    enabled = {}
    for _ in range(5):
        enabled[editor.currentSegmentID()] = result.ui.revertButton.enabled
        editor.selectNextSegment()
    assert [segment_id for segment_id, is_enabled in enabled.items() if is_enabled] == ["ggo"]


def test_three_strokes_are_undone_and_redone_with_the_panel_open(result, chest):
    from slicer_host.editing import stroke

    editor = result.ui.segmentEditorWidget
    editor.setCurrentSegmentID("ggo")
    texts = [result.table()]
    for k in (3, 4, 5):
        mask = np.zeros(chest[1].shape, bool)
        mask[k, 9:12, 4:8] = True
        stroke(editor, mask)
        result.settle()
        texts.append(result.table())
    assert len({str(text) for text in texts}) == 4
    for step, act in [(2, editor.undo), (1, editor.undo), (0, editor.undo), (1, editor.redo), (2, editor.redo)]:
        act()
        result.settle()
        assert result.table() == texts[step]


def test_the_ground_glass_brush_changes_only_voxels_of_that_density(result, chest):
    from slicer_host.editing import stroke

    editor = result.ui.segmentEditorWidget
    editor.setCurrentSegmentID("ggo")
    mask = np.zeros(chest[1].shape, bool)
    mask[3:5, 4:9, 11:15] = True  # healthy lung of -850 HU, and consolidation of 20 HU
    result.ui.huBrushCheckBox.click()
    stroke(editor, mask)
    result.settle()
    painted = (result.voxels("ggo") > 0) & mask
    assert painted.any() and (chest[0][painted] == -850).all()
    assert editor.mrmlSegmentEditorNode().GetSourceVolumeIntensityMask()
    result.ui.huBrushCheckBox.click()
    assert not editor.mrmlSegmentEditorNode().GetSourceVolumeIntensityMask()


def test_tools_for_whole_regions_are_in_a_fold_and_thirty_steps_can_be_undone(result):
    editor, rare = result.ui.segmentEditorWidget, {"Fill between slices", "Grow from seeds", "Level tracing"}
    assert not rare & set(editor.effectNameOrder())
    result.ui.moreEffectsCheckBox.click()
    assert rare <= set(editor.effectNameOrder())
    editor.setActiveEffectByName("Level tracing")
    result.ui.moreEffectsCheckBox.click()
    assert editor.activeEffect() is None, "a tool that cannot be seen is not in use"
    assert editor.maximumNumberOfUndoStates == 30


def test_closing_a_scene_with_more_images_leaves_the_editor_in_peace(result):
    """Its selector of the image would go on to the next one, and complain that there is no segmentation."""
    own = result.parameters.inputVolume
    result.add_ct("another")
    result.parameters.outputSegmentation = None
    result.scene.RemoveNode(own)
    result.scene.Clear(False)
    result.host.process_events()
    assert result.host.qt_warnings == []
