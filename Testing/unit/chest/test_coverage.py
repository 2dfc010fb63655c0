"""Lungs that the image cuts are told, and get no thirds and no score."""

from __future__ import annotations

import numpy as np
import pytest
from chest_fixtures import WAYS, block_chest, stored, turned

from CovidLungQuantLib.measurement.coverage import coverage_of
from CovidLungQuantLib.measurement.findings import list_findings
from CovidLungQuantLib.measurement.live import LiveCounts
from CovidLungQuantLib.measurement.measurements import measure, region
from CovidLungQuantLib.measurement.plausibility import plausibility_notes
from LesionKitLib.imaging.volume import Volume

CHEST = block_chest()  # lungs from 4 to 14 of 14 slices, 4 mm pixels


def cropped(k=slice(None), j=slice(None), i=slice(None)):
    matrix = CHEST.volume.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ [i.start or 0, j.start or 0, k.start or 0]
    return Volume(CHEST.volume.array[k, j, i], matrix), CHEST.lungs[k, j, i], CHEST.lesions[k, j, i]


def notes(volume, lungs, lesions):
    return plausibility_notes(measure(volume, lungs, lesions), coverage_of(volume, lungs))


CUTS = {
    "lower": {"k": slice(4, None)},
    "upper": {"k": slice(0, 9)},
    "front": {"j": slice(20, None)},
    "back": {"j": slice(0, 45)},
    "right": {"i": slice(12, None)},
    "left": {"i": slice(0, 52)},
}


@pytest.mark.parametrize("end", CUTS)
def test_the_end_at_which_lungs_are_cut_is_named(end):
    found = coverage_of(*cropped(**CUTS[end])[:2])
    assert found.ends == (end,) and not found.is_whole


def test_whole_lungs_are_whole_and_get_no_note_about_it():
    found = coverage_of(CHEST.volume, CHEST.lungs)
    assert found.ends == () and found.is_whole
    assert not [note for note in notes(*CHEST) if "cut off" in note]


@pytest.mark.parametrize("way", WAYS[::7])
def test_the_ends_are_the_patients_however_the_image_is_stored(way):
    volume, lungs, _ = cropped(k=slice(4, None), i=slice(12, None))
    turned_lungs = np.ascontiguousarray(stored(lungs, *way))
    assert coverage_of(turned(volume, *way), turned_lungs).ends == ("lower", "right")


@pytest.mark.parametrize("end", ["lower", "right"])
def test_cut_lungs_have_volumes_but_no_thirds_no_score_and_a_note(end):
    case = cropped(**CUTS[end])
    measured = measure(*case)
    assert measured["total"]["lung_ml"] == pytest.approx((case[1] > 0).sum() * case[0].voxel_ml)
    assert region(measured, "right")["burden_percent"] > 0
    thirds = [row for row in measured["regions"] if row["third"] != "all"]
    assert len(thirds) == 9
    assert {value for row in thirds for key, value in row.items() if key not in ("side", "third")} == {None}
    assert measured["severity"]["score"] is None
    assert {zone["score"] for zone in measured["severity"]["zones"]} == {None}
    assert {finding.third for finding in list_findings(*case)} == {""}
    cut, no_thirds = notes(*case)[:2]
    assert "cut off" in cut and ("lower end" if end == "lower" else "field of view (on the right)") in cut
    assert "thirds and the severity score" in no_thirds


def test_a_tip_of_lung_in_the_last_slice_gets_a_note_and_keeps_its_thirds():
    lungs = CHEST.lungs.copy()
    lungs[-1, 30:33, 20:23] = 1  # 144 of some 28,000 mm2
    found = coverage_of(CHEST.volume, lungs)
    assert found.ends == ("upper",) and found.is_whole
    assert region(measure(CHEST.volume, lungs, CHEST.lesions), "right", "upper")["lung_ml"] > 0


def test_a_round_field_of_view_that_cuts_the_lungs_is_named():
    """A circle of 160 mm, the rest padded with -2000."""
    k, j, i = np.indices(CHEST.lungs.shape, sparse=True)
    circle = (j - 31.5) ** 2 + (i - 31.5) ** 2 < 20**2
    array = np.where(circle, CHEST.volume.array, np.int16(-2000))
    lungs = np.where(circle, CHEST.lungs, 0).astype(np.uint8)
    found = coverage_of(CHEST.volume.with_array(array), lungs)
    assert found.ends == ("circle",) and not found.is_whole
    assert "round" in plausibility_notes(measure(CHEST.volume.with_array(array), lungs, lungs * 0), found)[0]


@pytest.mark.parametrize("end", CUTS)
def test_live_counts_of_cut_lungs_are_those_of_measuring_anew(end):
    volume, lungs, lesions = cropped(**CUTS[end])
    counts = LiveCounts(volume)
    counts.update(lungs, lesions)
    assert counts.measurements() == measure(volume, lungs, lesions)


def test_live_counts_follow_a_lung_that_is_painted_to_the_last_slice():
    volume, lungs, lesions = CHEST
    counts = LiveCounts(volume)
    counts.update(lungs, lesions)
    assert counts.measurements()["severity"]["score"] is not None
    longer = lungs.copy()
    longer[-2:] = longer[6]
    counts.update(longer, lesions)
    assert counts.measurements()["severity"]["score"] is None
    assert counts.measurements() == measure(volume, longer, lesions)
