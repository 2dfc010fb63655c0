"""Masks by radiologists (ct20, medseg9, plethora) as training sequences; all folders are made here."""

from __future__ import annotations

import numpy as np
import pytest
from data_fixtures import LUNG, ct20_folder, medseg9_folder, plethora_folder, sirm_folder

from CovidLungQuantLib.segmentation.frames import LUNGS_IN_FRAME, ROOM
from LesionKitResearch.datasets.covid import ANY_LESION, UNKNOWN
from LesionKitResearch.datasets.covid_masks import effusion_sequences, masked_sequences, masked_series, masked_slices
from LesionKitResearch.training.covid import Mixture, covid_sources, draw_views


def test_a_series_runs_from_feet_to_head_whatever_the_tables_order(tmp_path):
    (series,) = masked_series(ct20_folder(tmp_path / "ct20"))
    areas = [(lesion > 0).sum() for lesion in series.lesions]
    assert areas == sorted(areas, reverse=True) and len(set(areas)) == 3


def test_validation_patients_are_not_among_the_training_series(tmp_path):
    assert [s.name for s in masked_series(ct20_folder(tmp_path / "ct20"))] == ["corona001"]
    assert [s.name for s in masked_series(tmp_path / "ct20", "val")] == ["corona003"]


def test_nothing_is_learned_from_training_patients_that_are_held_back(tmp_path):
    folder = ct20_folder(tmp_path / "ct20")
    assert len(masked_slices(folder)) > 0 and len(masked_sequences(folder)) == 1
    assert masked_slices(folder, ("corona001",)) == [] == masked_sequences(folder, ("corona001",))


def test_infection_is_a_lesion_of_unknown_kind_and_lies_in_the_lungs(tmp_path):
    (series,) = masked_series(ct20_folder(tmp_path / "ct20"))
    assert all(set(np.unique(lesion)) == {0, ANY_LESION} for lesion in series.lesions)
    assert all((lung[lesion > 0] == 1).all() for lung, lesion in zip(series.lungs, series.lesions, strict=True))


def test_a_kind_that_was_inferred_from_gray_values_is_unknown(tmp_path):
    (series,) = masked_series(medseg9_folder(tmp_path / "medseg9"))
    assert [set(np.unique(lesion)) for lesion in series.lesions] == [{0, 1, 2}, {0, ANY_LESION}, {0}]


def test_the_lungs_of_a_series_have_the_networks_size_in_one_frame(tmp_path):
    (sequence,) = masked_sequences(ct20_folder(tmp_path / "ct20"))
    assert sequence.image.shape == (3, *ROOM) and sequence.image.dtype == np.uint8
    columns = np.flatnonzero((sequence.lung[0] == 1).any(0))
    rows = np.flatnonzero((sequence.lung[0] == 1).any(1))
    size = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert max(abs(a / b - 1) for a, b in zip(size, LUNGS_IN_FRAME, strict=True) if a / b > 0.99) < 0.02
    assert sequence.infected.tolist() == [1, 1, 1]


def test_single_slices_are_every_second_one_each_in_its_own_frame(tmp_path):
    slices = masked_slices(ct20_folder(tmp_path / "ct20"))
    assert [s.image.shape for s in slices] == [(1, *ROOM)] * 2
    share = (slices[0].lesion > 0).sum() / (slices[0].lung > 0).sum()
    truth = (picture_lesion() > 0).sum() / LUNG.sum()
    assert share == pytest.approx(truth, rel=0.1)


def picture_lesion() -> np.ndarray:
    from data_fixtures import BURDENED

    return BURDENED


def test_dense_tissue_beside_an_effusion_is_unknown_and_air_in_the_lung_is_healthy(tmp_path):
    chest = plethora_folder(tmp_path / "plethora")
    (sequence,) = effusion_sequences(tmp_path / "plethora")
    assert sequence.is_hu and set(np.unique(sequence.lesion)) == {0, 3, UNKNOWN}
    assert (sequence.lung[sequence.lesion == 3] == 1).all()
    assert (sequence.image[sequence.lesion == UNKNOWN] > -600).all()
    assert (sequence.lesion == 3).any((1, 2)).tolist() == (chest.lesions == 2).any((1, 2)).tolist()
    assert (sequence.infected == -1).all()


def test_a_batch_takes_single_masked_slices_in_turn_and_runs_of_the_rest(tmp_path):
    sirm_folder(tmp_path / "sirm100")
    ct20_folder(tmp_path / "ct20")
    medseg9_folder(tmp_path / "medseg9")
    plethora_folder(tmp_path / "plethora")
    mixture = Mixture(phantoms=0)
    sources = covid_sources(tmp_path, mixture, 0)
    assert set(sources) == {"sirm", "ct20", "medseg9", "plethora", "ct20 slices", "medseg9 slices"}
    views = draw_views(sources, mixture, np.random.default_rng(0))
    assert [view["source"] for view in views[:8]] == ["sirm100"] * 4 + ["medseg9", "ct20"] * 2
    assert [len(view["image"]) for view in views] == [1] * 8 + [mixture.length] * mixture.runs
