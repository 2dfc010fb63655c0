"""The report of a synthetic brain image, and what its files say it is of."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from stroke_fixtures import GRAYS, lesion_mask

from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.report.html import report_html
from StrokeSynthLib.labels import LESION, TISSUES
from StrokeSynthLib.results.synthesis_files import write_synthesis
from StrokeSynthLib.results.synthesis_report import cards_of, synthesis_report
from StrokeSynthLib.segmentation.template import load_template
from StrokeSynthLib.synthesis.synthesis import Synthesis


@pytest.fixture(scope="module")
def made() -> Synthesis:
    labels = load_template().labels
    values = np.where(lesion_mask(labels.array.shape) & (labels.array > 0), LESION.value, labels.array)[::4, ::4, ::4]
    matrix = labels.ijk_to_ras @ np.diag([4, 4, 4, 1.0])
    source = ImageSource(file="labels.nii.gz", sha256="12" * 32)
    lookup = np.array([GRAYS.get(n, 0) for n in range(LESION.value + 1)], np.int16)
    image = Volume(lookup[values], matrix)
    return Synthesis(image, Volume(values.astype(np.uint8), matrix, source=source), "stroke-pix2pix 1.0.0", 7)


def test_the_files_say_which_label_map_and_networks_they_are_of_and_that_no_patient_is_shown(made, tmp_path):
    names = write_synthesis(made, tmp_path / "out", pdf=True)
    assert sorted(os.listdir(tmp_path / "out")) == sorted(names)
    about = json.loads((tmp_path / "out" / "synthesis.json").read_text(encoding="utf-8"))
    assert about["source"]["file"] == "labels.nii.gz" and about["source"]["sha256"] == "12" * 32
    assert (about["network"], about["version"]) == ("stroke-pix2pix", "1.0.0") and about["weights"]["stroke-pix2pix"]
    assert about["review"] == "synthetic, not a patient's image" and about["seed"] == 7


def test_two_images_of_one_label_map_have_two_ids(made, tmp_path):
    other = replace(made, image=made.image.with_array(made.image.array + 1))
    ids = []
    for n, result in enumerate((made, other)):
        write_synthesis(result, tmp_path / str(n))
        ids.append(json.loads((tmp_path / str(n) / "synthesis.json").read_text())["id"])
    assert ids[0] != ids[1]


def test_the_classes_of_the_report_add_up_and_the_planes_are_three(made):
    report = synthesis_report(made, cards_of(made))
    rows = {row.cells[0]: row.cells[1] for row in report.result[1].blocks[0].left.rows}
    assert set(rows) == {"All", LESION.name, *(tissue.name for tissue in TISSUES)}
    whole = np.count_nonzero(made.labels.array) * made.labels.voxel_ml
    assert float(rows["All"].split("\u00a0")[0].replace("\u202f", "")) == pytest.approx(whole, abs=1)
    text = report_html(report)
    parts = (
        "synthetic, not a patient",
        "Coronal slice",
        "Sagittal slice",
        "MR window",
        "outlines of all classes",
        "seed",
    )
    assert [part for part in parts if part not in text] == []
