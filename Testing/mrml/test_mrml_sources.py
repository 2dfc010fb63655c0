"""Which image a volume node is of."""

from __future__ import annotations

import numpy as np
import slicer

from LesionKitLib.mrml.sources import source_of


def test_of_a_dicom_series_uids_date_and_modality_are_known_and_the_patient_only_when_asked_for(scene):
    node = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4), np.int16), name="2: Thorax")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = tree.CreateSubjectItem(tree.GetSceneItemID(), "Doe")
    tree.SetItemAttribute(patient, "DICOM.PatientID", "77")
    study = tree.CreateStudyItem(patient, "study")
    tree.SetItemUID(study, "DICOM", "1.2.3")
    tree.SetItemAttribute(study, "DICOM.StudyDate", "20260301")
    series = tree.CreateItem(study, node)
    tree.SetItemUID(series, "DICOM", "1.2.3.4")
    tree.SetItemAttribute(series, "DICOM.Modality", "CT")
    source = source_of(node)
    assert (source.study_uid, source.series_uid) == ("1.2.3", "1.2.3.4")
    assert (source.date, source.modality, source.series_description) == ("2026-03-01", "CT", "2: Thorax")
    assert source.patient_id == "" and source_of(node, identify=True).patient_id == "77"


def test_a_date_that_is_none_is_not_known(scene):
    node = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4), np.int16))
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = tree.CreateStudyItem(tree.GetSceneItemID(), "study")
    tree.SetItemAttribute(study, "DICOM.StudyDate", "2026.03")
    tree.SetItemUID(tree.CreateItem(study, node), "DICOM", "1.2")
    assert source_of(node).date == "" and source_of(node).study_uid == ""


def test_of_a_file_its_name_is_known_without_its_folder(scene):
    node = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4), np.int16))
    assert source_of(node) is None
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName("folder/ct 7.nrrd")
    assert source_of(node).file == "ct 7.nrrd"
