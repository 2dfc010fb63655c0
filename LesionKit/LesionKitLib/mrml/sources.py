"""Which image a volume node is of, as the subject hierarchy and the node's file say."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields

import slicer

from LesionKitLib.imaging.source import ImageSource

SOURCE_ATTRIBUTE = "LesionKit.Source"  # of a volume node: its ImageSource as JSON, without the patient and the files
NOT_KEPT = ("patient_name", "patient_id", "files")


def remember_source(node, source: ImageSource | None) -> None:
    """Keep with the volume node, and with a saved scene, which image it is; for a volume that LesionKit read itself."""
    if source is not None:
        kept = {name: value for name, value in asdict(source).items() if name not in NOT_KEPT}
        node.SetAttribute(SOURCE_ATTRIBUTE, json.dumps(kept))


def source_of(node, identify: bool = False) -> ImageSource | None:
    """The ImageSource of a volume node, or None where nothing is known of it.

    Of a DICOM series (the levels that Slicer's DICOM plugin makes: patient, study, series): UIDs, study date, modality,
    and as its description the item's name; of any other image the name of its file. identify: with the patient's name
    and ID. What remember_source kept comes first.
    """
    kept = _remembered(node)
    if kept is not None:
        return kept
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


def _remembered(node) -> ImageSource | None:
    try:
        kept = json.loads(node.GetAttribute(SOURCE_ATTRIBUTE) or "null")
    except ValueError:
        return None
    if not isinstance(kept, dict):
        return None
    names = {field.name for field in fields(ImageSource)} - set(NOT_KEPT)
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items() if name in names}
    return ImageSource(**known)


def _source_of_file(node) -> ImageSource | None:
    storage = node.GetStorageNode()
    name = os.path.basename((storage.GetFileName() or "").replace("\\", "/")) if storage is not None else ""
    return ImageSource(file=name) if name else None


def _iso_date(text: str) -> str:
    """2026-03-01 of 20260301 (PS3.5 DA); "" for anything else."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else ""
