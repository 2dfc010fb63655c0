"""BodyPartRouter's panel: choosing images, the table, corrections, the dry run, routing, heat map, other modules."""

from __future__ import annotations

import csv
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import slicer
from router_fixtures import BrightnessClassifier, picture, write_xray

from BodyPartRouterLib.networks.registry import NETWORKS
from LesionKitLib.models import inference
from LesionKitLib.run import requirements

ROOT = Path(__file__).parents[2]
UI_FILE = ROOT / "BodyPartRouter" / "Resources" / "UI" / "BodyPartRouter.ui"
IMAGE, CLASS, PROBABILITY, AGREES, DESTINATION = range(5)


class WaitingClassifier(BrightnessClassifier):
    """Answers once ``gate`` is set."""

    def __init__(self):
        super().__init__()
        self.gate, self.began = threading.Event(), threading.Event()
        self.gate.set()

    def predict(self, xrays, progress=None):
        self.began.set()
        self.gate.wait(60)
        return super().predict(xrays, progress)


class Panel:
    """The loaded panel, and what a user does with it."""

    def __init__(self, host, scene, loaded, folder):
        self.host, self.scene, self.loaded, self.folder = host, scene, loaded, folder
        self.classifier = WaitingClassifier()
        self.asked = []
        self.widget.logic._loadClassifier = self._load
        self.ui.labelsPathLineEdit.currentPath = str(folder / "labels.csv")

    widget = property(lambda self: slicer.modules.BodyPartRouterWidget)
    ui = property(lambda self: self.widget.ui)
    parameters = property(lambda self: self.widget._parameterNode)

    def _load(self, network, device):
        self.asked.append((network, device))
        return self.classifier

    def add_images(self, *labels, **elements):
        return [write_xray(self.folder / "in" / f"{label}.dcm", label, n, **elements) for n, label in enumerate(labels)]

    def choose_folder(self):
        self.parameters.source = "folder"
        self.ui.folderPathLineEdit.currentPath = str(self.folder / "in")

    def classify(self):
        self.ui.applyButton.click()
        self.wait()

    def wait(self):
        apply, route = self.widget.runSection.apply, self.widget.routeSection.apply
        self.host.wait_until(lambda: not apply.running and not route.running, 60)
        self.host.process_events()

    def classified(self, *labels, **elements):
        """Images of these classes in the table."""
        paths = self.add_images(*labels, **elements)
        self.choose_folder()
        self.classify()
        assert self.host.messages.texts("error") == []
        return paths

    def table(self):
        table = self.ui.imagesTableWidget
        return [[table.item(row, column).text() for column in range(5)] for row in range(table.rowCount)]

    def line(self, name):
        return next(n for n, row in enumerate(self.table()) if row[IMAGE] == name)

    def select(self, name):
        self.ui.imagesTableWidget.selectRow(self.line(name))
        self.host.process_events()

    def files(self, folder):
        return sorted(path.relative_to(self.folder).as_posix() for path in (self.folder / folder).rglob("*.dcm"))


@pytest.fixture
def panel(host, load, scene, tmp_path, monkeypatch):
    monkeypatch.setattr(requirements, "missing_packages", lambda packages=(): [])
    panel = Panel(host, scene, load("BodyPartRouter"), tmp_path)
    yield panel
    panel.classifier.gate.set()


def test_loading_the_panel_imports_nothing_heavy():
    code = (
        "import sys; from slicer_host import host; h = host.start(); "
        f"h.load_module({str(ROOT / 'BodyPartRouter' / 'BodyPartRouter.py')!r}); h.process_events(0.05); "
        "print(*sorted({'torch', 'scipy', 'SimpleITK', 'pydicom', 'pynetdicom', 'pandas', 'PIL'} & set(sys.modules)))"
    )
    path = [str(ROOT / folder) for folder in ("LesionKit", "BodyPartRouter", "Testing")]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == ""


def test_everything_that_can_be_seen_has_a_tool_tip():
    shown = [w for w in ElementTree.parse(UI_FILE).iter("widget") if w.get("name") != "BodyPartRouter"]
    assert len(shown) > 30
    assert [w.get("name") for w in shown if not w.findtext("property[@name='toolTip']/string")] == []


def test_the_ui_file_describes_every_class_that_is_not_qt_s():
    root = ElementTree.parse(UI_FILE).getroot()
    used = {w.get("class") for w in root.iter("widget")}
    described = {entry.findtext("class") for entry in root.iter("customwidget")}
    assert described == {name for name in used if not name.startswith("Q")}


def test_the_panel_says_what_it_is_not_for(panel):
    assert panel.ui.disclaimerLabel.text == "Research and education only, not a medical device."


