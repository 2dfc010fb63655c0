"""The files that an analysis leaves: all of them or none, and nobody's name in them."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chest_fixtures import block_chest

from CovidLungQuantLib.measurement.findings import list_findings
from CovidLungQuantLib.measurement.measurements import measure
from CovidLungQuantLib.results import figures
from CovidLungQuantLib.results.files import (
    LESION_TABLE,
    MEASUREMENTS,
    OVERLAY,
    REPORT,
    SEGMENTATION,
    TABLE,
    write_outputs,
)
from CovidLungQuantLib.results.result import CovidResult
from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.io.images import read_seg_nrrd
from LesionKitLib.io.seg_nrrd import algorithm_tags
from LesionKitLib.run.errors import UnusableInput

NAME = "Doe^Jane 4711"
FILES = sorted([SEGMENTATION, MEASUREMENTS, TABLE, LESION_TABLE, REPORT, OVERLAY])


@pytest.fixture(scope="module")
def result() -> CovidResult:
    chest = block_chest()
    volume = replace(chest.volume, name=NAME, source=ImageSource(series_uid="1.2.3", sha256="ab" * 32))
    seconds = {"read": 0.1234567, "infer": 1.0, "total": 2.0}
    measurements = measure(volume, chest.lungs, chest.lesions)
    return CovidResult(
        volume, chest.lungs, chest.lesions, "convlstm", "1.2.3", "CPU, 2 threads", seconds, measurements,
        notes=("Größe der Lunge: 肺.",), findings=tuple(list_findings(volume, chest.lungs, chest.lesions)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(result, random_model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("case of Doe^Jane") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONKIT_MODELS", str(random_model))
        write_outputs(result, folder)
    return folder


def test_six_files_are_written_and_nothing_else(written):
    assert sorted(os.listdir(written)) == FILES
    assert all((written / name).stat().st_size > 100 for name in FILES)


def test_the_measurements_are_the_results_own(result, written, fake_model):
    document = json.loads((written / MEASUREMENTS).read_text(encoding="utf-8"))
    assert document == json.loads(json.dumps(result.summary()))
    assert document["seconds"]["read"] == 0.123 and document["notes"] == ["Größe der Lunge: 肺."]
    for key in ("network", "device", "seconds", "total", "regions", "decision"):
        assert key in document


def test_the_table_has_a_row_for_every_side_and_third(written):
    with (written / TABLE).open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    assert len(rows) == 12 and all(len(row) == len(header) for row in rows)


def test_the_tables_join_on_the_images_id_and_say_the_series(result, written):
    document = json.loads((written / MEASUREMENTS).read_text(encoding="utf-8"))
    assert document["id"] == "ab" * 8 and document["source"]["series_uid"] == "1.2.3"
    for name, rows in ((TABLE, 12), (LESION_TABLE, len(result.findings))):
        with (written / name).open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
        assert len(table) == rows > 0
        assert {(row["id"], row["series_uid"], row["review"]) for row in table} == {
            ("ab" * 8, "1.2.3", "AI, not reviewed")
        }


def test_the_same_result_gives_the_same_bytes_and_a_pdf_when_wanted(result, tmp_path, fake_model):
    for name in ("a", "b"):
        assert "report.pdf" in write_outputs(result, tmp_path / name, pdf=True)
    for file in os.listdir(tmp_path / "a"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_the_segmentation_holds_lungs_and_lesions_in_two_layers(result, written):
    (lungs, lesions), records = read_seg_nrrd(written / SEGMENTATION)
    np.testing.assert_array_equal(lungs.array, result.lungs)
    np.testing.assert_array_equal(lesions.array, result.lesions)
    np.testing.assert_allclose(lungs.ijk_to_ras, result.volume.ijk_to_ras, atol=1e-5)
    assert [r.id for r in records] == ["right_lung", "left_lung", "ggo", "consolidation", "effusion"]


def test_segments_say_which_model_made_them(written):
    _, records = read_seg_nrrd(written / SEGMENTATION)
    assert algorithm_tags("convlstm", "1.2.3").items() <= records[0].tags.items()
    assert records[0].tags["DICOM.SegmentAlgorithmName"] == "LesionKit convlstm 1.2.3"


@pytest.mark.parametrize("name", FILES)
def test_no_name_of_a_patient_and_no_path_is_in_a_file(written, name):
    data = (written / name).read_bytes()
    for secret in (NAME, "Doe", "4711", str(written), str(written.parent), written.parent.name):
        assert secret.encode() not in data, secret


def test_when_one_file_fails_none_is_left(result, tmp_path, fake_model, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figures, "overlay", full)
    with pytest.raises(UnusableInput, match="disk is full"):
        write_outputs(result, tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_when_one_file_fails_earlier_results_stay_as_they_were(result, tmp_path, fake_model, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MEASUREMENTS).write_text("earlier")

    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(figures, "overlay", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        write_outputs(result, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == [MEASUREMENTS]
    assert (tmp_path / "out" / MEASUREMENTS).read_text() == "earlier"
