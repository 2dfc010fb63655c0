"""Lungs that the field of view cuts are segmented as far as they are seen."""

from __future__ import annotations

import json

import numpy as np
import pytest
from chest_fixtures import AIR_LUNG, BODY, FakeHeads, ThresholdNetwork, block_chest

from CovidLungQuantLib import pipeline
from CovidLungQuantLib.pipeline import analyze
from CovidLungQuantLib.results.files import write_outputs
from CovidLungQuantLib.segmentation.cut_lungs import midline_of_halved_body, with_missed_air, with_tissue_for_padding
from CovidLungQuantLib.segmentation.frames import FramePlacement
from CovidLungQuantLib.segmentation.gas import drop_gas
from LesionKitLib.imaging.volume import Volume, affine
from LesionKitLib.models.registry import find_model

CHEST = block_chest((2.0, 2.0, 4.0))
LUNGS = np.where(CHEST.lungs > 0, AIR_LUNG, BODY).astype(np.int16)  # without lesions


class MissingOneThird(ThresholdNetwork):
    """Finds the lung, without lesions, but for the front of the picture; the room's air it knows."""

    def stream(self, batches, workers=None):
        for batch in batches:
            yield LungHeads(batch)


class LungHeads(FakeHeads):
    def probabilities(self):
        import torch

        lung = self._below((BODY + AIR_LUNG) / 2) - self._below(-900)
        lung[:, :, : lung.shape[2] // 3] = 0
        return torch.cat([lung, *[torch.zeros_like(lung)] * 4], 1)


def cut(columns: slice, rows: slice = slice(None)) -> tuple[Volume, np.ndarray]:
    matrix = CHEST.volume.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ [columns.start or 0, rows.start or 0, 0]
    return Volume(LUNGS[:, rows, columns], matrix), CHEST.lungs[:, rows, columns]


@pytest.mark.parametrize(
    ("columns", "rows", "words"),
    [
        (slice(20, -20), slice(None), "on the right and on the left"),
        (slice(0, -24), slice(None), "on the left"),
        (slice(24, -24), slice(32, -32), "in front, at the back, on the right and on the left"),
    ],
    ids=["zoom", "one side", "heart"],
)
@pytest.mark.usefixtures("threshold_network")
def test_all_lung_that_is_seen_is_segmented_and_noted(columns, rows, words):
    volume, lungs = cut(columns, rows)
    result = analyze(volume)
    np.testing.assert_array_equal(result.lungs, lungs)
    assert any(f"cut off by the field of view ({words})" in note for note in result.notes)
    assert result.measurements["severity"]["score"] is None


@pytest.mark.parametrize(("half", "side"), [(slice(74, None), "left"), (slice(0, 74), "right")])
def test_one_half_of_a_chest_is_that_side_and_the_other_lung_is_said_to_be_outside(fake_model, monkeypatch, half, side):
    monkeypatch.setattr(pipeline, "load_network", lambda name: (find_model("covid-convlstm"), MissingOneThird()))
    room = ((0, 0), (10, 10), (10, 10))
    lungs = np.pad(CHEST.lungs, room)[:, :, half]
    volume = Volume(np.pad(LUNGS, room, constant_values=-1000)[:, :, half], CHEST.volume.ijk_to_ras)
    result = analyze(volume)
    np.testing.assert_array_equal(result.lungs, lungs)
    other = "right" if side == "left" else "left"
    assert any(note.startswith(f"The {other} lung is not in the field of view") for note in result.notes)


@pytest.mark.usefixtures("threshold_network")
def test_lungs_in_a_round_field_of_view_end_where_it_ends():
    j, i = np.ogrid[-127:127:128j, -127:127:128j]
    circle = j**2 + i**2 < 90**2
    result = analyze(CHEST.volume.with_array(np.where(circle, LUNGS, np.int16(-2000))))
    truth = ((CHEST.lungs > 0) & circle).sum()
    assert not (result.lungs > 0)[:, ~circle].any()
    assert (result.lungs > 0).sum() == pytest.approx(truth, rel=0.03)
    assert any("edge of the round picture" in note for note in result.notes)


@pytest.mark.usefixtures("threshold_network")
@pytest.mark.parametrize(("slices", "words"), [(slice(0, 10), "upper end"), (slice(9, None), "lower end")])
def test_a_slab_has_the_volume_that_is_seen_and_a_note(slices, words):
    result = analyze(Volume(LUNGS[slices], CHEST.volume.ijk_to_ras))
    assert result.measurements["total"]["lung_ml"] == pytest.approx((CHEST.lungs[slices] > 0).sum() * 0.016, rel=1e-3)
    assert any(words in note and "cut off" in note for note in result.notes)


@pytest.mark.usefixtures("threshold_network")
def test_a_report_and_tables_of_cut_lungs_can_be_written(tmp_path):
    result = analyze(Volume(CHEST.volume.array[:12], CHEST.volume.ijk_to_ras))
    write_outputs(result, tmp_path / "out")
    document = json.loads((tmp_path / "out" / "measurements.json").read_text(encoding="utf-8"))
    assert document["severity"]["score"] is None and document["total"]["ggo_ml"] > 0
    thirds = [row for row in document["regions"] if row["third"] != "all"]
    assert {row["burden_percent"] for row in thirds} == {None}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "cut off at the upper end" in page and "None" not in page


@pytest.mark.usefixtures("threshold_network")
def test_a_patient_with_one_lung_is_measured_without_a_score():
    array = np.where(CHEST.lungs == 1, BODY, LUNGS).astype(np.int16)
    result = analyze(CHEST.volume.with_array(array))
    np.testing.assert_array_equal(result.lungs, np.where(CHEST.lungs == 2, 2, 0))
    assert any("Of the right lung nothing was found" in note for note in result.notes)
    assert result.measurements["severity"]["score"] is None


def test_air_that_a_network_leaves_out_of_cut_lungs_is_added_on_its_side():
    volume, lungs = cut(slice(20, -20))
    missed = lungs.copy()
    missed[:, :, :30] = 0
    np.testing.assert_array_equal(with_missed_air(volume, missed), lungs)


def test_the_trachea_is_not_added_to_cut_lungs():
    volume, lungs = cut(slice(20, -20))
    array = volume.array.copy()
    array[4:24, 60:68, 40:48] = -940  # in the mediastinum
    array[10:12, 60:68, 32:48] = -940  # a bronchus from there into the right lung
    np.testing.assert_array_equal(with_missed_air(volume.with_array(array), lungs)[12:24], lungs[12:24])


def test_air_apart_from_the_lungs_that_were_found_is_not_added():
    volume, lungs = cut(slice(20, -20))
    array = volume.array.copy()
    array[:, 2:16, :30] = AIR_LUNG  # something soft in the corner of the picture
    np.testing.assert_array_equal(with_missed_air(volume.with_array(array), lungs), lungs)


def test_padding_around_cut_lungs_is_shown_as_tissue():
    j, i = np.ogrid[-127:127:128j, -127:127:128j]
    padded = np.where(j**2 + i**2 < 88**2, LUNGS, np.int16(-1024))
    shown = with_tissue_for_padding(CHEST.volume.with_array(padded)).array
    assert shown.min() == AIR_LUNG and shown[0, 0, 0] == 40
    assert with_tissue_for_padding(CHEST.volume) is CHEST.volume


@pytest.mark.parametrize(
    ("columns", "middle"), [(slice(None), None), (slice(8, -8), None), (slice(32, None), 0), (slice(0, 32), 31)]
)
def test_the_middle_of_a_body_that_is_cut_on_one_side_lies_there(columns, middle):
    body = np.full((10, 40, 64), -1000, np.int16)
    body[:, 5:35, 4:60] = 40
    assert midline_of_halved_body(Volume(body[:, :, columns], affine((4.0, 4.0, 4.0)))) == middle


def test_flanks_that_are_cut_too_do_not_hide_where_the_middle_lies():
    body = np.full((10, 60, 64), -1000, np.int16)
    body[:, 5:55] = 40  # wider than the picture ...
    body[:, :18, 50:], body[:, 42:, 50:] = -1000, -1000  # ... and round
    assert midline_of_halved_body(Volume(body, affine((4.0, 4.0, 4.0)))) == 0
    body[:, :18, :14], body[:, 42:, :14] = -1000, -1000
    assert midline_of_halved_body(Volume(body, affine((4.0, 4.0, 4.0)))) is None


def test_beyond_the_picture_a_frame_shows_its_mirror_image():
    picture = np.arange(12.0)[None, :] + np.zeros((12, 1))
    frame = FramePlacement(0, -4, (1.0, 1.0), (12, 20)).cut(picture, mirror=True)
    np.testing.assert_allclose(frame[3], [4, 3, 2, 1, *range(12), 10, 9, 8, 7])


def gas_in(surroundings: float) -> tuple[Volume, np.ndarray]:
    """200 ml of gas, taken for lung, in tissue of that density; and a lung."""
    hu = np.full((30, 60, 60), 40, np.int16)
    lungs = np.zeros(hu.shape, np.uint8)
    hu[:, 5:25, 5:55], lungs[:, 5:25, 5:55] = -850, 1
    hu[5:25, 29:51, 9:51] = surroundings
    hu[8:22, 32:48, 12:48], lungs[8:22, 32:48, 12:48] = -995, 2
    return Volume(hu, affine((3.0, 3.0, 3.0))), lungs


@pytest.mark.parametrize(("surroundings", "is_lung"), [(40, False), (-800, True)], ids=["bowel", "bulla"])
def test_gas_in_tissue_is_taken_out_of_the_lungs_and_gas_in_lung_is_not(surroundings, is_lung):
    volume, lungs = gas_in(surroundings)
    found, _ = drop_gas(volume.array, lungs, np.zeros_like(lungs), volume.spacing)
    assert (found == 2).any() == is_lung
    np.testing.assert_array_equal(found == 1, lungs == 1)