def test_the_choices_are_those_of_the_libraries(panel):
    module = panel.loaded.module
    assert tuple(module.NETWORKS) == NETWORKS.bundled
    assert tuple(module.DEVICES) == inference.DEVICES


def test_classify_is_disabled_and_says_why_until_there_is_something(panel):
    assert panel.ui.applyButton.toolTip == "<p>Choose an X-ray.</p>" and not panel.ui.applyButton.enabled
    panel.parameters.source = "folder"
    assert panel.ui.applyButton.toolTip == "<p>Choose a folder.</p>"
    assert panel.ui.inputVolumeSelector.isHidden() and not panel.ui.folderPathLineEdit.isHidden()
    panel.ui.folderPathLineEdit.currentPath = str(panel.folder)
    assert panel.ui.applyButton.enabled
    assert not panel.ui.routeButton.enabled and panel.ui.routeButton.toolTip == "<p>Classify images first.</p>"


def test_a_folder_is_listed_and_what_needs_a_person_comes_first(panel):
    panel.add_images("adult_chest", "unknown")
    (panel.folder / "in" / "broken.dcm").write_bytes(b"x" * 300)
    write_xray(panel.folder / "in" / "mismatch.dcm", "spine", BodyPartExamined="CHEST")
    panel.choose_folder()
    panel.classify()
    rows = panel.table()
    assert [row[IMAGE] for row in rows] == ["broken.dcm", "unknown.dcm", "mismatch.dcm", "adult_chest.dcm"]
    assert [row[CLASS] for row in rows] == ["Cannot be read", "Needs a person", "Spine", "Chest, adult"]
    assert rows[3][PROBABILITY] == "0.90" and rows[3][AGREES] == "yes"
    assert rows[2][AGREES] == "no"
    assert panel.ui.statusLabel.text == "4 images; 1 need a person, 1 could not be read."
    assert not panel.ui.imagesTableWidget.item(3, IMAGE).icon().isNull()
    panel.select("mismatch.dcm")
    assert "CHEST" in panel.ui.selectionLabel.text


def test_the_chosen_network_and_device_are_used_and_loaded_once(panel):
    panel.ui.networkComboBox.currentIndex = 1
    panel.ui.deviceComboBox.currentIndex = 1
    panel.classified("spine")
    panel.classify()
    assert panel.asked == [("light", "cpu")]


def test_cancel_leaves_the_list_as_it_was(panel):
    panel.classified("spine")
    before = panel.table()
    panel.add_images("abdomen", "adult_chest")
    panel.classifier.began.clear()
    panel.classifier.gate.clear()
    panel.ui.applyButton.click()
    panel.host.wait_until(panel.classifier.began.is_set, 60)
    assert panel.ui.applyButton.text == "Cancel" and not panel.ui.folderPathLineEdit.enabled
    assert not panel.ui.routeButton.enabled
    panel.ui.applyButton.click()
    panel.classifier.gate.set()
    panel.wait()
    assert panel.table() == before
    assert panel.ui.statusLabel.text == "Cancelled; the list is as it was."
    assert panel.ui.applyButton.text == "Classify" and panel.ui.folderPathLineEdit.enabled


def test_an_empty_folder_is_one_sentence(panel):
    (panel.folder / "in").mkdir()
    panel.choose_folder()
    panel.ui.applyButton.click()
    (sentence,) = panel.host.messages.texts("error")
    assert "holds no image" in sentence


def test_a_loaded_image_without_a_file_is_classified_by_its_pixels(panel):
    pixels = picture("pediatric_chest").astype(np.float32)
    node = slicer.util.addVolumeFromArray(pixels[None], np.eye(4), "From the scene")
    panel.parameters.inputVolume = node
    panel.classify()
    (row,) = panel.table()
    assert row[:3] == ["From the scene", "Chest, child", "0.90"]
    panel.select("From the scene")
    assert "no file" in panel.ui.selectionLabel.text
    assert not panel.ui.correctButton.enabled
    assert panel.ui.routeButton.toolTip == "<p>This image has no file; save it, and classify the file.</p>"
    panel.ui.heatmapCheckBox.checked = True
    assert panel.host.messages.texts("error") == []


def test_a_loaded_image_with_a_file_is_read_from_it(panel):
    (path,) = panel.add_images("spine")
    node = slicer.util.addVolumeFromArray(np.zeros((1, 4, 4)), np.eye(4), "loaded")
    storage = panel.scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    node.SetAndObserveStorageNodeID(storage.GetID())
    panel.parameters.inputVolume = node
    panel.classify()
    assert panel.table()[0][:2] == ["spine.dcm", "Spine"]


