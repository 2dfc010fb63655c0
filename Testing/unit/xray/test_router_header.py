"""The header against the pixels, and the corrected copy."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_fixtures import PATIENT
from xray_fixtures import recompress, transfer_syntax, write_xray

from BodyPartRouterLib.classification.header_check import compare, write_corrected_copy
from BodyPartRouterLib.classification.header_words import classes_in
from BodyPartRouterLib.classification.prediction import Prediction
from BodyPartRouterLib.labels import BODY_PARTS, CLASSES, TITLES, UNKNOWN, title
from BodyPartRouterLib.reading.xray import HeaderFacts
from BodyPartRouterLib.reading.xray_file import read_xray
from LesionKitLib.run.errors import UnusableInput


def says(label: str) -> Prediction:
    held = label == UNKNOWN
    shares = {name: 0.9 if name == label else 0.02 for name in CLASSES}
    return Prediction(label, 0.9, shares, held, "unclear" if held else None)


@pytest.mark.parametrize(
    "text, classes",
    [
        ("CHEST", {"chest"}),
        ("XR Chest 2 views PA and LAT", {"chest"}),
        ("Rx tórax", {"chest"}),
        ("Röntgen Thorax", {"chest"}),
        ("TSPINE", {"spine"}),
        ("Thoracic spine", {"spine"}),
        ("Coluna torácica", {"spine"}),
        ("Brustwirbelsäule", {"spine"}),
        ("L-SPINE", {"spine"}),
        ("Abdômen agudo", {"abdomen"}),
        ("KUB", {"abdomen"}),
        ("CHESTABDOMEN", {"chest", "abdomen"}),
        ("Pé direito", {"others"}),
        ("Hand right 2 views", {"others"}),
        ("RIBS", {"others"}),
        ("Hipertension, portable", set()),
        ("XRAY", set()),
        ("", set()),
    ],
)
def test_header_texts_in_several_languages_name_their_classes(text, classes):
    assert classes_in(text) == classes


@pytest.mark.parametrize(
    "header, label, header_class, agrees",
    [
        ({"body_part": "CHEST"}, "adult_chest", "chest", True),
        ({"body_part": "CHEST"}, "pediatric_chest", "chest", True),
        ({"body_part": "CHEST", "age_years": 50}, "adult_chest", "adult_chest", True),
        ({"body_part": "CHEST", "age_years": 50}, "pediatric_chest", "adult_chest", False),
        ({"body_part": "CHEST", "age_years": 2}, "adult_chest", "pediatric_chest", False),
        ({"body_part": "CHEST", "age_years": 15}, "adult_chest", "chest", True),
        ({"body_part": "CHEST", "age_years": 15}, "pediatric_chest", "chest", True),
        ({"body_part": "HAND"}, "adult_chest", "others", False),
        ({"body_part": "ABDOMEN"}, "abdomen", "abdomen", True),
        ({"study_description": "lumbar spine"}, "spine", "spine", True),
        ({"body_part": "CHESTABDOMEN"}, "abdomen", None, True),
        ({"body_part": "UNKNOWN"}, "abdomen", None, None),
        ({}, "others", None, None),
        ({"body_part": "HAND"}, UNKNOWN, "others", None),
        ({"view": "MLO"}, "adult_chest", None, False),
        ({"view": "PA", "body_part": "CHEST"}, "adult_chest", "chest", True),
    ],
)
def test_header_and_picture_are_compared(header, label, header_class, agrees):
    found = compare(HeaderFacts(**header), says(label))
    assert (found.header_class, found.agrees) == (header_class, agrees)
    assert bool(found.remarks) == (agrees is False)
    assert all(remark.endswith(".") for remark in found.remarks)


def test_a_header_that_contradicts_itself_is_named():
    found = compare(HeaderFacts(body_part="CHEST", study_description="KNEE LEFT"), says("adult_chest"))
    assert found.agrees is True
    assert "contradicts itself" in found.remarks[0]


def test_the_age_is_a_remark_and_never_changes_the_answer():
    prediction = says("adult_chest")
    found = compare(HeaderFacts(age_years=0.5), prediction)
    assert found.agrees is False and "6 months" in found.remarks[0]
    assert prediction.label == "adult_chest"


def test_every_label_has_a_title():
    assert {title(name) for name in (*CLASSES, UNKNOWN)} == set(TITLES.values())


@pytest.mark.parametrize("label", list(BODY_PARTS))
def test_a_corrected_copy_is_coded_and_the_original_stays(tmp_path, label):
    path = write_xray(tmp_path / "x.dcm", BodyPartExamined="HAND", DerivationDescription="Edge enhanced.")
    before = path.read_bytes()
    write_corrected_copy(path, tmp_path / "sub" / "y.dcm", label)
    assert path.read_bytes() == before
    old, new = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "sub" / "y.dcm")
    term, code = BODY_PARTS[label]
    assert new.BodyPartExamined == term
    region = new.AnatomicRegionSequence[0]
    assert (region.CodeValue, region.CodingSchemeDesignator) == (code.value, "SCT")
    assert new.SOPInstanceUID == new.file_meta.MediaStorageSOPInstanceUID != old.SOPInstanceUID
    equipment = new.ContributingEquipmentSequence[-1]
    assert equipment.Manufacturer == "LesionKit" and "HAND" in equipment.ContributionDescription
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109103"
    assert new.DerivationDescription.startswith("Edge enhanced. Body part changed from HAND")
    assert new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert new.PixelData == old.PixelData and new.PatientName == PATIENT
    assert {e.tag for e in old} <= {e.tag for e in new}


def test_the_codes_are_those_of_the_standard():
    from pydicom.sr.codedict import codes

    wanted = {"ABDOMEN": codes.SCT.Abdomen, "CHEST": codes.SCT.Chest, "SPINE": codes.SCT.Spine}
    for term, code in BODY_PARTS.values():
        assert (code.value, code.meaning) == (wanted[term].value, wanted[term].meaning)


def test_a_corrected_copy_of_a_compressed_file_keeps_its_compression(tmp_path):
    packed = recompress(write_xray(tmp_path / "x.dcm"), tmp_path / "p.dcm", "JPEGLSLossless")
    write_corrected_copy(packed, tmp_path / "y.dcm", "spine")
    one, other = read_xray(packed), read_xray(tmp_path / "y.dcm")
    assert np.array_equal(one.pixels, other.pixels)
    assert transfer_syntax(packed) == transfer_syntax(tmp_path / "y.dcm")
    assert other.header.body_part == "SPINE"


def test_a_corrected_copy_is_refused_where_it_would_be_wrong(tmp_path):
    path = write_xray(tmp_path / "x.dcm")
    with pytest.raises(UnusableInput, match="exists already"):
        write_corrected_copy(path, path, "spine")
    with pytest.raises(UnusableInput, match="many body parts"):
        write_corrected_copy(path, tmp_path / "y.dcm", "others")
    with pytest.raises(ValueError, match="no class"):
        write_corrected_copy(path, tmp_path / "y.dcm", UNKNOWN)
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(UnusableInput, match="Only a DICOM file"):
        write_corrected_copy(tmp_path / "a.png", tmp_path / "y.dcm", "spine")
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:300])
    with pytest.raises(UnusableInput):
        write_corrected_copy(tmp_path / "cut.dcm", tmp_path / "y.dcm", "spine")
    assert not (tmp_path / "y.dcm").exists()
