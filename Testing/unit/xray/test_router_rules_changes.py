"""Header changes of the copy that leaves: de-identification, attributes set and removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from router_fixtures import BrightnessClassifier, write_xray

from BodyPartRouterLib.routing.configuration.rules_file import load_rules
from BodyPartRouterLib.routing.delivery.header_change import replaced_uid
from BodyPartRouterLib.routing.route_files import carry_out, plan_files

pytest.importorskip("dicomanonymizer")


def route(tmp_path, change, *paths):
    action = f"{{copy: out, change: {change}}}"
    (tmp_path / "rules.yaml").write_text(
        f"version: 1\nrules: [{{then: [{action}]}}]\nservice: {{data: data}}\n", "utf-8"
    )
    rules = load_rules(tmp_path / "rules.yaml")
    return carry_out(list(plan_files(paths, rules, BrightnessClassifier())), rules)


def all_text(data) -> str:
    return " ".join(str(element.value) for element in data.iterall() if element.tag != 0x7FE00010)


def request(**elements):
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def test_a_deidentified_copy_names_nobody_and_the_original_is_untouched(tmp_path):
    path = write_xray(
        tmp_path / "a.dcm",
        PatientName="Doe^Jane",
        PatientID="12345",
        StudyInstanceUID="1.2.3",
        SourceImageSequence=[request(ReferencedSOPInstanceUID="1.2.9", PatientName="Doe^Jane")],
        AnatomicRegionSequence=[request(CodeMeaning="Chest", PersonName="Doe^Jane")],
    )
    before = path.read_bytes()
    (done,) = route(tmp_path, "{deidentify: basic}", path)
    copy = dcmread(done.destination)
    assert path.read_bytes() == before
    for part in ("Doe", "Jane", "12345", "1.2.3", "1.2.9"):
        assert part not in all_text(copy).split() and part not in str(copy.get("PatientName", ""))
    assert "Jane" not in all_text(copy)
    assert copy.PatientIdentityRemoved == "YES" and copy.SOPClassUID == dcmread(path).SOPClassUID
    assert (copy.pixel_array == dcmread(path).pixel_array).all()
    assert copy.file_meta.MediaStorageSOPInstanceUID == copy.SOPInstanceUID != dcmread(path).SOPInstanceUID
    assert Path(done.destination).name == f"{copy.SOPInstanceUID}.dcm"


def test_images_of_one_study_stay_together_and_a_repeated_delivery_gives_the_same_bytes(tmp_path):
    paths = [write_xray(tmp_path / f"{n}.dcm", seed=n, StudyInstanceUID="1.2.3") for n in range(2)]
    first = [Path(one.destination).read_bytes() for one in route(tmp_path, "{deidentify: basic}", *paths)]
    again = [one.destination for one in route(tmp_path, "{deidentify: basic}", *paths)]
    assert [Path(one).read_bytes() for one in again] == first and len(list((tmp_path / "out").iterdir())) == 2
    assert len({dcmread(one).StudyInstanceUID for one in again}) == 1


def test_a_replaced_uid_depends_on_the_secret():
    assert replaced_uid("1.2", b"a") == replaced_uid("1.2", b"a") != replaced_uid("1.2", b"b")
    assert len(replaced_uid("1.2", b"a")) <= 64


def test_the_secret_can_be_read_by_its_owner_alone(tmp_path):
    route(tmp_path, "{deidentify: basic}", write_xray(tmp_path / "a.dcm"))
    assert (tmp_path / "data" / "deidentification.key").stat().st_mode & 0o077 == 0


def test_an_image_with_burned_in_text_does_not_leave(tmp_path):
    (done,) = route(tmp_path, "{deidentify: basic}", write_xray(tmp_path / "a.dcm", BurnedInAnnotation="YES"))
    assert "burned into" in done.problem and not (tmp_path / "out").exists()


def test_attributes_are_removed_and_set_in_the_copy(tmp_path):
    path = write_xray(tmp_path / "a.dcm", StationName="ROOM 3", InstitutionName="A")
    (done,) = route(tmp_path, "{remove: [StationName], set: {InstitutionName: B, PatientComments: c}}", path)
    copy = dcmread(done.destination)
    assert ("StationName" in copy, copy.InstitutionName, copy.PatientComments) == (False, "B", "c")
    assert copy.SOPInstanceUID == dcmread(path).SOPInstanceUID