def test_a_ct_volume_is_refused_in_one_sentence(panel):
    panel.parameters.inputVolume = slicer.util.addVolumeFromArray(np.zeros((5, 4, 4)), np.eye(4), "CT")
    panel.ui.applyButton.click()
    assert panel.host.messages.texts("error") == ["This is a volume of 5 slices, not an X-ray."]


def test_the_selection_of_the_dicom_module_is_taken(panel, monkeypatch):
    paths = panel.add_images("spine", "abdomen")
    series = {"1.2": [str(paths[0])], "1.3": [str(paths[1])]}
    levels = []
    browser = SimpleNamespace(selectedItems=lambda level: levels.append(level) or ["1.3"])
    browser_widget = SimpleNamespace(dicomBrowser=browser)
    monkeypatch.setattr(slicer.modules, "DICOMWidget", SimpleNamespace(browserWidget=browser_widget), raising=False)
    monkeypatch.setattr(slicer, "dicomDatabase", SimpleNamespace(filesForSeries=series.get), raising=False)
    panel.parameters.source = "database"
    panel.classify()
    assert [row[IMAGE] for row in panel.table()] == ["abdomen.dcm"]
    assert levels == [3]


def test_without_a_selection_the_user_is_told_what_to_do(panel):
    panel.parameters.source = "database"
    panel.ui.applyButton.click()
    assert panel.host.messages.texts("error") == ["Select one or more series in the DICOM module first."]


def test_the_threshold_holds_what_is_less_sure_and_lets_go_again(panel):
    panel.classified("spine")
    panel.ui.thresholdSpinBox.value = 0.95
    assert panel.table()[0][CLASS] == "Needs a person"
    panel.select("spine.dcm")
    assert "below the threshold 0.95" in panel.ui.selectionLabel.text
    panel.ui.thresholdSpinBox.value = 0.5
    assert panel.table()[0][CLASS] == "Spine"


def test_a_correction_is_shown_kept_in_a_list_and_changes_no_image(panel):
    paths = panel.classified("unknown", "spine")
    before = [path.read_bytes() for path in paths]
    panel.select("unknown.dcm")
    panel.ui.classComboBox.currentIndex = 0
    panel.ui.correctButton.click()
    assert panel.table()[panel.line("unknown.dcm")][CLASS] == "Abdomen (by hand)"
    panel.select("unknown.dcm")
    panel.ui.classComboBox.currentIndex = 3
    panel.ui.correctButton.click()
    with open(panel.folder / "labels.csv", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["file"], row["class"], row["predicted"]) == ("unknown.dcm", "spine", "unknown")
    assert row["network"] == "efficientnet-lite0"
    assert [path.read_bytes() for path in paths] == before


def test_a_list_of_another_kind_is_not_overwritten(panel):
    panel.classified("spine")
    (panel.folder / "labels.csv").write_text("my,own,list\n1,2,3\n")
    panel.select("spine.dcm")
    panel.ui.correctButton.click()
    (sentence,) = panel.host.messages.texts("error")
    assert "no list of corrected labels" in sentence
    assert (panel.folder / "labels.csv").read_text().startswith("my,own")
    assert panel.table()[0][CLASS] == "Spine"


def test_a_dry_run_shows_destinations_and_changes_nothing(panel):
    panel.classified("spine", "unknown")
    panel.ui.targetPathLineEdit.currentPath = str(panel.folder / "out")
    panel.ui.planButton.click()
    panel.wait()
    rows = panel.table()
    assert rows[panel.line("spine.dcm")][DESTINATION] == "spine/"
    tip = panel.ui.imagesTableWidget.item(panel.line("spine.dcm"), DESTINATION).toolTip()
    assert tip.startswith(str(panel.folder / "out" / "spine"))
    assert "person" in rows[panel.line("unknown.dcm")][DESTINATION]
    assert panel.ui.routeStatusLabel.text == "1 of 2 images would be sent, 1 stay. Nothing was changed."
    assert not (panel.folder / "out").exists()


def test_routing_copies_and_a_correction_counts(panel):
    panel.classified("spine", "unknown")
    panel.select("unknown.dcm")
    panel.ui.classComboBox.currentIndex = 0
    panel.ui.correctButton.click()
    panel.ui.targetPathLineEdit.currentPath = str(panel.folder / "out")
    panel.ui.routeButton.click()
    panel.wait()
    assert [name.split("/")[1] for name in panel.files("out")] == ["abdomen", "spine"]
    assert len(panel.files("in")) == 2
    expected = "2 images are where they belong, 0 stay for a person, 0 failed."
    assert panel.ui.routeStatusLabel.text == expected


