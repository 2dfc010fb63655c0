"""Heads made at random for brain extraction, and a training of two steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stroke_fixtures import synthseg_folder

from LesionKitResearch.augmentation.heads import FIELD, random_head
from LesionKitResearch.evaluation.brain_extraction import extraction_scores
from LesionKitResearch.training.brain_extraction import PLAN, read_anatomies, train_brain_extraction
from LesionKitResearch.training.recipes.brain_extraction_recipe import card


@pytest.fixture(scope="module")
def anatomies(tmp_path_factory):
    return read_anatomies(synthseg_folder(tmp_path_factory.mktemp("data"), ("seg_01",)) / "synthseg_labels")


def test_a_seed_gives_the_same_head_and_another_seed_another(anatomies):
    first, again, other = (random_head(anatomies[0], np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first[0].tobytes() == again[0].tobytes() and first[1].tobytes() == again[1].tobytes()
    assert first[0].tobytes() != other[0].tobytes()


def test_a_head_is_a_field_with_a_brain_of_a_plausible_size(anatomies):
    for seed in range(4):
        image, occupancy = random_head(anatomies[0], np.random.default_rng(seed))
        assert image.shape == occupancy.shape == FIELD and image.min() >= 0
        assert occupancy.min() >= 0 and occupancy.max() <= 1
        assert 300 < occupancy.sum() * 4**3 / 1000 < 3500


def test_two_steps_of_training_give_a_network_its_figures_and_its_card(anatomies, tmp_path):
    plan = replace(PLAN, steps=2, save_every=2, check_every=2, bf16=False)
    network = train_brain_extraction(anatomies, tmp_path, plan)
    scores = extraction_scores(network, anatomies, count=2)
    assert len(scores["dice"]) == 2 and set(scores["patient"]) == {0}
    described = card(plan, scores)
    assert described["metrics"]["random heads"]["n"] == 2 and "--steps 2" in described["training"]["command"]
