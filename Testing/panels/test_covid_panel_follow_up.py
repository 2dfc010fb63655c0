"""CovidLungQuant's panel: two examinations of one patient compared."""

from __future__ import annotations

import json

import pytest
import slicer

pytest_plugins = "covid_panel"

DATES = {"March": "20260301", "April": "20260422"}


@pytest.fixture
def two_dates(panel, chest):
    """The results of April, which the panel shows, and of March; since then one lesion grew, one went, one came."""
    lesions = chest[2].copy()
    lesions[6:9, 4:8, 3:7] = 0
    lesions[6:9, 4:8, 3:5] = 1  # half of April's
    lesions[3:5, 4:9, 12:15] = 0  # came later
    lesions[8:10, 9:12, 14:17] = 2  # gone in April
    april = chest[2].copy()
    april[1:2] = 0
    lesions[1:2] = 0
    results = {}
    for name, labels in (("March", lesions), ("April", april)):
        panel.pipeline.lesions = labels
        panel.parameters.outputSegmentation = None
        node = panel.add_ct(name)
        dated(panel.scene, node, name, "ID-4711")
        results[name] = panel.apply()
    return results["March"], results["April"]


def dated(scene, node, name, patient_id):
    """Put a volume where Slicer's DICOM plugin does."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = tree.CreateSubjectItem(tree.GetSceneItemID(), "Somebody")
    tree.SetItemAttribute(patient, "DICOM.PatientID", patient_id)
    tree.SetItemAttribute(patient, "DICOM.PatientName", "Somebody^Else")
    study = tree.CreateStudyItem(patient, f"study of {name}")
    tree.SetItemUID(study, "DICOM", f"1.2.{DATES[name]}")
    tree.SetItemAttribute(study, "DICOM.StudyDate", DATES[name])
    item = tree.GetItemByDataNode(node) or tree.CreateItem(study, node)
    tree.SetItemParent(item, study)
    tree.SetItemUID(item, "DICOM", f"1.2.{DATES[name]}.1")
    tree.SetItemAttribute(item, "DICOM.Modality", "CT")


def compare(panel, other, folder=""):
    panel.ui.earlierSelector.setCurrentNode(other)
    panel.ui.followUpFolderPathLineEdit.currentPath = str(folder)
    assert panel.ui.followUpButton.enabled
    panel.ui.followUpButton.click()
    panel.wait_until(lambda: not panel.widget.followUpSection.apply.running)
    assert panel.host.messages.texts("error") == []


def rows(panel):
    table = panel.ui.followUpTable
    return [[table.item(r, c).text() for c in range(table.columnCount)] for r in range(table.rowCount)]


def test_compare_says_why_it_cannot_run(panel, two_dates):
    panel.ui.earlierSelector.setCurrentNode(None)
    assert not panel.ui.followUpButton.enabled and "another date" in panel.ui.followUpButton.toolTip
    panel.ui.earlierSelector.setCurrentNode(panel.segmentation)
    assert not panel.ui.followUpButton.enabled and "result itself" in panel.ui.followUpButton.toolTip


def test_lesions_since_the_earlier_date_are_listed_with_their_volumes(panel, two_dates):
    march, april = two_dates
    compare(panel, march)
    found = {row[0]: row for row in rows(panel)}
    assert set(found) == {"grown", "gone", "new"}
    assert found["grown"][2:5] == ["2.9", "5.8", "+100"]
    assert found["gone"][2:4] == ["2.2", "0.0"] and found["new"][2:4] == ["0.0", "3.6"]
    text = panel.ui.followUpLabel.text
    assert "2026-03-01" in text and "2026-04-22" in text and "1 new, 1 grown, 1 gone" in text
    table = april.GetNodeReference(panel.widget.logic.FOLLOW_UP_ROLE)
    assert table.GetNumberOfRows() == 3 and "ID-4711" not in table.GetName()


def test_the_dates_decide_which_examination_is_the_earlier_one(panel, two_dates):
    march, april = two_dates
    panel.parameters.outputSegmentation = march
    compare(panel, april)
    assert {row[0] for row in rows(panel)} == {"grown", "gone", "new"}
    panel.ui.followUpTable.setCurrentCell([row[0] for row in rows(panel)].index("new"), 0)
    assert april.GetDisplayNode().GetVisibility() and not march.GetDisplayNode().GetVisibility()


def test_a_row_leads_to_the_lesion_in_the_image_in_which_it_is(panel, two_dates):
    march, april = two_dates
    compare(panel, march)
    kinds = [row[0] for row in rows(panel)]
    panel.ui.followUpTable.setCurrentCell(kinds.index("gone"), 0)
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert selection.GetActiveVolumeID() == panel.widget.logic.volumeOf(march).GetID()
    assert march.GetDisplayNode().GetVisibility() and not april.GetDisplayNode().GetVisibility()
    panel.ui.followUpTable.setCurrentCell(kinds.index("grown"), 0)
    assert selection.GetActiveVolumeID() == panel.widget.logic.volumeOf(april).GetID()
    assert april.GetDisplayNode().GetVisibility() and not march.GetDisplayNode().GetVisibility()


def test_corrections_count_when_it_is_compared_again(panel, two_dates):
    march, _april = two_dates
    compare(panel, march)
    panel.edit("consolidation", lambda mask: mask.fill(0))
    compare(panel, march)
    assert {row[0] for row in rows(panel)} == {"grown", "gone"}


def test_files_of_the_comparison_are_written_and_name_no_patient(panel, two_dates, tmp_path):
    march, _april = two_dates
    folder = tmp_path / "Verlauf ä"
    compare(panel, march, folder)
    assert "followup.json" in panel.ui.followUpStatusLabel.text
    document = json.loads((folder / "followup.json").read_text("utf-8"))
    assert [one["source"]["date"] for one in document["examinations"]] == ["2026-03-01", "2026-04-22"]
    assert document["examinations"][1]["source"]["series_uid"] == "1.2.20260422.1"
    assert document["intervals"][0]["days"] == 52
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"Somebody" not in path.read_bytes() and b"ID-4711" not in path.read_bytes(), path


def test_different_patient_ids_are_said(panel, two_dates):
    march, _april = two_dates
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(panel.scene)
    item = tree.GetItemByDataNode(panel.widget.logic.volumeOf(march))
    tree.SetItemAttribute(tree.GetItemAncestorAtLevel(item, "Patient"), "DICOM.PatientID", "ID-0815")
    compare(panel, march)
    assert "different patient IDs" in panel.ui.followUpLabel.text and "ID-0815" not in panel.ui.followUpLabel.text


def test_a_new_run_forgets_the_comparison(panel, two_dates):
    march, april = two_dates
    compare(panel, march)
    panel.apply()
    assert panel.segmentation is april
    assert rows(panel) == [] and april.GetNodeReference(panel.widget.logic.FOLLOW_UP_ROLE) is None


def test_a_loaded_scene_shows_the_comparison_and_exports_it_again(panel, two_dates, tmp_path):
    march, _april = two_dates
    compare(panel, march)
    before = rows(panel)
    path = tmp_path / "scene.mrb"
    assert panel.scene.WriteToMRB(str(path))
    panel.scene.Clear(False)
    assert rows(panel) == [] and panel.ui.followUpLabel.text == ""
    assert panel.scene.ReadFromMRB(str(path), False)
    panel.settle()
    assert rows(panel) == before
    other = panel.ui.earlierSelector.currentNode()
    assert other is not None and other is not panel.segmentation
    compare(panel, other, tmp_path / "out")
    assert (tmp_path / "out" / "report.html").exists() and rows(panel) == before


def test_closing_the_scene_ends_a_comparison(panel, two_dates):
    march, _april = two_dates
    panel.ui.earlierSelector.setCurrentNode(march)
    panel.ui.followUpButton.click()
    panel.scene.Clear(False)
    panel.host.process_events()
    assert not panel.widget.followUpSection.apply.running and rows(panel) == []


def test_three_dates_are_compared_at_once_and_the_result_shows_what_changed_since_the_one_before(
    panel, two_dates, chest, tmp_path
):
    march, april = two_dates
    panel.pipeline.lesions = chest[2].copy()
    panel.pipeline.lesions[:] = 0
    panel.pipeline.lesions[6:9, 4:8, 3:5] = 1
    panel.parameters.outputSegmentation = None
    node = panel.add_ct("June")
    DATES["June"] = "20260610"
    dated(panel.scene, node, "June", "ID-4711")
    june = panel.apply()
    panel.ui.followUpAllCheckBox.checked = True
    compare(panel, None, tmp_path)
    document = json.loads((tmp_path / "followup.json").read_text("utf-8"))
    assert [one["source"]["date"] for one in document["examinations"]] == ["2026-03-01", "2026-04-22", "2026-06-10"]
    assert june.GetNodeReference(panel.widget.logic.EARLIER_ROLE) is april
    assert {row[0] for row in rows(panel)} <= {"gone", "shrunk", "stable"}
    panel.parameters.outputSegmentation = march
    compare(panel, None)
    assert march.GetNodeReference(panel.widget.logic.EARLIER_ROLE) is april
    assert {row[0] for row in rows(panel)} == {"grown", "gone", "new"}


def test_all_results_needs_a_second_one(panel, two_dates):
    march, _april = two_dates
    panel.scene.RemoveNode(march)
    panel.ui.followUpAllCheckBox.checked = True
    assert not panel.ui.followUpButton.enabled and "no other result" in panel.ui.followUpButton.toolTip
