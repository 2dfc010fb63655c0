"""Follow-up: lungs are registered, lesions matched, and what changed is measured in milliliters."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from chest_fixtures import turned
from followup_fixtures import breath, examination, moved

from CovidLungQuantLib.followup.comparison import compare_examinations, in_order_of_date
from CovidLungQuantLib.followup.files import write_followup
from CovidLungQuantLib.followup.lesion_matching import match_lesions
from CovidLungQuantLib.followup.registration import register_lungs
from CovidLungQuantLib.followup.report import burden_over_time, followup_report
from CovidLungQuantLib.measurement.measurements import measure
from CovidLungQuantLib.results.result import CovidResult
from LesionKitLib.imaging.source import ImageSource
from LesionKitLib.report.html import report_html
from LesionKitLib.run.errors import UnusableInput

THEN = (
    (1, (70.0, -40.0, 30.0), 18.0),  # will grow
    (2, (-70.0, 30.0, -40.0), 16.0),  # will shrink
    (1, (60.0, 40.0, -60.0), 12.0),  # will be gone
    (1, (-60.0, -40.0, 60.0), 14.0),  # will stay
)
NOW = (
    (1, (70.0, -40.0, 30.0), 24.0),
    (2, (-70.0, 30.0, -40.0), 11.0),
    (1, (-60.0, -40.0, 60.0), 14.0),
    (1, (75.0, 20.0, 70.0), 12.0),  # new
)


def sphere_ml(radius: float) -> float:
    return 4 / 3 * np.pi * radius**3 / 1000


def result(spheres, motion=None, date="", sha256="", **grid) -> CovidResult:
    lungs, lesions = examination(spheres, motion, **grid)
    hu = np.where(lungs.array > 0, np.where(lesions.array > 0, -500, -850), 40).astype(np.int16)
    volume = replace(lungs.with_array(hu), source=ImageSource(date=date, sha256=sha256))
    measurements = measure(volume, lungs.array, lesions.array)
    return CovidResult(volume, lungs.array, lesions.array, "test", "1", "cpu", {"total": 0.0}, measurements)


@pytest.fixture(scope="module")
def pair():
    return examination(THEN), examination(NOW, breath())


def test_a_place_in_the_lungs_is_found_again_after_a_breath_a_shift_and_a_turn(pair):
    (lungs, _), (later, _) = pair
    transform = register_lungs(lungs, later)
    assert transform.overlap > 0.95
    places = np.array([center for _, center, _ in THEN])
    assert np.abs(transform.apply(places) - moved(breath(), places)).max() < 6.0


def test_the_same_lungs_always_give_the_same_transform(pair):
    (lungs, _), (later, _) = pair
    np.testing.assert_array_equal(register_lungs(lungs, later).matrix, register_lungs(lungs, later).matrix)


def test_there_and_back_is_where_one_began(pair):
    (lungs, _), (later, _) = pair
    transform = register_lungs(lungs, later)
    places = np.array([center for _, center, _ in THEN])
    np.testing.assert_allclose(transform.inverse().apply(transform.apply(places)), places, atol=1e-6)


def test_an_examination_without_lungs_is_refused(pair):
    (lungs, _), _ = pair
    with pytest.raises(UnusableInput, match="no lungs"):
        register_lungs(lungs, lungs.with_array(np.zeros_like(lungs.array)))


def changes_of(pair):
    (lungs, lesions), (later_lungs, later_lesions) = pair
    return match_lesions(lesions, later_lesions, register_lungs(lungs, later_lungs))


def test_lesions_are_grown_shrunk_stable_new_and_gone(pair):
    changes = {change.status: change for change in changes_of(pair)}
    assert sorted(changes) == ["gone", "grown", "new", "shrunk", "stable"]
    for status, (then, now) in {
        "grown": (18.0, 24.0), "shrunk": (16.0, 11.0), "stable": (14.0, 14.0), "gone": (12.0, None), "new": (None, 12.0)
    }.items():  # fmt: skip
        earlier, later = (0.0 if radius is None else sphere_ml(radius) for radius in (then, now))
        assert changes[status].earlier_ml == pytest.approx(earlier, rel=0.05)
        assert changes[status].later_ml == pytest.approx(later, rel=0.05)
    assert changes["new"].change_percent is None and changes["gone"].change_percent == -100.0


def test_growth_does_not_depend_on_how_the_later_scan_is_stored(pair):
    (lungs, lesions), _ = pair
    later_lungs, later_lesions = examination(NOW, breath(), spacing=(2.5, 2.5, 5.0))
    stored = [turned(v, (2, 0, 1), (True, False, True)) for v in (later_lungs, later_lesions)]
    changes = {c.status: c.later_ml for c in match_lesions(lesions, stored[1], register_lungs(lungs, stored[0]))}
    for status, radius in (("grown", 24.0), ("shrunk", 11.0), ("stable", 14.0), ("new", 12.0)):
        assert changes[status] == pytest.approx(sphere_ml(radius), rel=0.05)


def test_lesions_that_merge_are_one_group_with_the_sum_of_their_volumes():
    two = ((1, (70.0, 0.0, 20.0), 12.0), (1, (70.0, 0.0, -20.0), 12.0))
    (lungs, before), (_, after) = examination(two), examination([(1, (70.0, 0.0, 0.0), 30.0)])
    (change,) = match_lesions(before, after, register_lungs(lungs, lungs))
    assert (change.earlier_lesions, change.later_lesions, change.status) == (2, 1, "grown")
    assert change.earlier_ml == pytest.approx(2 * sphere_ml(12.0), rel=0.05)


def test_an_effusion_is_not_matched_with_a_consolidation_in_its_place():
    place = (70.0, -30.0, -40.0)
    (lungs, before), (_, after) = examination([(3, place, 20.0)]), examination([(2, place, 20.0)])
    changes = match_lesions(before, after, register_lungs(lungs, lungs))
    assert {(change.kind, change.status) for change in changes} == {("effusion", "gone"), ("parenchymal", "new")}


def test_the_same_examination_twice_has_not_changed_and_is_said_to_be_given_twice():
    one = result(THEN, date="2020-03-01", sha256="a")
    followup = compare_examinations([one, one])
    assert {change.status for change in followup.intervals[0].changes} == {"stable"}
    assert all(change.change_percent == 0 for change in followup.intervals[0].changes)
    assert any("more than once" in note for note in followup.notes)


def test_examinations_are_put_in_the_order_of_their_dates_and_that_is_said():
    later, earlier = result(NOW, breath(), "2020-03-20"), result(THEN, None, "2020-03-01")
    followup = compare_examinations([later, earlier])
    assert followup.examinations == (earlier, later) and followup.intervals[0].days == 19
    assert followup.intervals[0].counts() == {"new": 1, "grown": 1, "stable": 1, "shrunk": 1, "gone": 1}
    assert any("order of their dates" in note for note in followup.notes)


def test_without_dates_the_given_order_stays_and_that_is_said():
    first, second = result(THEN), result(NOW)
    ordered, notes = in_order_of_date([second, first])
    assert ordered == [second, first] and "in which they were given" in notes[0]


def test_the_document_holds_milliliters_then_and_now_and_their_difference():
    followup = compare_examinations([result(THEN, None, "2020-03-01"), result(NOW, breath(), "2020-03-20")])
    document = followup.document()
    ggo = sum(sphere_ml(r) for r in (24.0, 14.0, 12.0)) - sum(sphere_ml(r) for r in (18.0, 12.0, 14.0))
    assert document["intervals"][0]["changes_ml"]["ggo_ml"] == pytest.approx(ggo, rel=0.05)
    assert [e["total"]["ggo_ml"] > 0 for e in document["examinations"]] == [True, True]


def test_any_number_of_dates_makes_one_interval_fewer():
    dates = ("2020-03-01", "2020-03-10", "2020-03-20")
    followup = compare_examinations([result(s, None, d) for s, d in zip((THEN, NOW, NOW), dates, strict=True)])
    assert [interval.days for interval in followup.intervals] == [9, 10]
    with pytest.raises(ValueError, match="two examinations"):
        compare_examinations(list(followup.examinations[:1]))


def test_other_kernels_and_thicknesses_are_said():
    one, other = result(THEN, None, "2020-03-01"), result(THEN, None, "2020-03-20")
    facts = ((one, "B30f", 1.0), (other, "B70f", 5.0))
    sources = [replace(r.volume.source, kernel=kernel, slice_thickness=mm) for r, kernel, mm in facts]
    pair = [replace(r, volume=replace(r.volume, source=s)) for r, s in zip((one, other), sources, strict=True)]
    notes = " ".join(compare_examinations(pair).notes)
    assert "B30f, B70f" in notes and "(1, 5)" in notes


def test_lungs_of_another_size_bring_a_note():
    one, half = result(THEN, None, "2020-03-01"), result(THEN, None, "2020-03-20")
    lungs = half.lungs.copy()
    lungs[: len(lungs) // 2] = 0
    cut = replace(half, lungs=lungs, measurements=measure(half.volume, lungs, half.lesions))
    assert any("compare with care" in note for note in compare_examinations([one, cut]).notes)


def test_lungs_that_cannot_be_laid_over_each_other_bring_a_note():
    one, other = result(THEN, None, "2020-03-01"), result(THEN, None, "2020-03-20")
    lungs = other.lungs.copy()
    lungs[lungs == 2] = 0
    lungs[:, : lungs.shape[1] // 2] = 0
    odd = replace(other, lungs=lungs, measurements=measure(other.volume, lungs, other.lesions))
    assert any("differ in shape" in note for note in compare_examinations([one, odd]).notes)


# --- what is written


@pytest.fixture(scope="module")
def followup():
    return compare_examinations([result(THEN, None, "2020-03-01", "a"), result(NOW, breath(), "2020-03-20", "b")])


def test_a_followup_is_written_with_each_examinations_own_files(followup, tmp_path):
    names = write_followup(followup, tmp_path / "out")
    assert set(names) == {"followup.json", "examinations.csv", "changes.csv", "report.html"}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted([*names, "examination-1", "examination-2"])
    for n, one in enumerate(followup.examinations, 1):
        own = json.loads((tmp_path / "out" / f"examination-{n}" / "measurements.json").read_text("utf-8"))
        assert own["id"] == one.provenance().id and own["source"]["date"] == one.volume.source.date
    document = json.loads((tmp_path / "out" / "followup.json").read_text("utf-8"))
    assert document == json.loads(json.dumps(followup.document()))


def test_the_tables_of_a_followup_join_on_the_images_ids(followup, tmp_path):
    write_followup(followup, tmp_path / "out")
    with (tmp_path / "out" / "examinations.csv").open(encoding="utf-8") as file:
        examinations = list(csv.DictReader(file))
    with (tmp_path / "out" / "changes.csv").open(encoding="utf-8") as file:
        changes = list(csv.DictReader(file))
    assert [row["days"] for row in examinations] == ["", "19"]
    ids = [row["id"] for row in examinations]
    assert {(row["earlier_id"], row["later_id"]) for row in changes} == {tuple(ids)}
    assert sorted(row["status"] for row in changes) == ["gone", "grown", "new", "shrunk", "stable"]


def test_the_report_shows_every_date_each_change_and_the_same_place_then_and_now(followup):
    page = report_html(followup_report(followup))
    for text in ("2020-03-01", "2020-03-20", "grown", "gone", "Burden at each date", "A column shows the same place"):
        assert text in page
    assert page.count("<img") == 6
    drawing = burden_over_time(followup)
    assert "2020-03-01" in drawing.description and "2020-03-20" in drawing.description


def test_the_same_followup_is_written_in_the_same_bytes(followup, tmp_path):
    for name in ("one", "other"):
        write_followup(followup, tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) > 10
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes(), file
