"""What a result is of: the same in JSON, tables and reports; who the patient is only where it was asked for."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from dicom_fixtures import PATIENT, write_series

from LesionKitLib import __version__
from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.io.images import NOT_KNOWN, read_volume, read_volume_and_header, write_volume
from LesionKitLib.io.resources import resource
from LesionKitLib.report.files import csv_writer, json_writer, write_files
from LesionKitLib.report.provenance import (
    AI_NOT_REVIEWED,
    Provenance,
    analysis_date,
    image_id,
    image_source,
    weights_of,
)
from LesionKitLib.run.errors import MissingResource

SOURCE = ImageSource(
    "1.2", "1.2.3", "Thorax 1.0", "2020-03-01", "CT", "B31f", 1.0, (0.7, 0.7, 1.0), 300, "scan.nii.gz", "ab" * 32
)
VOLUME = Volume(np.arange(24, dtype=np.int16).reshape(2, 3, 4), affine((1, 1, 2)))


def provenance(source: ImageSource = SOURCE) -> Provenance:
    return Provenance(source, "abababab", "net", "1.0", "CPU", {"net": "cd" * 32})


def test_the_document_says_image_software_weights_device_date_and_review():
    document = provenance().document()
    assert document["source"] == SOURCE.document() and document["lesionkit"] == __version__
    assert document["weights"] == {"net": "cd" * 32} and document["review"] == AI_NOT_REVIEWED
    assert document["analysis_date"] == analysis_date() and document["device"] == "CPU"


def test_a_table_begins_with_the_id_and_ends_with_what_it_is_of(tmp_path):
    write_files(tmp_path, {"a.csv": csv_writer(("name", "ml"), [("x", 1.5), ("y", None)], provenance())})
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["abababab"] * 2 and [row["ml"] for row in rows] == ["1.5", ""]
    for row in rows:
        assert (row["series_uid"], row["kernel"], row["spacing"]) == ("1.2.3", "B31f", "0.7 x 0.7 x 1")
        assert row["weights"] == f"net {'cd' * 32}" and row["review"] == AI_NOT_REVIEWED
        assert row["lesionkit"] == __version__ and row["network"] == "net" and row["slices"] == "300"


def test_nobodys_name_is_anywhere_unless_it_was_asked_for():
    named = replace(SOURCE, patient_name="Doe, Jane", patient_id="4711")
    for about in (provenance().document()["source"], provenance().columns(), dict(provenance().facts())):
        assert not {"patient_name", "patient_id", "Patient"} & set(about)
    assert provenance(named).columns()["patient_name"] == "Doe, Jane"
    assert dict(provenance(named).facts())["Patient"] == "Doe, Jane, 4711"


def test_what_is_not_known_is_left_out_of_the_report_and_empty_in_the_document():
    empty = provenance(ImageSource())
    assert empty.document()["source"]["series_uid"] is None
    assert {"Series", "Study date", "File"}.isdisjoint(dict(empty.facts()))


def test_the_day_of_the_analysis_can_be_fixed(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    assert analysis_date() == "2020-09-13"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert analysis_date() != "2020-09-13"


def test_an_image_that_comes_from_no_file_has_an_id_of_its_own():
    other = VOLUME.with_array(VOLUME.array + 1)
    assert image_id(VOLUME) == image_id(replace(VOLUME, name="other")) != image_id(other)
    assert image_id(replace(VOLUME, source=SOURCE)) == "ab" * 8
    assert image_source(VOLUME).spacing == (1.0, 1.0, 2.0) and image_source(VOLUME).slices == 2
    assert image_source(replace(VOLUME, source=SOURCE)) == SOURCE


def test_weights_are_named_by_their_models():
    assert weights_of([{"name": "a", "sha256": "1"}, {"name": "b"}]) == {"a": "1"}


def test_the_patient_of_a_dicom_series_is_read_when_asked_for(tmp_path):
    write_series(tmp_path / "series")
    volume = read_volume(tmp_path / "series")
    assert volume.source is None or not volume.source.patient_name
    source = read_volume_and_header(tmp_path / "series", identify=True)[0].source
    family, given = PATIENT.split("^")[:2]
    assert source.patient_name == f"{family}, {given}" and source.patient_id


def test_an_image_that_names_no_patient_says_so(tmp_path):
    path = tmp_path / "scan.nii.gz"
    write_volume(path, VOLUME)
    assert NOT_KNOWN not in read_volume(path).notes
    found = read_volume_and_header(path, identify=True)[0]
    assert NOT_KNOWN in found.notes and not found.source.patient_name


def test_not_a_number_never_reaches_a_document():
    with pytest.raises(ValueError):
        json_writer({"ml": float("nan")})


def test_templates_fonts_and_style_are_found_and_a_missing_one_is_told():
    for parts in (("Report", "report.html.j2"), ("Report", "report.css"), ("Fonts", "DejaVuSans.ttf")):
        assert resource("LesionKitLib", *parts).is_file()
    with pytest.raises(MissingResource, match="Report/none.css"):
        resource("LesionKitLib", "Report", "none.css")


@pytest.mark.parametrize("place", ["Resources", "SampleLib/Resources"])
def test_resources_are_found_beside_a_library_as_in_slicer_and_inside_it_as_in_a_wheel(tmp_path, monkeypatch, place):
    (tmp_path / "SampleLib").mkdir()
    (tmp_path / "SampleLib" / "__init__.py").touch()
    (tmp_path / place / "Report").mkdir(parents=True)
    (tmp_path / place / "Report" / "style.css").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert resource("SampleLib", "Report", "style.css") == tmp_path / place / "Report" / "style.css"