def test_routing_moves_only_when_it_is_asked_to(panel):
    panel.classified("spine", "unknown")
    panel.ui.targetPathLineEdit.currentPath = str(panel.folder / "out")
    panel.ui.moveCheckBox.checked = True
    panel.ui.routeButton.click()
    panel.wait()
    assert panel.files("in") == ["in/unknown.dcm"] and len(panel.files("out")) == 1


def test_rules_that_ask_for_the_header_work_though_they_are_chosen_later(panel):
    panel.classified("spine", Modality="DX")
    rules = panel.folder / "rules.yaml"
    rules.write_text("version: 1\nrules:\n  - {when: {header: {Modality: DX}}, then: [copy: '{Modality}']}\n")
    panel.ui.rulesPathLineEdit.currentPath = str(rules)
    panel.ui.routeButton.click()
    panel.wait()
    assert panel.files("DX") and panel.table()[0][DESTINATION] == "DX/"


def test_wrong_rules_are_one_sentence(panel):
    panel.classified("spine")
    rules = panel.folder / "rules.yaml"
    rules.write_text("version: 7\nrules: []\n")
    panel.ui.rulesPathLineEdit.currentPath = str(rules)
    panel.ui.planButton.click()
    (sentence,) = panel.host.messages.texts("error")
    assert "version" in sentence and panel.ui.planButton.enabled


def test_changing_the_rules_makes_the_old_plan_go_away(panel):
    panel.classified("spine")
    panel.ui.targetPathLineEdit.currentPath = str(panel.folder / "out")
    panel.ui.planButton.click()
    panel.wait()
    panel.ui.moveCheckBox.checked = True
    assert panel.table()[0][DESTINATION] == "–"


def test_the_heat_map_lies_over_the_image(panel):
    panel.classified("spine", "abdomen")
    panel.select("spine.dcm")
    panel.ui.heatmapCheckBox.checked = True
    composite = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")[0]
    image = panel.scene.GetNodeByID(composite.GetBackgroundVolumeID())
    heat = panel.scene.GetNodeByID(composite.GetForegroundVolumeID())
    assert image.GetName() == "spine" and heat.GetName() == "spine heat map"
    assert image.GetImageData().GetDimensions() == heat.GetImageData().GetDimensions() == (20, 24, 1)
    panel.select("abdomen.dcm")
    assert panel.scene.GetNodeByID(composite.GetForegroundVolumeID()).GetName() == "abdomen heat map"
    panel.ui.heatmapCheckBox.checked = False
    assert not composite.GetForegroundVolumeID()
    panel.ui.showButton.click()
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 4  # two images, two heat maps


