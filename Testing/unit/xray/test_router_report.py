"""The report of a routing: counts that add up, thumbnails, who needs a person."""

from __future__ import annotations

import re

import numpy as np
import pytest
from dicom_fixtures import PATIENT
from router_fixtures import BrightnessClassifier, write_xray

from BodyPartRouterLib.reading.thumbnail import thumbnail
from BodyPartRouterLib.reading.xray import Xray
from BodyPartRouterLib.results.report import report_of
from BodyPartRouterLib.routing.route_files import plan_files
from LesionKitCLI.main import main
from LesionKitLib.report.html import report_html


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    paths = [write_xray(folder / "a.dcm", "spine", 1), write_xray(folder / "b.dcm", "adult_chest", 2)]
    paths += [write_xray(folder / "<c>.dcm", "unknown", 3), folder / "d.dcm"]
    paths[-1].write_bytes(paths[1].read_bytes()[:900])
    return paths


@pytest.fixture
def routed(images):
    return list(plan_files(images, None, BrightnessClassifier(), thumbnail=thumbnail))


def test_the_classes_add_up_to_all_images(routed):
    table = report_of(routed, BrightnessClassifier(), False).result[1].blocks[0].left
    counts = {row.cells[0]: (int(row.cells[1]), int(row.cells[2])) for row in table.rows}
    every = counts.pop("All")
    assert every == (4, 2) == tuple(map(sum, zip(*counts.values(), strict=True)))
    assert counts["Spine"] == (1, 0) and counts["Not readable"] == (1, 1)


def test_the_page_shows_thumbnails_reasons_model_and_review_and_no_patient(routed):
    text = report_html(report_of(routed, BrightnessClassifier(), False))
    parts = ("AI, not reviewed", "brightness 0", "ab" * 32, "Tests only.", "Images that need a person", "&lt;c&gt;.dcm")
    assert [part for part in parts if part not in text] == [] and PATIENT not in text
    assert text.count("<figure><img") == 1 + 3  # the held one that can be shown; all that can be shown
    assert re.search(r"<figcaption>a\.dcm · Spine 0\.90 · header says CHEST</figcaption>", text)
    assert routed[0].examined.uid in text


def test_a_thumbnail_has_the_proportions_of_the_patient():
    pixels = np.zeros((40, 60), np.float32)
    pixels[:, 30:] = 1
    small = thumbnail(Xray(pixels, aspect=2.0), 80)
    assert small.shape == (80, 60) and small.dtype == np.uint8
    assert small[:, :25].max() == 0 and small[:, 35:].min() == 255


@pytest.mark.parametrize("ending", ["html", "pdf"])
def test_the_command_writes_the_report_that_was_asked_for(images, tmp_path, monkeypatch, ending):
    from BodyPartRouterLib.classification import classifier

    monkeypatch.setattr(classifier, "load_classifier", lambda network="", device="auto": BrightnessClassifier())
    report = tmp_path / "out" / f"report.{ending}"
    assert main(["route", str(images[0].parent), "--report", str(report)]) == 0
    assert report.read_bytes().startswith(b"%PDF" if ending == "pdf" else b"<!DOCTYPE html>")
    assert sorted(path.name for path in report.parent.iterdir()) == [report.name]


def test_a_report_with_another_ending_is_refused_before_anything_is_read(images, tmp_path, capsys):
    assert main(["route", str(images[0]), "--report", str(tmp_path / "report.docx")]) == 3
    assert ".html or .pdf" in capsys.readouterr().err


def test_a_record_names_the_object_that_it_is_of(routed):
    uids = [one.record["sop_instance_uid"] for one in routed]
    assert len(set(uids[:3])) == 3 and all(uids[:3]) and uids[0] == routed[0].examined.uid
