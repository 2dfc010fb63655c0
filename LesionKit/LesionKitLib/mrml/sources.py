"""Which image a volume node is of, as the subject hierarchy and the node's file say."""

from __future__ import annotations

import os

import slicer

from LesionKitLib.imaging.source import ImageSource


def source_of(node, identify: bool = False) -> ImageSource | None:
    """The ImageSource of a volume node, or None where nothing is known of it.

    Of a DICOM series (the levels that Slicer's DICOM plugin makes: patient, study, series): UIDs, study date, modality,
    and as its description the item's name; of any other image the name of its file. identify: with the patient's name
    and ID.
    """
    scene = node.GetScene()
    if scene is None:
        return None
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    names = slicer.vtkMRMLSubjectHierarchyConstants
    series = tree.GetItemByDataNode(node) if tree is not None else 0
    uid = tree.GetItemUID(series, names.GetDICOMUIDName()) if series else ""
    if not uid:
        return _source_of_file(node)
    study = tree.GetItemAncestorAtLevel(series, names.GetDICOMLevelStudy())
    patient = tree.GetItemAncestorAtLevel(series, names.GetDICOMLevelPatient())

    def said(item: int, name: str) -> str:
        return (tree.GetItemAttribute(item, name) or "").strip() if item else ""

    return ImageSource(
        study_uid=(tree.GetItemUID(study, names.GetDICOMUIDName()) or "") if study else "",
        series_uid=uid,
        series_description=node.GetName() or "",
        date=_iso_date(said(study, names.GetDICOMStudyDateAttributeName())),
        modality=said(series, names.GetDICOMSeriesModalityAttributeName()),
        patient_name=said(patient, names.GetDICOMPatientNameAttributeName()) if identify else "",
        patient_id=said(patient, names.GetDICOMPatientIDAttributeName()) if identify else "",
    )


def _source_of_file(node) -> ImageSource | None:
    storage = node.GetStorageNode()
    name = os.path.basename((storage.GetFileName() or "").replace("\\", "/")) if storage is not None else ""
    return ImageSource(file=name) if name else None


def _iso_date(text: str) -> str:
    """2026-03-01 of 20260301 (PS3.5 DA); "" for anything else."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else ""
