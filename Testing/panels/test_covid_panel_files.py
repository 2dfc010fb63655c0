"""CovidLungQuant's panel: export, saving and loading scenes, reload, sample data, self-test."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import slicer

from CovidLungQuantLib.phantoms.chest import make_phantom
from LesionKitLib.io.images import read_seg_nrrd, read_volume

pytest_plugins = "covid_panel"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "Größe 1"  # not all users have plain names


def export(panel, folder, *kinds):
    panel.ui.exportFolderPathLineEdit.currentPath = str(folder)
    for name in ("Table", "Report", "Labelmap", "Segmentation"):
        getattr(panel.ui, f"export{name}CheckBox").checked = name in kinds
    panel.ui.exportButton.click()
    panel.wait_until(lambda: not panel.widget.exportSection.apply.running)


def test_export_is_disabled_and_says_why(panel, folder):
    panel.apply()
    assert not panel.ui.exportButton.enabled and panel.ui.exportButton.toolTip == "<p>Choose a folder.</p>"
    export(panel, folder)
    assert panel.ui.exportButton.toolTip == "<p>Choose at least one kind of file.</p>"
    assert not folder.exists()


def test_export_writes_the_chosen_files(panel, folder):
    panel.apply()
    export(panel, folder, "Table", "Labelmap")
    assert sorted(path.name for path in folder.iterdir()) == [
        "lesions.csv", "lesions.nii.gz", "lungs.nii.gz", "measurements.csv", "measurements.json",
    ]  # fmt: skip
    assert "lesions.nii.gz" in panel.ui.exportStatusLabel.text
    export(panel, folder, "Report", "Segmentation")
    assert (folder / "report.html").stat().st_size > 10_000
    assert len(read_seg_nrrd(folder / "segmentation.seg.nrrd")[1]) == 5


def test_export_writes_what_the_segments_hold_now(panel, chest, folder):
    panel.apply()
    panel.edit("consolidation", lambda mask: mask.fill(0))
    panel.ui.reviewedButton.click()
    export(panel, folder, "Table", "Labelmap", "Segmentation")
    document = json.loads((folder / "measurements.json").read_text("utf-8"))
    assert document["total"]["consolidation_ml"] == 0 and document["network"] == "convlstm"
    assert document["editing"]["edits"] == 1 and document["editing"]["reviewed"] is True
    kinds = {entry["id"]: entry["algorithm_type"] for entry in document["editing"]["segments"]}
    assert kinds["consolidation"] == "SEMIAUTOMATIC" and kinds["ggo"] == "AUTOMATIC"
    with (folder / "measurements.csv").open(encoding="utf-8") as file:
        assert float(next(csv.DictReader(file))["Consolidation (ml)"]) == 0
    lesions = read_volume(folder / "lesions.nii.gz")
    np.testing.assert_array_equal(lesions.array, np.where(chest[2] == 2, 0, chest[2]))
    np.testing.assert_allclose(lesions.ijk_to_ras, chest[3], atol=1e-4)
    records = {record.id: record for record in read_seg_nrrd(folder / "segmentation.seg.nrrd")[1]}
    assert records["consolidation"].tags["DICOM.SegmentAlgorithmType"] == "SEMIAUTOMATIC"
    assert records["consolidation"].tags["LesionKit.Edits"] == "1"


def test_a_folder_that_cannot_be_written_is_one_sentence(panel, tmp_path):
    panel.apply()
    (tmp_path / "file").write_text("in the way")
    export(panel, tmp_path / "file", "Table")
    assert len(panel.host.messages.texts("error")) == 1
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_result_whose_ct_is_gone_is_not_exported(panel, folder):
    segmentation = panel.apply()
    panel.scene.RemoveNode(panel.widget.logic.volumeOf(segmentation))
    export(panel, folder, "Table")
    assert panel.host.messages.texts("error") == [
        "The image that this segmentation belongs to is no longer in the scene."
    ]
    assert not folder.exists()


def save_and_clear(panel, path):
    assert panel.scene.WriteToMRB(str(path))
    panel.scene.Clear(False)
    panel.settle()


def load_scene(panel, path):
    assert panel.scene.ReadFromMRB(str(path), False)
    panel.settle()


def test_choices_result_and_record_come_back_with_the_scene(panel, tmp_path):
    panel.apply()
    panel.ui.deviceComboBox.currentIndex = 1
    panel.ui.maskToLungsCheckBox.click()
    panel.edit("ggo", lambda mask: mask.fill(0))
    panel.ui.reviewedButton.click()
    burden, table, state = panel.ui.headlineLabel.text, panel.table(), panel.ui.editStateLabel.text
    save_and_clear(panel, tmp_path / "scene.mrb")
    assert panel.segmentation is None and panel.ui.headlineLabel.text == "–"
    assert panel.parameters.device == "auto"
    load_scene(panel, tmp_path / "scene.mrb")
    assert panel.parameters.inputVolume.GetName() == "CT"
    assert panel.parameters.device == "cpu" and panel.ui.deviceComboBox.currentIndex == 1
    assert not panel.ui.maskToLungsCheckBox.checked
    assert panel.ui.headlineLabel.text == burden and panel.table() == table
    assert panel.ui.editStateLabel.text == state and panel.ui.reviewedButton.checked
    assert panel.ui.burdenPlotWidget.mrmlPlotViewNode().GetPlotChartNode().GetNumberOfPlotSeriesNodes() == 2


def test_after_loading_a_scene_the_ai_s_result_is_still_there(panel, tmp_path):
    panel.apply()
    original = panel.voxels("ggo")
    panel.edit("ggo", lambda mask: mask.fill(0))
    save_and_clear(panel, tmp_path / "scene.mrb")
    load_scene(panel, tmp_path / "scene.mrb")
    panel.ui.segmentEditorWidget.setCurrentSegmentID("ggo")
    panel.ui.revertButton.click()
    panel.settle()
    np.testing.assert_array_equal(panel.voxels("ggo"), original)
    assert panel.table()["GGO"]["Dice"] == "1.000"


def test_loading_a_scene_makes_no_second_set_of_tables(panel, tmp_path):
    panel.apply()
    counts = {kind: panel.scene.GetNumberOfNodesByClass(kind) for kind in ("vtkMRMLTableNode", "vtkMRMLPlotChartNode")}
    save_and_clear(panel, tmp_path / "scene.mrb")
    load_scene(panel, tmp_path / "scene.mrb")
    assert counts == {kind: panel.scene.GetNumberOfNodesByClass(kind) for kind in counts}


def test_two_scenes_one_after_the_other_do_not_mix(panel, chest):
    first = panel.apply("first").GetName()
    panel.edit("ggo", lambda mask: mask.fill(0))
    panel.scene.Clear(False)
    panel.settle()
    assert panel.parameters.inputVolume is None and panel.segmentation is None
    second = panel.apply("second")
    assert second.GetName() == "second LesionKit" != first
    assert panel.table()["GGO"]["± [ml]"] == "0.0"
    assert panel.ui.editStateLabel.text.startswith("second LesionKit. Edits: 0,")
    assert panel.ui.segmentEditorWidget.segmentationNode() is second


def test_a_choice_saved_by_another_version_does_not_stop_the_panel(panel):
    node = panel.parameters.parameterNode
    panel.host.leave()
    panel.widget.scene.set(None)
    node.SetParameter("network", "of tomorrow")
    panel.host.enter("CovidLungQuant")
    assert panel.parameters.network == "convlstm"


def test_the_module_can_be_reloaded(panel):
    panel.apply()
    burden, old = panel.ui.headlineLabel.text, panel.widget
    old.onReload()
    panel.settle()
    assert panel.widget is not old
    assert panel.ui.headlineLabel.text == burden
    panel.use_pipeline()
    panel.edit("ggo", lambda mask: mask.fill(0))
    assert panel.table()["GGO"]["Now [ml]"] == "0.0"
    assert panel.apply() is not None


def test_reloading_during_a_run_ends_the_run(panel):
    panel.add_ct()
    panel.start()
    runner = panel.widget.runSection.apply.runner
    panel.widget.onReload()
    assert not runner.running
    panel.pipeline.gate.set()
    panel.settle()
    assert panel.segmentation is None


def test_the_phantom_is_offered_as_sample_data(panel, monkeypatch):
    from CovidLungQuantLib.phantoms import chest

    source = slicer.modules.sampleDataSources["LesionKit"][-1]  # one for each loading, in the host
    assert source.sampleName == "ChestPhantom"
    with open(source.thumbnailFileName, "rb") as file:
        assert file.read(4) == b"\x89PNG"
    monkeypatch.setattr(chest, "make_phantom", lambda **options: make_phantom(**options | {"spacing": (6, 6, 12)}))
    node = source.customDownloader(source)
    assert slicer.util.arrayFromVolume(node).min() < -900
    assert node.GetScalarVolumeDisplayNode().GetLevel() == -600
    panel.host.leave()
    panel.host.enter("CovidLungQuant")
    assert panel.parameters.inputVolume is node


def test_a_public_ct_is_offered_by_address_and_checksum(panel):
    source = slicer.modules.sampleDataSources["LesionKit"][-2]
    assert source.sampleName == "ChestCT" and source.customDownloader is None
    (address,), (checksum,) = source.uris, source.checksums
    assert address.startswith("https://") and checksum == "SHA256:" + address.rsplit("/", 1)[-1]


def test_help_and_icon_are_there(panel):
    module = slicer.modules.covidlungquant
    assert "not a medical device" in module.helpText and "tutorial-covid.md" in module.helpText
    assert not module.icon.isNull()
    assert "arXiv 2104.00138" in module.acknowledgementText


def test_a_scene_of_two_images_comes_back_with_its_own_result(panel, tmp_path):
    """Slicer's wrapper reads values while the scene is half there, and keeps them."""
    panel.add_ct("first")
    panel.add_ct("second")
    segmentation = panel.apply()
    name = segmentation.GetName()
    save_and_clear(panel, tmp_path / "scene.mrb")
    load_scene(panel, tmp_path / "scene.mrb")
    assert panel.parameters.inputVolume.GetName() == "second"
    assert panel.segmentation is not None and panel.segmentation.GetName() == name
    node = panel.parameters.parameterNode
    assert node.GetNodeReference("inputVolume").GetName() == "second"
    assert panel.ui.imageLabel.text == "second" and panel.ui.inputVolumeSelector.currentNode().GetName() == "second"


