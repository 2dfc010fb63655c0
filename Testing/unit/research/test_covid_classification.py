"""Decisions on pictures: which are trained on, which calibrate, and how well they agree with their labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from data_fixtures import HELD_ASIDE, SIZE, classify_folder, picture, sirm_folder

from LesionKitCLI.main import main
from LesionKitLib.imaging.metrics import limits_of_agreement
from LesionKitLib.run.errors import UnusableInput
from LesionKitResearch.datasets.covid import UNKNOWN
from LesionKitResearch.datasets.covid_decisions import (
    SPLITS,
    decision_of,
    decision_pictures,
    decision_sequences,
    is_held_out,
)
from LesionKitResearch.evaluation.covid_classification import DecisionScore, decision_metrics, evaluate_decisions
from LesionKitResearch.evaluation.covid_figures import draw_areas, draw_decisions
from LesionKitResearch.evaluation.covid_pictures import decide_picture
from LesionKitResearch.training.covid_multi_output import disguise


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return classify_folder(tmp_path_factory.mktemp("data") / "classify")


def test_no_patient_both_trains_and_calibrates(folder):
    found = {split: list(decision_pictures(folder, split)) for split in SPLITS}
    assert {split: len(items) for split, items in found.items()} == {"train": 4, "calibration": 2, "val": 2, "all": 8}
    assert {item.patient for item in found["calibration"]} == set(HELD_ASIDE)
    assert not any(is_held_out(item.patient) for item in found["train"])
    assert not is_held_out("")


def test_pictures_know_their_source_and_label(folder):
    val = list(decision_pictures(folder, "val"))
    assert [(item.source, item.covid) for item in val] == [("UCSD", 1), ("UCSD", 0)]
    assert val[0].gray.shape == SIZE and val[0].gray.dtype == np.uint8


def test_training_slices_come_by_source_and_label_and_know_nothing_of_their_pixels(folder):
    found = decision_sequences(folder)
    assert {key: len(items) for key, items in found.items()} == {(s, c): 1 for s in ("SARS", "UCSD") for c in (0, 1)}
    sequence = found["SARS", 1][0]
    assert (sequence.lesion == UNKNOWN).all() and (sequence.lung == UNKNOWN).all() and sequence.weight == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "index.csv").unlink(), "no index.csv"),
        (lambda f: (f / "index.csv").write_text("id,split\n1,val\n"), "no column 'label'"),
        (lambda f: (f / "index.csv").write_text("id,split,label\n1,train,covid\n"), "no image of the split 'val'"),
        (lambda f: (f / "img" / "006.jpg").unlink(), "006 that the index names is missing"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(tmp_path, change, message):
    folder = classify_folder(tmp_path / "classify")
    change(folder)
    with pytest.raises(UnusableInput, match=message):
        list(decision_pictures(folder, "val"))


def test_volumes_decide_only_where_a_radiologist_did():
    """Slices: healthy, infected as stored (pixels unknown), infected because lesions were computed into them."""
    lesion = np.zeros((3, 4, 4), np.uint8)
    lesion[1] = UNKNOWN
    lesion[2, 0, 0] = 1
    infected = np.array([0, 1, 1])
    kinds = {"volumes/p": "covid", "volumes/c": "cap", "volumes/n": "normal"}
    assert decision_of("volumes/p", kinds, lesion, infected).tolist() == [-1, 1, -1]
    assert decision_of("volumes/c", kinds, lesion, infected).tolist() == [0, 0, -1]
    assert decision_of("sirm100", kinds, lesion, infected).tolist() == [-1, -1, -1]


def test_a_disguised_picture_keeps_its_range_and_its_second_channel():
    import torch

    image = torch.rand(1, 2, 96, 128, generator=torch.Generator().manual_seed(0))
    before = image.clone()
    changed = [disguise(image, np.random.default_rng(n)) for n in range(12)]
    torch.testing.assert_close(image, before)
    for other in changed:
        assert other.min() >= 0 and other.max() <= 1
        torch.testing.assert_close(other[:, 1], image[:, 1])
    assert all((other[:, 0] - image[:, 0]).abs().max() > 0 for other in changed)


# --- figures of agreement


def scores(probabilities, truth) -> list[DecisionScore]:
    return [DecisionScore("s", str(n), str(n), t, p) for n, (p, t) in enumerate(zip(probabilities, truth, strict=True))]


def test_sensitivity_and_specificity_are_those_at_the_operating_point():
    metrics = decision_metrics(scores([0.9, 0.6, 0.4, 0.45, 0.1], [1, 1, 1, 0, 0]), 0.5)
    assert metrics["sensitivity"]["mean"] == pytest.approx(2 / 3) and metrics["specificity"]["mean"] == 1
    assert metrics["auc"]["mean"] == pytest.approx(5 / 6) and metrics["n"] == 5
    assert metrics["f1"]["mean"] == pytest.approx(0.8)
    moved = decision_metrics(scores([0.9, 0.6, 0.4, 0.45, 0.1], [1, 1, 1, 0, 0]), 0.4)
    assert moved["sensitivity"]["mean"] == 1 and moved["specificity"]["mean"] == 0.5


def test_labels_of_one_kind_give_no_area():
    metrics = decision_metrics(scores([0.9, 0.2], [1, 1]), 0.5)
    assert metrics["auc"]["mean"] is None and metrics["specificity"]["mean"] is None
    json.dumps(metrics, allow_nan=False)


@pytest.mark.parametrize("network", ["jcs", "multitask", "ensemble"])
def test_the_document_has_the_keys_that_scripts_rely_on(folder, fake_model, network):
    document, found = evaluate_decisions(folder, "val", network, "cpu")
    assert (document["task"], document["network"], document["n"]) == ("covid-class", network, 2)
    assert {"auc", "sensitivity", "specificity"} <= set(document["metrics"]["infection"])
    assert set(document["per_source"]) == {"UCSD"}
    assert all(0 < score.probability < 1 for score in found)
    json.dumps(document, allow_nan=False)


def test_the_ensembles_probability_is_the_mean_of_its_members(folder, fake_model):
    one, two, both = (evaluate_decisions(folder, "all", n, "cpu")[1] for n in ("jcs", "multitask", "ensemble"))
    for a, b, c in zip(one, two, both, strict=True):
        assert c.probability == pytest.approx((a.probability + b.probability) / 2)


def test_a_network_without_a_decision_is_refused(folder, fake_model):
    with pytest.raises(UnusableInput, match="gives no decision; choose jcs"):
        evaluate_decisions(folder, "val", "convlstm")


def test_a_picture_gets_a_decision_and_what_spoke_for_it(fake_model):
    from CovidLungQuantLib.networks.registry import load_network

    found = decide_picture(load_network("jcs")[1], picture())
    assert found.heat.shape == SIZE and found.heat.min() >= 0 and found.error is None
    found = decide_picture(load_network("multitask")[1], picture())
    assert found.heat is None and 0 < found.error < 1


# --- pictures and the command


def test_limits_of_agreement_are_those_of_bland_and_altman():
    truth = np.array([10.0, 20.0, 30.0])
    found = truth + [1.0, 2.0, 3.0]
    assert limits_of_agreement(truth, found) == pytest.approx((2.0, 2 - 1.96, 2 + 1.96))


def test_pictures_are_drawn_of_decisions_and_areas(tmp_path):
    from LesionKitResearch.evaluation.covid import Counts, ImageScore

    draw_decisions(scores([0.9, 0.6, 0.4, 0.1], [1, 1, 0, 0]), 0.5, tmp_path / "a.png")
    draw_areas([ImageScore("s", str(n), {"infection": Counts(n, n + 1, n)}) for n in range(4)], tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_json_and_leaves_a_report_with_pictures(folder, fake_model, tmp_path, capsys):
    arguments = ["evaluate", "covid-class", "--data", str(folder), "--network", "jcs", "--device", "cpu", "--json"]
    assert main([*arguments, "--output", str(tmp_path / "report")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["n"] == 2
    assert json.loads((tmp_path / "report" / "evaluation.json").read_text()) == document
    page = (tmp_path / "report" / "evaluation.html").read_text()
    assert "data:image/png;base64" in page and "Not a medical device" in page and "sensitivity" in page


def test_areas_are_reported_with_pictures_too(fake_model, tmp_path, capsys):
    data = sirm_folder(tmp_path / "sirm100")
    arguments = ["evaluate", "covid", "--data", str(data), "--network", "ensemble", "--device", "cpu"]
    assert main([*arguments, "--output", str(tmp_path / "report")]) == 0
    assert "infection" in capsys.readouterr().out
    assert (tmp_path / "report" / "agreement.png").stat().st_size > 1000
