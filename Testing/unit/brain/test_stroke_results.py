"""What a segmented stroke leaves: territories, the report, tables that say what they are of."""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
from stroke_fixtures import brain

from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.report.html import report_html
from StrokeSynthLib.measurement.measurements import measure
from StrokeSynthLib.measurement.territories import OUTSIDE, lesion_territories, territory_volumes, title
from StrokeSynthLib.results import files
from StrokeSynthLib.results.files import HEADER, export_files, write_outputs
from StrokeSynthLib.results.report import report_of
from StrokeSynthLib.results.result import StrokeResult


@pytest.fixture(scope="module")
def result() -> StrokeResult:
    volume, lesion = brain(4)
    volume = replace(volume, source=ImageSource(series_uid="1.2.3", series_description="FLAIR", sha256="cd" * 32))
    inside = (volume.array > 0).astype(np.uint8)
    lesion = lesion.astype(np.uint8)
    return StrokeResult(
        volume, lesion, inside, None, "stroke-unet", "", "CPU", {"total": 1.0},
        measure(volume, lesion, inside, np.eye(4)), np.eye(4),
    )  # fmt: skip


def page(result: StrokeResult) -> str:
    return report_html(report_of(result))


def point(x: float, y: float, z: float) -> tuple[Volume, np.ndarray]:
    """A ball of lesion about a place in MNI mm, on a grid of 2 mm."""
    volume = Volume(np.zeros((100, 110, 100), np.int16), affine((2, 2, 2), origin=(100, 100, -100)))
    k, j, i = np.indices(volume.array.shape)
    ras = np.stack([i, j, k, np.ones_like(i)], -1) @ volume.ijk_to_ras.T
    return volume, np.linalg.norm(ras[..., :3] - (x, y, z), axis=-1) < 5


@pytest.mark.parametrize(
    ("place", "territory"),
    [
        ((-50, 0, 0), "left MCA"),
        ((50, 0, 0), "right MCA"),
        ((-6, 40, 40), "left ACA"),
        ((10, -90, 0), "right PCA"),
        ((20, -60, -45), "right inferior cerebellar"),
    ],
)
def test_a_lesion_has_the_territory_of_the_artery_that_runs_there(place, territory):
    (found,) = lesion_territories(*point(*place), np.eye(4))
    assert found["territory"].startswith(territory) and found["territory_percent"] > 50


def test_territories_follow_the_images_own_alignment():
    volume, lesion = point(-50, 0, 0)
    shift = np.eye(4)
    shift[0, 3] = -100  # MNI lies 100 mm to the left of the image: the lesion is right in the brain
    (found,) = lesion_territories(volume, lesion, shift)
    assert found["territory"].startswith("right MCA")


def test_a_lesion_outside_the_atlas_is_said_to_be_there():
    (found,) = lesion_territories(*point(-90, -110, 80), np.eye(4))
    assert found == {"territory": OUTSIDE, "territory_percent": 100.0}
    assert title(0) == OUTSIDE and title(32) == "right lateral ventricle"


def test_the_volumes_of_the_territories_add_up_to_the_lesion(result):
    volumes = territory_volumes(result.volume, result.lesion, result.to_image)
    assert sum(volumes.values()) == pytest.approx(result.measurements["lesion_ml"])
    assert list(volumes.values()) == sorted(volumes.values(), reverse=True)


def test_json_and_table_carry_id_series_and_territory(result, tmp_path):
    names = write_outputs(result, tmp_path / "out", pdf=True)
    assert sorted(os.listdir(tmp_path / "out")) == sorted(names) and "report.pdf" in names
    document = json.loads((tmp_path / "out" / "measurements.json").read_text(encoding="utf-8"))
    assert document["id"] == "cd" * 8 and document["source"]["series_uid"] == "1.2.3"
    assert document["components"][0]["territory"] and document["review"] == "AI, not reviewed"
    with (tmp_path / "out" / "measurements.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["component"] for row in rows] == ["all", *map(str, range(1, document["lesions"] + 1))]
    assert {row["id"] for row in rows} == {"cd" * 8} and set(HEADER) < set(rows[0])
    assert rows[1]["territory"] == document["components"][0]["territory"]


def test_the_same_result_gives_the_same_bytes(result, tmp_path):
    for name in ("a", "b"):
        write_outputs(result, tmp_path / name, pdf=True)
    for file in os.listdir(tmp_path / "a"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_the_report_shows_three_planes_with_the_window_named(result):
    captions = re.findall(r"<figcaption>([^<]+)</figcaption>", page(result))
    for plane in ("Axial", "Coronal", "Sagittal"):
        assert any(text.startswith(plane) and "MR window" in text for text in captions)
    assert any("without outlines" in text for text in captions)


def test_the_report_names_series_territory_and_review_and_no_patient(result):
    text = page(replace(result, volume=replace(result.volume, name="DOE^JANE")))
    parts = ("FLAIR", "1.2.3", "AI, not reviewed", "MCA", "Johns Hopkins", "CC BY-SA 4.0")
    assert [part for part in parts if part not in text] == [] and "DOE^JANE" not in text


def test_the_lesions_of_the_first_page_add_up(result):
    lesion = result.lesion.copy()
    brain_voxels = np.argwhere(result.brain > 0)[:: len(np.argwhere(result.brain > 0)) // 12]
    lesion[tuple(brain_voxels.T)] = 1
    measurements = measure(result.volume, lesion, result.brain, np.eye(4))
    made = replace(result, lesion=lesion, measurements=measurements)
    table = report_of(made).result[1].blocks[0].left
    shown = [float(row.cells[1].split("\u00a0")[0]) for row in table.rows]
    assert sum(shown[:-1]) == pytest.approx(shown[-1], abs=0.05) and "more" in table.rows[-2].cells[0]


def test_a_brain_without_lesion_has_a_report(result):
    none = np.zeros_like(result.lesion)
    text = page(replace(result, lesion=none, measurements=measure(result.volume, none, result.brain, np.eye(4))))
    assert "No stroke lesion was found." in text


def test_what_people_corrected_is_said_to_be(result, tmp_path):
    export_files(result, tmp_path, ["table"], editing={"edits": 2, "reviewed": False})
    assert "corrected by a person" in json.loads((tmp_path / "measurements.json").read_text())["review"]
    export_files(result, tmp_path, ["table"], editing={"edits": 2, "reviewed": True})
    assert json.loads((tmp_path / "measurements.json").read_text())["review"] == "AI, reviewed by a person"


def test_the_license_of_the_atlas_lies_beside_it():
    from LesionKitLib.io.resources import resource

    notice = resource("StrokeSynthLib", "ArterialAtlas", "NOTICE.txt").read_text(encoding="utf-8")
    assert "Johns Hopkins University" in notice and "CC BY-SA 4.0" in notice and "adaptation" in notice
    assert files.KINDS["report"] == ("report.html", "overlay.png")
