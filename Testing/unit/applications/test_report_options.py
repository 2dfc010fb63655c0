"""--pdf, --paper and --identify: the report as PDF, and the patient's name only where it was asked for."""

from __future__ import annotations

import importlib.util
import json
import os

import numpy as np
import pytest
import SimpleITK as sitk
from chest_fixtures import block_chest
from dicom_fixtures import PATIENT, write_series

from LesionKitCLI.main import main
from LesionKitLib.imaging.volume import to_sitk

NAME = ", ".join(PATIENT.split("^"))


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.nii.gz"
    sitk.WriteImage(to_sitk(block_chest().volume), str(path))
    return path


def test_a_pdf_is_written_beside_the_page_in_the_paper_that_was_asked_for(scan, tmp_path, threshold_network):
    sizes = {"a4": b"595.", "letter": b"612"}
    for paper, points in sizes.items():
        arguments = ["covid", str(scan), "--output", str(tmp_path / paper), "--pdf", "--paper", paper]
        assert main([*arguments, "--device", "cpu"]) == 0
        data = (tmp_path / paper / "report.pdf").read_bytes()
        assert data.startswith(b"%PDF") and b"/MediaBox [ 0 0 " + points in data


@pytest.mark.parametrize("command", [["covid"], ["stroke", "segment"]])
def test_a_pdf_that_cannot_be_written_here_is_told_before_anything_is_read(tmp_path, monkeypatch, capsys, command):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "reportlab" else find(name, *a))
    code = main([*command, str(tmp_path / "no such scan"), "--output", str(tmp_path / "out"), "--pdf"])
    err = capsys.readouterr().err
    assert code == 4 and "reportlab" in err and err.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_the_result_says_which_file_it_is_of(scan, tmp_path, threshold_network):
    assert main(["covid", str(scan), "--output", str(tmp_path / "out"), "--device", "cpu"]) == 0
    document = json.loads((tmp_path / "out" / "measurements.json").read_text(encoding="utf-8"))
    assert document["source"]["file"] == "scan.nii.gz" and document["id"] == document["source"]["sha256"][:16]
    assert document["source"]["slices"] and document["source"]["spacing"] and document["lesionkit"]


@pytest.mark.parametrize("identify", [False, True])
def test_the_patient_is_named_in_every_file_only_on_identify(tmp_path, threshold_network, capsys, identify):
    chest, folder = block_chest().volume.array, tmp_path / "series"

    def pixels(data, n):
        data.PixelData = (chest[n].astype(int) + 1024).astype(np.uint16).tobytes()

    write_series(folder, range(14), 8.0, change=pixels, rows=64, columns=64, PixelSpacing=[4.0, 4.0])
    options = ["--identify"] if identify else []
    assert main(["covid", str(folder), "--output", str(tmp_path / "out"), "--device", "cpu", "--json", *options]) == 0
    found = capsys.readouterr().out
    files = {name: (tmp_path / "out" / name).read_bytes() for name in os.listdir(tmp_path / "out")}
    for name in ("measurements.json", "measurements.csv", "lesions.csv", "report.html"):
        assert (NAME.encode() in files[name]) is identify, name
    assert (NAME in found) is identify
    assert not any(NAME.encode() in files[name] for name in ("segmentation.seg.nrrd", "overlay.png"))
