"""A new head for the decision: every source counts alike, one left out teaches nothing, the head fits its model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from data_fixtures import classify_folder

from LesionKitCLI.main import main
from LesionKitLib.models import registry
from LesionKitResearch.datasets.covid_decisions import DecisionPicture, decision_pictures
from LesionKitResearch.training import covid_decision
from LesionKitResearch.training.covid_decision import (
    DecisionFeatures,
    HeadPlan,
    decision_features,
    fit_head,
    head_logits,
    leave_one_source_out,
    patient_auc,
    picture_weights,
    thinned,
)


class Net(torch.nn.Module):
    """As much of the multi-task network as the head's training touches."""

    def __init__(self):
        super().__init__()
        self.decide = torch.nn.Sequential(torch.nn.Linear(3, 1))


def features(counts: dict[str, tuple[int, int]], shift: dict[str, int] | None = None) -> DecisionFeatures:
    """counts: source -> pictures without and with COVID-19; the second feature tells them apart, the other way round in
    the sources of ``shift``."""
    rng, rows = np.random.default_rng(0), []
    for source, numbers in counts.items():
        for covid, number in enumerate(numbers):
            sign = (2 * covid - 1) * (shift or {}).get(source, 1)
            rows += [
                (rng.normal(0, 0.3, 3) + [0, sign, 0], covid, source, f"{source}{covid}{n // 2}") for n in range(number)
            ]
    values, covid, source, patient = (np.array(column) for column in zip(*rows, strict=True))
    return DecisionFeatures(values[None].astype(np.float32), covid, source, patient)


def test_each_source_and_label_counts_alike_however_many_pictures_it_has():
    source, covid = np.array(["a"] * 90 + ["b"] * 10), np.array([1] * 30 + [0] * 60 + [1] * 10)
    weights = picture_weights(source, covid)
    assert weights.sum() == pytest.approx(1) and weights[covid == 1].sum() == pytest.approx(0.5)
    assert weights[(source == "a") & (covid == 1)].sum() == pytest.approx(weights[source == "b"].sum())


def test_pictures_of_unknown_patients_are_thinned_and_others_are_not():
    def picture(source, n, patient):
        return DecisionPicture(source, f"{source}{n}", patient, np.zeros((2, 2), np.uint8), 0)

    known, unknown = [picture("a", n, f"p{n}") for n in range(4)], [picture("b", n, "") for n in range(5)]
    assert [p.name for p in thinned(known + unknown)] == ["a0", "a1", "a2", "a3", "b0", "b2", "b4"]


def test_a_source_that_is_left_out_teaches_nothing():
    """Its labels are the other way round: a head that had seen them would not be so wrong about it."""
    mixed = features({"a": (40, 40), "b": (40, 40), "odd": (40, 40), "few": (5, 60)}, {"odd": -1})
    scores = leave_one_source_out("multitask", Net(), mixed, HeadPlan(steps=150, learning_rate=0.03))
    assert set(scores) == {"a", "b", "odd"}
    assert scores["odd"]["auc"]["mean"] < 0.1 and scores["odd"]["patients"] == 40 and scores["odd"]["n"] == 80
    assert scores["a"]["auc"]["mean"] > 0.9


def test_a_head_is_trained_from_new_weights_and_the_network_keeps_its_own():
    net, data = Net(), features({"a": (30, 30)})
    own = net.decide[0].weight.detach().clone()
    head = fit_head("multitask", net, data, HeadPlan(steps=150, learning_rate=0.03))
    assert patient_auc(data, head_logits(head, data))["auc"]["mean"] > 0.95
    assert (net.decide[0].weight == own).all()
    again = fit_head("multitask", net, data, HeadPlan(steps=150, learning_rate=0.03))
    assert (again[0].weight == head[0].weight).all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A multi-task network with random weights as the user's own model, and the data that heads learn from."""
    from CovidLungQuantLib.networks.registry import NETWORKS

    folder = tmp_path_factory.mktemp("head")
    torch.manual_seed(0)
    card = NETWORKS.model("multitask").card
    card = {key: value for key, value in card.items() if key != "head_sha256"}
    registry.save_model(NETWORKS.build("multitask"), card, folder / "start")
    classify_folder(folder / "data" / "classify")
    return folder


def test_features_are_those_that_the_heads_answer_comes_from(trained):
    from CovidLungQuantLib.networks.registry import NETWORKS
    from LesionKitResearch.evaluation.covid_classification import predict_pictures

    network = NETWORKS.with_weights("multitask", registry.read_model(trained / "start"))
    pictures = list(decision_pictures(trained / "data" / "classify", "val"))
    found = decision_features("multitask", network, pictures, HeadPlan(views=1), "cpu")
    assert found.values.shape[:2] == (2, 2) and found.covid.tolist() == [item.covid for item in pictures]
    logits, _ = predict_pictures(network, pictures, "cpu")
    np.testing.assert_allclose(head_logits(network.decide, found), logits, atol=0.02)
    assert not np.allclose(found.values[0], found.values[1])


def test_a_new_head_from_the_command_line_leaves_the_weights_as_they_are(trained, monkeypatch, capsys):
    from CovidLungQuantLib.networks.registry import NETWORKS

    monkeypatch.setattr(covid_decision, "FEWEST", 1)
    arguments = ["--data", str(trained / "data"), "--output", str(trained / "out"), "--steps", "3", "--device", "cpu"]
    assert main(["train", "covid-multitask", *arguments, "--start", str(trained / "start")]) == 0
    assert "The model lies in" in capsys.readouterr().out
    model = registry.read_model(trained / "out" / "covid-multitask")
    registry.verify(model)
    assert model.weights_path.read_bytes() == (trained / "start" / "model.safetensors").read_bytes()
    evidence = model.card["decision_evidence"]
    assert evidence["network"] == "multi-task" and set(evidence["leave_one_source_out"]) == {"UCSD"}
    old = NETWORKS.with_weights("multitask", registry.read_model(trained / "start"))
    new = NETWORKS.with_weights("multitask", model)
    assert (old.code[0].weight == new.code[0].weight).all() and (old.decide[0].weight != new.decide[0].weight).any()