def test_a_scene_without_an_image_chosen_comes_back_without_one(panel, tmp_path):
    panel.add_ct("first")
    panel.parameters.inputVolume = None
    save_and_clear(panel, tmp_path / "scene.mrb")
    load_scene(panel, tmp_path / "scene.mrb")
    assert panel.parameters.inputVolume is None


def test_export_runs_beside_the_panel_and_can_be_cancelled(panel, folder, monkeypatch):
    from CovidLungQuantLib.results import files as exporting

    panel.apply()
    entered = []

    def slow(result, *_arguments):
        entered.append(result)
        return ["report.html"]

    monkeypatch.setattr(exporting, "export_files", slow)
    panel.ui.exportFolderPathLineEdit.currentPath = str(folder)
    panel.ui.exportButton.click()
    assert panel.ui.exportButton.text == "Cancel" and panel.widget.exportSection.apply.running
    panel.wait_until(lambda: not panel.widget.exportSection.apply.running)
    assert entered and panel.ui.exportStatusLabel.text == "Written: report.html"
    panel.ui.exportButton.click()
    panel.ui.exportButton.click()
    panel.wait_until(lambda: not panel.widget.exportSection.apply.running)
    assert panel.ui.exportStatusLabel.text == "Cancelled; nothing was written." and not folder.exists()
