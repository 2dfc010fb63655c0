"""One X-ray is one open file: its header and its pixels are read through it."""

from __future__ import annotations

import pytest
from file_opens import counted_opens
from PIL import Image
from router_fixtures import BrightnessClassifier
from router_fixtures import write_xray as write_router_xray
from xray_fixtures import recompress, write_xray

from BodyPartRouterLib.reading.xray_file import XrayFile, read_values, read_xray
from BodyPartRouterLib.routing.dicom_object import read_object
from BodyPartRouterLib.routing.examination import examine
from BodyPartRouterLib.routing.file_reading import read_file
from LesionKitLib.io.dicom.header import scan_files
from LesionKitLib.run.errors import UnusableInput

KEYWORDS = frozenset({"Modality", "SOPInstanceUID"})


def without_dicm_mark(path, target):
    target.write_bytes(read_data_set(path))
    return target


def read_data_set(path):
    return path.read_bytes()[read_object(path).offset :]


@pytest.fixture(params=["plain", "JPEGLSLossless", "RLELossless", "DeflatedExplicitVRLittleEndian", "no mark"])
def dicom(request, tmp_path):
    plain = write_xray(tmp_path / "plain.dcm")
    if request.param == "plain":
        return plain
    if request.param == "no mark":
        return without_dicm_mark(plain, tmp_path / "old.dcm")
    if request.param.startswith("Deflated"):
        import pydicom

        data = pydicom.dcmread(plain)
        data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
        data.save_as(tmp_path / "deflated.dcm", enforce_file_format=True)
        return tmp_path / "deflated.dcm"
    return recompress(plain, tmp_path / "packed.dcm", request.param)


def test_header_values_and_pixels_of_a_dicom_file_are_read_through_one_open_file(dicom):
    with counted_opens(dicom) as opens:
        reading = read_file(dicom, KEYWORDS)
    assert reading.error == "" and reading.xray.pixels.any() and set(reading.values) == KEYWORDS
    assert opens == [1]


def test_a_picture_is_opened_once(tmp_path):
    Image.new("L", (64, 64), 90).save(tmp_path / "a.png")
    with counted_opens(tmp_path / "a.png") as opens:
        reading = read_file(tmp_path / "a.png", KEYWORDS)
    assert reading.xray is not None and not reading.values
    assert opens == [1]


def test_examining_an_image_opens_its_file_once(tmp_path):
    path = write_router_xray(tmp_path / "a.dcm", "spine")
    with counted_opens(path) as opens:
        (found,) = examine([path], BrightnessClassifier(), KEYWORDS)
    assert found.label == "spine" and found.header.modality == "DX" and found.uid
    assert opens == [1]


def test_what_is_passed_on_is_known_after_one_open(tmp_path):
    path = write_xray(tmp_path / "a.dcm")
    with counted_opens(path) as opens:
        found = read_object(path)
    assert found.sop_instance and found.is_file
    assert opens == [1]


def test_the_header_of_a_slice_is_read_after_one_open(tmp_path):
    path = write_xray(tmp_path / "a.dcm")
    with counted_opens(path) as opens:
        scan = scan_files([path])
    assert len(scan.frames) == 1
    assert opens == [1]


def test_a_file_with_a_damaged_header_tells_it_when_pixels_are_asked_for_and_is_closed(tmp_path):
    whole = write_xray(tmp_path / "a.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:200])
    with XrayFile(tmp_path / "cut.dcm") as file:
        assert file.values(KEYWORDS)[0] == {} or file.is_dicom
        with pytest.raises(UnusableInput, match="damaged|no image"):
            file.xray()
    assert read_values(tmp_path / "cut.dcm", ["Modality"]) == {}


def test_what_is_no_image_at_all_is_told_in_one_sentence(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UnusableInput, match="no DICOM, PNG or JPEG"):
        read_xray(tmp_path / "a.txt")
    for path, words in ((tmp_path / "none.dcm", "does not exist"), (tmp_path, "no file")):
        with pytest.raises(UnusableInput, match=words):
            read_xray(path)
