"""What is said of each lesion."""

from __future__ import annotations

import json

import numpy as np
import pytest
from chest_fixtures import WAYS, block_chest, stored, turned

from CovidLungQuantLib.measurement.findings import HEADER, finding_rows, list_findings
from LesionKitLib.imaging.volume import Volume, affine

SPACING = (2.0, 2.0, 5.0)


def chest():
    """LPS, feet to head: two square lungs in 20 of 22 slices, and four lesions."""
    lungs = np.zeros((22, 100, 140), np.uint8)
    lungs[1:21, 20:80, 10:60] = 1  # the patient's right lies at the left
    lungs[1:21, 20:80, 80:130] = 2
    lesions = np.zeros_like(lungs)
    lesions[17:20, 40:50, 12:17] = 1  # right upper, at the chest wall
    lesions[10:12, 45:55, 50:58] = 2  # right middle, towards the heart
    lesions[2:6, 70:80, 90:120] = 3  # left lower, at the back
    lesions[2:6, 65:70, 90:120] = 1  # touches it
    return Volume(np.zeros(lungs.shape, np.int16), affine(SPACING)), lungs, lesions


def test_each_lesion_is_placed_and_measured():
    found = list_findings(*chest())
    assert [(f.kind, f.side, f.third, f.zone) for f in found] == [
        ("effusion", "left", "lower", "peripheral"),
        ("consolidation", "right", "middle", "central"),
        ("ggo", "right", "upper", "peripheral"),
    ]
    assert [f.slices for f in found] == [4, 2, 3]
    assert [f.ml for f in found] == pytest.approx([n * 0.02 for n in (4 * 15 * 30, 160, 150)])


def test_the_extent_is_the_longest_diameter_in_a_slice():
    assert list_findings(*chest())[0].extent_mm == pytest.approx(np.hypot(29 * 2, 14 * 2) + 2)


@pytest.mark.parametrize("way", WAYS[::7])
def test_the_same_is_said_of_the_same_image_stored_in_another_way(way):
    case = block_chest()
    upright = list_findings(case.volume, case.lungs, case.lesions)
    other = list_findings(
        turned(case.volume, *way), *(np.ascontiguousarray(stored(a, *way)) for a in (case.lungs, case.lesions))
    )
    assert [(f.kind, f.side, f.third, f.zone, f.slices) for f in other] == [
        (f.kind, f.side, f.third, f.zone, f.slices) for f in upright
    ]
    for one, two in zip(upright, other, strict=True):
        assert two.ml == pytest.approx(one.ml) and two.extent_mm == pytest.approx(one.extent_mm)
    assert upright[0].side == "right"


def test_a_lesion_beside_the_lungs_belongs_to_the_nearer_one():
    volume, lungs, _ = chest()
    lesions = np.zeros_like(lungs)
    lesions[5:8, 82:92, 100:110] = 2
    (finding,) = list_findings(volume, lungs, lesions)
    assert finding.side == "left"


def test_rows_are_for_people_and_json_for_programs():
    found = list_findings(*chest())
    rows = finding_rows([finding.row() for finding in found])
    assert [len(row) for row in rows] == [len(HEADER)] * 3
    assert rows[0][0] == 1 and rows[0][3:6] == ["left", "lower", "peripheral"]
    json.dumps([f.row() for f in found], allow_nan=False)


def test_nothing_found_gives_no_rows():
    volume, lungs, lesions = chest()
    assert list_findings(volume, lungs, lesions * 0) == [] and finding_rows([]) == []
