"""StrokeSynth's panel: segment, correct, synthesize, database, experiment; with stand-ins for the pipelines."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import slicer
from scene_tables import read_table

from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.models import inference
from LesionKitLib.mrml.segmentations import ALGORITHM_TYPE_TAG, get_tag
from LesionKitLib.run import requirements
from LesionKitLib.run.errors import UnusableInput
from StrokeSynthLib.labels import LESION, WHITE
from StrokeSynthLib.measurement.measurements import measure
from StrokeSynthLib.networks.registry import TRANSLATORS
from StrokeSynthLib.results.result import StrokeResult
from StrokeSynthLib.synthesis.lesion_sampling import SIDES
from StrokeSynthLib.synthesis.synthesis import Synthesis

ROOT = Path(__file__).parents[2]
UI_FILE = ROOT / "StrokeSynth" / "Resources" / "UI" / "StrokeSynth.ui"
MATRIX = affine((2.0, 2.0, 2.0), origin=(18.0, 20.0, -10.0))


def brain_labels():
    labels = np.zeros((12, 16, 20), np.uint8)
    labels[1:11, 2:14, 2:18] = WHITE.value
    labels[4:7, 5:9, 12:16] = LESION.value
    return labels


class Pipelines:
    """Segmentation and synthesis that answer at once; ``error`` is raised in their place."""

    def __init__(self):
        self.calls, self.error = [], None

    def segment(self, volume, device="auto", progress=None, tissues=False):
        self.calls.append(("segment", device))
        progress.report("segmenting", 0.5)
        if self.error is not None:
            raise self.error
        labels = brain_labels()
        brain, lesion = (labels > 0).astype(np.uint8), (labels == LESION.value).astype(np.uint8)
        kinds = np.where(labels > 0, WHITE.value, 0).astype(np.uint8) if tissues else None
        found = measure(volume, lesion, brain, np.eye(4), kinds)
        return StrokeResult(
            volume, lesion, brain, kinds, "stroke-unet", "1.2", "CPU", {"total": 2.0}, found, np.eye(4), ("A note.",)
        )

    def synthesize(self, labels, lesion, translator, seed, volume_ml, side, device, progress):
        self.calls.append(("synthesize", labels, lesion, translator, seed, volume_ml, side))
        progress.report("translating slices", 0.5)
        if self.error is not None:
            raise self.error
        semantic = Volume(brain_labels(), MATRIX) if labels is None else labels
        image = semantic.with_array((semantic.array * 100).astype(np.int16))
        return Synthesis(image, semantic, f"stroke-{translator} 0", seed, None, "CPU", {"total": 1.0})


class Panel:
    def __init__(self, host, loaded):
        self.host, self.loaded, self.pipelines = host, loaded, Pipelines()
        logic = slicer.modules.StrokeSynthWidget.logic
        logic._segment, logic._synthesize = self.pipelines.segment, self.pipelines.synthesize

    widget = property(lambda self: slicer.modules.StrokeSynthWidget)
    ui = property(lambda self: self.widget.ui)
    logic = property(lambda self: self.widget.logic)
    parameters = property(lambda self: self.widget._parameterNode)

    def add_mr(self):
        node = slicer.util.addVolumeFromArray((brain_labels() * 50).astype(np.int16), MATRIX, "MR")
        self.parameters.inputVolume = node
        return node

    def press(self, section):
        """segment, synthesize or database, and wait until it is done."""
        button = {"segment": "apply"}.get(section, section)
        getattr(self.ui, f"{button}Button").click()
        part = getattr(self.widget, {"segment": "run"}.get(section, section) + "Section")
        self.host.wait_until(lambda: not part.apply.running, seconds=120)
        self.host.process_events()

    def settle(self):
        live = self.widget.resultsSection._live
        self.host.wait_until(lambda: live is None or not (live.running and live._armed), seconds=120)
        self.host.process_events()


@pytest.fixture
def panel(host, load, scene, monkeypatch):
    monkeypatch.setattr(requirements, "missing_packages", lambda *_: [])
    return Panel(host, load("StrokeSynth"))


def voxels(segmentation, label, node):
    from LesionKitLib.mrml.segmentations import segments_of

    (segment_id,) = segments_of(segmentation, label)
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment_id, node) > 0


def _text(widget, name):
    return next((p.findtext("string") for p in widget.findall("property") if p.get("name") == name), None)


def test_loading_the_panel_imports_nothing_heavy():
    code = (
        "import sys; from slicer_host import host; h = host.start(); "
        f"h.load_module({str(ROOT / 'StrokeSynth' / 'StrokeSynth.py')!r}); h.process_events(0.05); "
        "print(*sorted({'torch', 'scipy', 'SimpleITK', 'pydicom', 'matplotlib', 'pandas', 'PIL'} & set(sys.modules)))"
    )
    path = [str(ROOT / folder) for folder in ("LesionKit", "CovidLungQuant", "StrokeSynth", "Testing")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_everything_that_can_be_seen_has_a_tool_tip():
    shown = [w for w in ElementTree.parse(UI_FILE).iter("widget") if w.get("name") != "StrokeSynth"]
    assert len(shown) > 40
    assert [w.get("name") for w in shown if not _text(w, "toolTip")] == []


def test_the_choices_are_those_of_the_libraries(panel):
    module = panel.loaded.module
    assert tuple(module.DEVICES) == inference.DEVICES
    assert tuple(module.TRANSLATORS) == TRANSLATORS
    assert tuple(module.SIDES) == SIDES


def test_segment_is_disabled_and_says_why_until_there_is_an_image(panel):
    assert not panel.ui.applyButton.enabled and panel.ui.applyButton.toolTip == "<p>Choose an MR volume.</p>"
    panel.add_mr()
    assert panel.ui.applyButton.enabled


def test_segmenting_gives_lesion_brain_and_hidden_tissue(panel):
    node = panel.add_mr()
    panel.press("segment")
    segmentation = panel.parameters.outputSegmentation
    np.testing.assert_array_equal(voxels(segmentation, LESION, node), brain_labels() == LESION.value)
    from LesionKitLib.mrml.segmentations import segments_of

    (white,) = segments_of(segmentation, WHITE)
    assert not segmentation.GetDisplayNode().GetSegmentVisibility(white)
    assert panel.ui.statusLabel.text == "MR: done in 2 s on CPU. A note."
    panel.settle()
    assert panel.ui.headlineLabel.text == "Stroke 0.4 ml"
    assert panel.ui.detailLabel.text.startswith("1 component, left side, ")
    assert panel.ui.comparisonTableView.mrmlTableNode() is panel.logic.comparisonFor(segmentation)
    first, *components = read_table(panel.logic.tableFor(segmentation))
    assert first["Component"] == "all" and first["x (mm)"] == "" and components
    assert all(
        float(component["x (mm)"]) == float(component["x (mm)"]) for component in components
    )  # a number, and not NaN
    assert panel.host.messages.texts("error") == []


def test_an_uncorrected_result_is_what_the_network_found(panel):
    panel.add_mr()
    panel.press("segment")
    panel.settle()
    segmentation = panel.parameters.outputSegmentation
    rows = read_table(panel.logic.comparisonFor(segmentation))
    assert [row["Class"] for row in rows] == ["Stroke lesion", "Brain"]
    for row in rows:
        assert row["AI (ml)"] == row["Now (ml)"] and float(row["Now (ml)"]) > 0
        assert (row["± (ml)"], row["Dice"]) == ("0.00", "1.000")
    lesion = segmentation.GetSegmentation().GetSegment(LESION.key)
    assert get_tag(lesion, ALGORITHM_TYPE_TAG) == "AUTOMATIC"


def test_the_numbers_follow_an_edit_and_the_edit_is_never_overwritten(panel):
    node = panel.add_mr()
    panel.press("segment")
    first = panel.parameters.outputSegmentation
    panel.settle()
    slicer.util.updateSegmentBinaryLabelmapFromArray(np.zeros(brain_labels().shape, np.uint8), first, "lesion", node)
    panel.settle()
    assert panel.ui.headlineLabel.text == "Stroke 0.0 ml" and panel.ui.detailLabel.text.startswith("No lesion")
    panel.press("segment")
    second = panel.parameters.outputSegmentation
    assert second is not first and not voxels(first, LESION, node).any() and voxels(second, LESION, node).any()


def test_an_error_is_one_sentence_in_a_dialog(panel):
    panel.add_mr()
    panel.pipelines.error = UnusableInput("There is no brain in this image.")
    panel.press("segment")
    assert panel.host.messages.texts("error") == ["There is no brain in this image."]
    assert panel.parameters.outputSegmentation is None and panel.ui.applyButton.enabled


def test_synthesizing_gives_an_image_with_an_aligned_segmentation(panel):
    panel.parameters.seed, panel.parameters.minimumMl, panel.parameters.maximumMl = 7, 2.0, 9.0
    panel.press("synthesize")
    (call,) = panel.pipelines.calls
    assert call[2:] == ("gan", "pix2pix", 7, (2.0, 9.0), "any") and call[1] is None
    volume = panel.parameters.inputVolume
    segmentation = volume.GetNodeReference(panel.logic.SEGMENTATION_ROLE)
    np.testing.assert_array_equal(voxels(segmentation, LESION, volume), brain_labels() == LESION.value)
    assert "seed 7" in volume.GetName() and panel.ui.compareSlider.enabled
    panel.ui.compareSlider.value = 50
    labels = volume.GetNodeReference(panel.logic.LABELS_ROLE)
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert all(node.GetForegroundVolumeID() == labels.GetID() for node in composites)
    assert panel.host.messages.texts("error") == []


def test_a_synthesized_image_is_segmented_into_a_new_segmentation(panel):
    panel.add_mr()
    panel.press("segment")
    first = panel.parameters.outputSegmentation
    panel.press("synthesize")
    assert panel.parameters.outputSegmentation is None and slicer.mrmlScene.IsNodePresent(first)
    truth = panel.parameters.inputVolume.GetNodeReference(panel.logic.SEGMENTATION_ROLE)
    panel.press("segment")
    assert panel.parameters.outputSegmentation not in (None, first, truth)
    assert panel.host.messages.texts("error") == []


def test_a_segmented_synthetic_image_is_compared_with_what_it_was_made_with(panel):
    panel.press("synthesize")
    panel.press("segment")
    text = panel.ui.statusLabel.text
    assert "Dice with the lesion that the image was made with: 1.00." in text
    truth = panel.parameters.inputVolume.GetNodeReference(panel.logic.SEGMENTATION_ROLE)
    assert panel.logic.diceWithTruth(truth, panel.parameters.inputVolume) is None
    panel.add_mr()
    panel.press("segment")
    assert "Dice" not in panel.ui.statusLabel.text


def test_lesions_of_other_images_do_not_lie_over_a_new_one(panel):
    panel.press("synthesize")
    panel.press("segment")
    first = panel.parameters.outputSegmentation
    truth = panel.parameters.inputVolume.GetNodeReference(panel.logic.SEGMENTATION_ROLE)
    panel.parameters.seed = 1
    panel.press("synthesize")
    newest = panel.parameters.inputVolume.GetNodeReference(panel.logic.SEGMENTATION_ROLE)
    shown = [bool(node.GetDisplayNode().GetVisibility()) for node in (first, truth, newest)]
    assert shown == [False, False, True]
    assert not newest.GetDisplayNode().GetSegmentVisibility2DFill(LESION.key)
    panel.parameters.outputSegmentation = first  # chosen again
    assert first.GetDisplayNode().GetVisibility()


def test_before_and_after_follow_the_chosen_image(panel):
    plain = panel.add_mr()
    assert not panel.ui.compareSlider.enabled
    panel.press("synthesize")
    made = panel.parameters.inputVolume
    panel.ui.compareSlider.value = 50
    panel.parameters.inputVolume = plain
    assert not panel.ui.compareSlider.enabled and panel.ui.compareSlider.value == 0
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert composites and not any(node.GetForegroundVolumeID() for node in composites)
    panel.parameters.inputVolume = made
    assert panel.ui.compareSlider.enabled


def test_a_lesion_outside_the_wanted_range_is_said(panel):
    panel.parameters.minimumMl, panel.parameters.maximumMl = 50.0, 60.0
    panel.press("synthesize")
    assert panel.ui.synthesizeStatusLabel.text.endswith(
        "No lesion within the range was drawn; this one is the nearest."
    )
    panel.parameters.minimumMl = 0.0
    panel.press("synthesize")
    assert "nearest" not in panel.ui.synthesizeStatusLabel.text


def test_a_drawing_is_taken_up_again(panel):
    panel.parameters.lesion = "drawn"
    panel.ui.drawButton.click()
    drawing = panel.parameters.drawnSegmentation
    assert panel.ui.drawButton.text == "Edit…"
    panel.add_mr()
    panel.press("segment")
    panel.ui.drawButton.click()
    assert panel.parameters.drawnSegmentation is drawing
    assert panel.ui.segmentEditorWidget.segmentationNode() is drawing
    panel.parameters.drawnSegmentation = None
    assert panel.ui.drawButton.text == "Draw…"


def test_a_segmented_brain_is_synthesized_from(panel):
    node = panel.add_mr()
    panel.press("segment")
    panel.ui.useLabelsButton.click()
    labels = panel.parameters.labelsVolume
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(labels), brain_labels())
    np.testing.assert_allclose(panel.logic.labelsFrom(labels).ijk_to_ras, MATRIX)
    assert labels.GetName() == "MR labels" and not panel.ui.synthesizeCollapsibleButton.collapsed
    panel.parameters.lesion = "none"
    panel.press("synthesize")
    np.testing.assert_array_equal(panel.pipelines.calls[-1][1].array, brain_labels())
    slicer.mrmlScene.RemoveNode(node)
    panel.parameters.outputSegmentation = None
    assert panel.host.messages.texts("error") == []


def test_label_maps_have_the_colors_of_the_segments(panel):
    panel.press("synthesize")
    labels = panel.parameters.inputVolume.GetNodeReference(panel.logic.LABELS_ROLE)
    color = [0.0] * 4
    colors = labels.GetDisplayNode().GetColorNode()
    assert colors.GetColor(LESION.value, color) and colors.GetColorName(LESION.value) == LESION.name
    np.testing.assert_allclose(color[:3], np.array(LESION.color) / 255, atol=0.01)
    assert colors.GetColor(0, color) and color[3] == 0


def test_drawing_shows_the_labels_and_goes_on_after_synthesizing(panel):
    panel.add_mr()
    panel.press("segment")
    panel.parameters.labelsVolume = slicer.util.addVolumeFromArray(
        brain_labels(), MATRIX, "labels", "vtkMRMLLabelMapVolumeNode"
    )
    panel.parameters.lesion = "drawn"
    panel.ui.drawButton.click()
    drawing, labels = panel.parameters.drawnSegmentation, panel.parameters.labelsVolume
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert composites and all(node.GetBackgroundVolumeID() == labels.GetID() for node in composites)
    assert panel.ui.editStateLabel.text == "Draw the lesion into 'Drawn stroke lesion', then press Synthesize."
    assert not panel.ui.revertButton.enabled and not panel.ui.reviewedButton.enabled
    panel.press("synthesize")
    assert panel.ui.segmentEditorWidget.segmentationNode() is drawing
    panel.press("segment")
    assert panel.ui.reviewedButton.enabled and not panel.ui.revertButton.enabled  # nobody has edited it yet
    assert panel.ui.segmentEditorWidget.segmentationNode() is panel.parameters.outputSegmentation


def test_an_empty_range_of_volumes_disables_synthesize(panel):
    panel.parameters.minimumMl, panel.parameters.maximumMl = 50.0, 10.0
    assert not panel.ui.synthesizeButton.enabled
    assert panel.ui.synthesizeButton.toolTip == "<p>The largest volume is below the smallest.</p>"


def test_a_lesion_drawn_by_hand_reaches_the_pipeline(panel):
    labels = slicer.util.addVolumeFromArray(
        np.where(brain_labels() > 0, WHITE.value, 0).astype(np.uint8), MATRIX, "labels", "vtkMRMLLabelMapVolumeNode"
    )
    panel.parameters.labelsVolume = labels
    panel.parameters.lesion = "drawn"
    assert not panel.ui.synthesizeButton.enabled
    panel.ui.drawButton.click()
    drawing = panel.parameters.drawnSegmentation
    assert drawing is not None and panel.ui.synthesizeButton.enabled
    mask = (brain_labels() == LESION.value).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, drawing, "lesion", labels)
    panel.press("synthesize")
    np.testing.assert_array_equal(panel.pipelines.calls[-1][2].array, mask)
    assert panel.host.messages.texts("error") == []


def test_a_database_is_made_in_the_folder(panel, tmp_path):
    assert panel.ui.databaseButton.toolTip == "<p>Choose a folder.</p>"
    panel.ui.databaseFolderPathLineEdit.currentPath = str(tmp_path / "db")
    panel.parameters.cases = 2
    panel.press("database")
    assert (tmp_path / "db" / "sub-0002" / "anat").is_dir()
    assert panel.ui.databaseStatusLabel.text.startswith("2 cases")
    assert panel.host.messages.texts("error") == []


def test_a_finished_experiment_is_shown_as_table_and_chart(panel, tmp_path):
    rows = [
        {"size": size, "arm": arm, "seeds": 3, "patients": 40, "dice": dice, "low": 0.3, "high": 0.6,
         "dice_pooled": 0.5, "gain": None if arm == "real" else 0.05, "p": None if arm == "real" else 0.01}
        for size, arm, dice in ((10, "real", 0.4), (10, "pix2pix", 0.45), ("all", "real", 0.6), ("all", "pix2pix", 0.6))
    ]  # fmt: skip
    (tmp_path / "experiment.json").write_text(json.dumps({"rows": rows}))
    panel.ui.experimentFolderPathLineEdit.currentPath = str(tmp_path)
    panel.ui.experimentButton.click()
    table = panel.ui.experimentTableView.mrmlTableNode()
    assert read_table(table)[1]["Training"] == "+ pix2pix" and read_table(table)[1]["Gain"] == "+0.050"
    assert table.GetNumberOfRows() == 4 and panel.ui.experimentStatusLabel.text == "4 rows."
    panel.ui.experimentButton.click()  # again: the same nodes
    assert panel.ui.experimentTableView.mrmlTableNode() is table
    assert panel.host.messages.texts("error") == []
    panel.ui.experimentFolderPathLineEdit.currentPath = str(tmp_path / "none")
    panel.ui.experimentButton.click()
    assert panel.host.messages.texts("error") == ["This folder holds no finished experiment (experiment.json)."]


def test_closing_the_scene_leaves_a_usable_panel(panel):
    panel.add_mr()
    panel.press("segment")
    slicer.mrmlScene.Clear(False)
    panel.host.process_events()
    panel.host.enter("StrokeSynth")
    panel.add_mr()
    panel.press("segment")
    assert panel.parameters.outputSegmentation is not None
    assert panel.host.messages.texts("error") == []


def test_the_module_s_own_test_passes(panel):
    panel.loaded.module.StrokeSynthTest().runTest()


def test_components_lead_to_their_place_from_a_row_and_one_by_one(panel):
    panel.add_mr()
    panel.press("segment")
    panel.settle()
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode")
    assert panel.ui.lesionsTable.rowCount == 1 and panel.ui.lesionsTable.item(0, 3).text() == "left"
    panel.ui.lesionsTable.setCurrentCell(0, 1)
    middle = MATRIX @ [13.5, 6.5, 5.0, 1.0]
    assert view.GetSliceToRAS().GetElement(2, 3) == pytest.approx(middle[2], abs=0.1)
    panel.ui.nextLesionButton.click()
    assert panel.ui.lesionPlaceLabel.text.startswith("1 of 1: 0.")
    slicer.mrmlScene.RemoveNode(view)


def test_a_result_is_exported_as_it_is_now(panel, tmp_path):
    panel.add_mr()
    panel.press("segment")
    segmentation = panel.parameters.outputSegmentation
    panel.settle()
    node = panel.parameters.inputVolume
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        np.zeros(brain_labels().shape, np.uint8), segmentation, "lesion", node
    )
    panel.settle()
    panel.ui.exportFolderPathLineEdit.currentPath = str(tmp_path / "out")
    panel.ui.exportReportCheckBox.checked = False
    panel.ui.exportLabelmapCheckBox.checked = True
    panel.ui.exportButton.click()
    panel.host.wait_until(lambda: not panel.widget.exportSection.apply.running, seconds=120)
    assert panel.host.messages.texts("error") == []
    document = json.loads((tmp_path / "out" / "measurements.json").read_text("utf-8"))
    assert document["lesion_ml"] == 0 and document["editing"]["edits"] == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "measurements.json", "measurements.csv", "lesion.nii.gz", "brain.nii.gz", "segmentation.seg.nrrd",
    }  # fmt: skip


def test_lesion_and_brain_are_shown_as_the_user_wants(panel):
    panel.add_mr()
    panel.press("segment")
    display = panel.parameters.outputSegmentation.GetDisplayNode()
    panel.ui.showBrainCheckBox.click()
    assert not display.GetSegmentVisibility("brain") and display.GetSegmentVisibility("lesion")
    panel.ui.displayGroupBox.collapsed = False
    panel.ui.opacitySlider.value = 60
    panel.ui.outlineOnlyCheckBox.click()
    assert display.GetSegmentOpacity2DFill("lesion") == pytest.approx(0.6)
    assert not display.GetSegmentVisibility2DFill("lesion")


def test_a_saved_scene_comes_back_with_its_labels_and_its_result(panel, tmp_path):
    panel.add_mr()
    panel.press("segment")
    panel.ui.useLabelsButton.click()
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"), False)
    panel.host.process_events()
    assert panel.parameters.labelsVolume.GetName() == "MR labels" and panel.parameters.inputVolume.GetName() == "MR"
    assert panel.parameters.outputSegmentation.GetName() == "MR LesionKit"


def test_closing_a_scene_while_a_lesion_is_drawn_leaves_the_editor_in_peace(panel):
    panel.add_mr()
    panel.parameters.lesion = "drawn"
    panel.ui.drawButton.click()
    slicer.mrmlScene.Clear(False)
    panel.host.process_events()
    assert panel.host.qt_warnings == [] and panel.ui.segmentEditorWidget.segmentationNode() is None


def test_making_labels_opens_the_tab_that_uses_them(panel):
    panel.add_mr()
    panel.press("segment")
    panel.ui.useLabelsButton.click()
    assert panel.ui.tabs.currentIndex == 1
    panel.parameters.lesion = "drawn"
    panel.ui.drawButton.click()
    assert panel.ui.tabs.currentIndex == 0 and not panel.ui.editCollapsibleButton.collapsed


def test_a_few_components_of_the_other_side_are_said():
    from StrokeSynthPanel.results import detail

    found = {"lesions": 2, "side": "left", "lesion_percent": None, "components": [{"side": "left"}, {"side": "right"}]}
    assert detail(found) == "2 components, mostly on the left"
    found["components"][1]["side"] = "left"
    assert detail(found) == "2 components, left side"