def test_an_image_is_shown_as_x_rays_are_looked_at(panel):
    panel.classified("spine", ImagerPixelSpacing=[0.2, 0.2])
    panel.select("spine.dcm")
    panel.ui.showButton.click()
    (node,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert node.GetSpacing() == pytest.approx((0.2, 0.2, 1.0))
    from LesionKitLib.mrml.volumes import local_ijk_to_ras

    assert np.diag(local_ijk_to_ras(node))[:3] == pytest.approx((-0.2, -0.2, 1.0))


@pytest.mark.parametrize(
    ("orientation", "signs"), [(["L", "F"], (-1, -1, 1)), (["R", "F"], (1, -1, -1)), (["R", "H"], (1, 1, 1))]
)
def test_an_image_is_shown_with_the_patient_s_left_at_the_right(panel, orientation, signs):
    panel.classified("spine", PatientOrientation=orientation)
    panel.select("spine.dcm")
    panel.ui.showButton.click()
    (node,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    from LesionKitLib.mrml.volumes import local_ijk_to_ras

    assert tuple(np.sign(np.diag(local_ijk_to_ras(node))[:3])) == signs
    panel.ui.heatmapCheckBox.checked = True
    assert panel.host.messages.texts("error") == []


def test_the_table_fits_into_a_panel_of_the_usual_width(panel):
    panel.classified("abdomen", "spine")
    table = panel.ui.imagesTableWidget
    fixed = sum(table.columnWidth(column) for column in range(table.columnCount - 1))
    assert fixed <= 300 and table.columnCount == 5 and table.iconSize.width() == 40
    assert "CHEST" in panel.ui.imagesTableWidget.item(0, AGREES).toolTip()


def test_of_two_loaded_images_of_one_name_the_right_one_is_shown(panel):
    nodes = []
    for label in ("spine", "abdomen"):
        pixels = picture(label).astype(np.float32)
        nodes.append(slicer.util.addVolumeFromArray(pixels[None], np.eye(4), "AP // chest"))
    panel.parameters.inputVolume = nodes[1]
    panel.classify()
    (row,) = panel.table()
    assert row[CLASS] == "Abdomen"
    examined = panel.widget.entries.all[0].raw
    assert panel.widget.logic.show(examined) is nodes[1]
    panel.select(row[IMAGE])
    panel.ui.heatmapCheckBox.checked = True
    assert nodes[1].GetNodeReference(panel.widget.logic.HEATMAP_ROLE) is not None
    assert nodes[0].GetNodeReference(panel.widget.logic.HEATMAP_ROLE) is None
    slicer.mrmlScene.RemoveNode(nodes[1])
    with pytest.raises(ValueError, match="no longer in the scene"):
        panel.widget.logic.show(examined)


def test_the_heat_map_does_not_use_the_classifier_of_a_run_that_is_going_on(panel):
    panel.classified("spine")
    panel.select("spine.dcm")
    panel.ui.heatmapCheckBox.checked = True
    assert panel.asked == [("efficientnet-lite0", "auto")] * 2  # one for each thread
    panel.ui.heatmapCheckBox.checked = False
    panel.ui.heatmapCheckBox.checked = True
    assert len(panel.asked) == 2


def test_the_selection_is_found_in_a_slicer_before_2026(panel, monkeypatch):
    (path,) = panel.add_images("abdomen")
    tables = SimpleNamespace(currentSeriesSelection=lambda: ["1.3"])
    browser = SimpleNamespace(dicomTableManager=lambda: tables)
    browser_widget = SimpleNamespace(dicomBrowser=browser)
    monkeypatch.setattr(slicer.modules, "DICOMWidget", SimpleNamespace(browserWidget=browser_widget), raising=False)
    database = SimpleNamespace(filesForSeries={"1.3": [str(path)]}.get)
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    panel.parameters.source = "database"
    panel.classify()
    assert [row[IMAGE] for row in panel.table()] == ["abdomen.dcm"]


def test_an_image_is_opened_in_the_module_that_its_rule_names(panel, monkeypatch):
    chosen = []
    monkeypatch.setattr(slicer.util, "selectModule", chosen.append)
    panel.classified("spine")
    rules = panel.folder / "rules.yaml"
    rules.write_text("version: 1\nrules:\n  - {when: {class: spine}, then: [open: Volumes]}\n")
    panel.select("spine.dcm")
    assert not panel.ui.openButton.enabled
    panel.ui.rulesPathLineEdit.currentPath = str(rules)
    panel.ui.planButton.click()
    panel.wait()
    panel.select("spine.dcm")
    assert panel.ui.openButton.text == "Open in Volumes"
    panel.ui.openButton.click()
    assert chosen == ["Volumes"] and slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def test_a_chest_ct_is_opened_as_a_whole_series(panel):
    from dicom_fixtures import write_series

    from BodyPartRouterLib.routing.examination import Examined

    paths = write_series(panel.folder / "ct")
    node = panel.widget.logic.openIn(Examined(paths[3]), "CovidLungQuant")
    assert node.GetImageData().GetDimensions() == (72, 64, 12)


def test_closing_the_scene_empties_the_list_and_leaves_the_panel_usable(panel):
    panel.classified("spine")
    panel.ui.thresholdSpinBox.value = 0.2
    panel.scene.Clear(False)
    assert panel.table() == []
    panel.choose_folder()
    panel.classify()
    assert len(panel.table()) == 1


def test_closing_the_scene_during_a_run_is_safe(panel):
    panel.add_images("spine")
    panel.choose_folder()
    panel.classifier.gate.clear()
    panel.ui.applyButton.click()
    panel.scene.Clear(False)
    panel.classifier.gate.set()
    panel.host.process_events(0.1)
    assert not panel.widget.runSection.apply.running and panel.table() == []


def test_no_thumbnail_stays_behind(panel):
    panel.classified("spine")
    folder = Path(panel.widget.logic._thumbnails)
    assert len(list(folder.iterdir())) == 1
    panel.host.unload_module("BodyPartRouter")
    assert not folder.exists()


def test_choices_are_saved_with_the_scene(panel):
    panel.ui.sourceComboBox.currentIndex = 1
    panel.ui.thresholdSpinBox.value = 0.4
    assert panel.parameters.source == "folder"
    node = panel.widget.logic.getParameterNode()
    assert node.GetParameter("source") == "folder" and float(node.GetParameter("threshold")) == 0.4


def test_the_module_s_own_test_passes(panel):
    panel.loaded.module.BodyPartRouterTest().runTest()
