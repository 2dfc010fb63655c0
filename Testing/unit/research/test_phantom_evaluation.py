"""Volumes on phantoms: the grids drawn, and which found voxel counts for which lesion."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from chest_fixtures import block_chest

from CovidLungQuantLib.phantoms import chest
from CovidLungQuantLib.phantoms.chest import Phantom, PhantomLesion
from LesionKitLib.imaging.volume import Volume, affine, obliquity_degrees
from LesionKitResearch.evaluation import covid_phantoms
from LesionKitResearch.evaluation.covid_phantoms import MAX_TURN_DEGREES, evaluate_phantoms, lesion_rows, random_grid


def two_balls() -> Phantom:
    """Two ground-glass lesions of 8 x 8 x 8 voxels of 2 mm, 60 mm apart."""
    lesions = np.zeros((40, 40, 40), np.uint8)
    lesions[4:12, 4:12, 4:12] = lesions[28:36, 28:36, 28:36] = 1
    volume = Volume(np.zeros(lesions.shape, np.int16), affine((2, 2, 2)))
    ml = 512 * 8 / 1000
    listed = []
    for center in (7.5, 31.5):
        ras = volume.ijk_to_ras @ [center, center, center, 1]
        listed.append(PhantomLesion("ggo", ml, tuple(ras[:3])))
    return Phantom(volume, lesions, lesions, tuple(listed), {})


def test_random_grids_are_orthonormal_and_every_second_one_is_oblique():
    turns = []
    for n in range(40):
        spacing, directions = random_grid(np.random.default_rng([1, n]))
        np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-12)
        assert min(spacing) >= 0.7 and max(spacing) <= 4.0
        turns.append(obliquity_degrees(Volume(np.zeros((2, 2, 2)), affine(spacing, directions))))
    oblique = [turn for turn in turns if turn > 0.1]
    assert 10 < len(oblique) < 30 and max(oblique) <= MAX_TURN_DEGREES


def test_random_grids_come_in_many_orders_and_flips():
    drawn = {tuple(np.rint(random_grid(np.random.default_rng([2, n]))[1]).ravel()) for n in range(40)}
    assert len(drawn) > 20


def test_what_is_found_exactly_has_no_error():
    case = two_balls()
    rows = lesion_rows(case, case.lesions)
    assert [row["key"] for row in rows] == ["ggo", "ggo"]
    assert [row["error_percent"] for row in rows] == pytest.approx([0, 0])


def test_each_lesion_answers_for_what_is_found_next_to_it():
    case = two_balls()
    found = case.lesions.copy()
    found[4:8, 4:12, 4:12] = 0  # half of the first is missed
    found[28:36, 28:36, 36:38] = 1  # a quarter too much of the second
    assert [row["error_percent"] for row in lesion_rows(case, found)] == pytest.approx([-50, 25])


def test_what_is_found_far_from_every_lesion_counts_for_none():
    case = two_balls()
    found = case.lesions.copy()
    found[4:12, 28:36, 4:12] = 1
    assert [row["error_percent"] for row in lesion_rows(case, found)] == pytest.approx([0, 0])


def test_another_kind_does_not_count():
    case = two_balls()
    assert [row["error_percent"] for row in lesion_rows(case, 2 * case.lesions)] == pytest.approx([-100, -100])


@pytest.fixture
def evaluated(monkeypatch):
    """Evaluation of phantoms that are chests of boxes, read by a pipeline that finds a tenth too much in all."""
    from CovidLungQuantLib import pipeline

    asked = []

    def make(seed, spacing, directions):
        asked.append((seed, spacing, directions.tolist()))
        chest = block_chest((8.0, 8.0, 8.0))
        lesions = np.where(chest.lesions == 1, 1, 0).astype(np.uint8)
        ml = float((lesions > 0).sum()) * chest.volume.voxel_ml
        center = np.argwhere(lesions > 0).mean(0)[::-1]
        ras = chest.volume.ijk_to_ras @ [*center, 1]
        return Phantom(chest.volume, chest.lungs, lesions, (PhantomLesion("ggo", ml / 1.1, tuple(ras[:3])),), {})

    def analyze(volume, network, device):
        chest = block_chest((8.0, 8.0, 8.0))
        return SimpleNamespace(lesions=np.where(chest.lesions == 1, 1, 0).astype(np.uint8))

    monkeypatch.setattr(chest, "make_phantom", make)
    monkeypatch.setattr(pipeline, "analyze", analyze)
    return asked


def test_the_document_counts_lesions_and_totals_within_their_limits(evaluated):
    document = evaluate_phantoms(3, 7)
    assert (document["n"], len(document["lesions"]), len(document["totals"])) == (3, 3, 3)
    assert document["worst_lesion_percent"] == document["worst_total_percent"] == pytest.approx(10)
    assert document["median_lesion_percent"] == document["median_total_percent"] == pytest.approx(10)
    assert document["totals_within_5_percent"] == 0
    json.dumps(document, allow_nan=False)


def test_the_same_seed_draws_the_same_phantoms(evaluated):
    for seed in (7, 7, 8):
        evaluate_phantoms(2, seed)
    assert evaluated[:2] == evaluated[2:4] != evaluated[4:]


def test_a_lesion_where_there_is_none_is_an_infinite_error_and_nothing_is_none():
    assert covid_phantoms._error(0.0, 0.0) == 0
    assert covid_phantoms._error(3.0, 0.0) == float("inf")
