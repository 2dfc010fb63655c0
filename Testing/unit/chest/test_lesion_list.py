"""The lesions of a result one by one."""

from __future__ import annotations

import numpy as np
import pytest

from CovidLungQuantLib.measurement.lesion_list import list_lesions
from CovidLungQuantLib.results.table_rows import comparison_table, third_bars
from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, affine


@pytest.fixture
def lesions():
    labels = np.zeros((12, 30, 40), np.uint8)
    labels[1:3, 2:6, 3:9] = 1
    labels[6:10, 10:20, 20:30] = 2
    labels[6, 10:12, 20:22] = 3  # touches: one lesion, mostly consolidation
    labels[11, 28, 38] = 1  # too small
    return labels


@pytest.mark.parametrize("directions", [LPS_IN_RAS, np.eye(3), np.eye(3)[[2, 0, 1]]])
def test_lesions_come_by_size_with_a_point_inside_each(lesions, directions):
    volume = Volume(np.zeros(lesions.shape, np.int16), affine((2.0, 3.0, 4.0), directions, (5.0, -7.0, 11.0)))
    places = list_lesions(volume, lesions)
    assert [place.key for place in places] == ["consolidation", "ggo"]
    assert [place.ml for place in places] == pytest.approx([400 * 0.024, 48 * 0.024])
    for place, classes in zip(places, ((2, 3), (1,)), strict=True):
        i, j, k, _ = np.rint(np.linalg.inv(volume.ijk_to_ras) @ [*place.ras, 1]).astype(int)
        assert lesions[k, j, i] in classes


def test_the_point_of_a_ring_lies_on_the_ring():
    labels = np.zeros((1, 40, 40), np.uint8)
    labels[0, 5:35, 5:35] = 1
    labels[0, 12:28, 12:28] = 0
    (place,) = list_lesions(Volume(np.zeros(labels.shape, np.int16), affine((1.0, 1.0, 5.0), np.eye(3))), labels)
    i, j, k = np.rint(place.ras / np.array([1.0, 1.0, 5.0])).astype(int)
    assert labels[k, j, i] == 1


def test_no_lesion_gives_an_empty_list():
    volume = Volume(np.zeros((2, 3, 4), np.int16), affine((1.0, 1.0, 1.0)))
    assert list_lesions(volume, np.zeros((2, 3, 4), np.uint8)) == []


def test_the_comparison_is_written_for_people():
    row = {"key": "lesion", "name": "All lesions (burden)", "ai_ml": 12.34, "corrected_ml": 10.0, "delta_ml": -2.34}
    same = {"key": "ggo", "name": "GGO", "ai_ml": 1.0, "corrected_ml": 1.0, "delta_ml": -0.001}
    header, cells = comparison_table(
        [
            row | {"dice": 0.91234, "ai_percent": 3.04, "corrected_percent": None},
            same | {"dice": None, "ai_percent": 0.0, "corrected_percent": 0.0},
        ]
    )
    assert header == ["Class", "AI (ml)", "Now (ml)", "± (ml)", "Dice", "AI (%)", "Now (%)"]
    assert cells == [
        ["All lesions", "12.3", "10.0", "-2.3", "0.912", "3.0", "–"],
        ["GGO", "1.0", "1.0", "0.0", "–", "0.0", "0.0"],
    ]


def test_the_bars_are_the_six_thirds_from_right_upper_to_left_lower():
    regions = [
        {"side": side, "third": third, "ggo_percent": n, "high_opacity_percent": None}
        for n, (side, third) in enumerate((s, t) for s in ("both", "right", "left") for t in ("all", "upper", "lower"))
    ]
    labels, series = third_bars({"regions": regions})
    assert labels == ["R upper", "R lower", "L upper", "L lower"]
    assert series == {"GGO": [4, 5, 7, 8], "High opacity": [None] * 4}
