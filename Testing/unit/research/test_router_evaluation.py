"""Data sets, scores, and the commands evaluate router and train router, on a small labeled folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
from xray_fixtures import MEANS, write_labeled

from BodyPartRouterLib.classification.prediction import Prediction
from BodyPartRouterLib.labels import CLASSES, UNKNOWN
from LesionKitCLI.main import main
from LesionKitLib.run.errors import UnusableInput
from LesionKitResearch.datasets.router import AGE_UNKNOWN, LabeledXray, index_rows, labeled_xrays, split_calibration
from LesionKitResearch.evaluation.router import Scored, by_source, confusion, macro_of, metrics_of
from LesionKitResearch.training.router import Mixture, Pools, draw_batch, loss, sampling_weights


@pytest.fixture
def labeled(tmp_path):
    return write_labeled(tmp_path / "xr", 12)


def scored(truth: str, said: str, held: bool = False, source: str = "A", patient: str = "") -> Scored:
    shares = {name: 0.8 if name == said else 0.05 for name in CLASSES}
    prediction = Prediction(UNKNOWN if held else said, 0.8, shares, held, "unclear" if held else None)
    return Scored("x", truth, source, patient or f"{truth}{said}{held}", prediction)


def test_an_index_gives_the_rows_of_its_split(labeled):
    assert len(index_rows(labeled, "all")) == 72
    assert len(index_rows(labeled, "train")) + len(index_rows(labeled, "val")) == 72
    items = list(labeled_xrays(labeled, "val"))
    assert {item.label for item in items} == {*MEANS, AGE_UNKNOWN}
    unknown = next(item for item in items if item.label == AGE_UNKNOWN)
    assert unknown.allowed == (1, 2) and unknown.gray.dtype == np.uint8


def test_an_index_that_lacks_something_is_refused(labeled):
    with pytest.raises(UnusableInput, match=r"index\.csv"):
        index_rows(labeled / "img", "val")
    (labeled / "index.csv").write_text("id,class\n1,spine\n")
    with pytest.raises(UnusableInput, match="source"):
        index_rows(labeled, "val")
    (labeled / "index.csv").write_text("id,class,source,patient,split\n1,spine,A,p,val\n")
    with pytest.raises(UnusableInput, match="'1'"):
        list(labeled_xrays(labeled, "val"))
    with pytest.raises(UnusableInput, match="split 'train'"):
        index_rows(labeled, "train")


def test_the_calibration_set_shares_no_patient_with_the_rest():
    items = [
        LabeledXray(str(n), np.zeros((4, 4), np.uint8), CLASSES[n // 60], "AB"[n // 30 % 2], f"p{n // 2}")
        for n in range(300)
    ]
    training, calibration = split_calibration(items)
    assert len(training) + len(calibration) == 300 and 20 < len(calibration) < 90
    assert {i.patient for i in training}.isdisjoint(i.patient for i in calibration)
    assert {i.label for i in calibration} == set(CLASSES)


def test_rare_classes_and_sources_are_drawn_more_often_than_their_share():
    items = [LabeledXray(str(n), np.zeros(1), "others", "big", str(n)) for n in range(90)]
    items += [LabeledXray("s", np.zeros(1), "spine", "small", str(n)) for n in range(10)]
    weights = sampling_weights(items, 1.0)
    assert weights.sum() == pytest.approx(1)
    assert weights[90:].sum() == pytest.approx(1 / 4)  # roots: 3 to 1


def test_a_batch_holds_xrays_and_other_pictures(labeled):
    pools = Pools(list(labeled_xrays(labeled, "train")), [np.zeros((40, 40), np.uint8)])
    gray, allowed = draw_batch(pools, Mixture(6, 3), 48, np.random.default_rng(0))
    again, _ = draw_batch(pools, Mixture(6, 3), 48, np.random.default_rng(0))
    assert gray.shape == (9, 1, 48, 48) and allowed.shape == (9, 6)
    assert (allowed[6:, 5] == 1).all() and (allowed[:6, 5] == 0).all() and allowed.sum(1).min() == 1
    assert bool((gray == again).all())


def test_either_chest_is_right_for_a_chest_of_unknown_age():
    import torch

    allowed = torch.tensor([[0.0, 1, 1, 0, 0, 0]])
    adult, child, spine = (loss(torch.eye(6)[None, n] * 9, allowed) for n in (1, 2, 3))
    assert adult[0] == pytest.approx(float(child[0])) and adult[1]["right"] == child[1]["right"] == 1
    assert spine[0] > adult[0] + 5 and spine[1]["right"] == 0


def test_perfect_predictions_score_one_and_the_interval_has_no_width():
    figures = metrics_of([scored(name, name, patient=str(n)) for n in range(4) for name in CLASSES])
    for name in ("macro", *CLASSES):
        assert all(figures[name][m] == {"mean": 1, "low": 1, "high": 1} for m in ("f1", "precision", "recall")), name


def test_f1_precision_and_recall_are_as_counted_by_hand():
    rows = [("spine", "spine")] * 3 + [("spine", "others")] + [("others", "others")] * 4
    figures = metrics_of([scored(t, s, patient=str(n)) for n, (t, s) in enumerate(rows)])
    assert figures["spine"]["recall"]["mean"] == pytest.approx(0.75)
    assert figures["others"]["precision"]["mean"] == pytest.approx(0.8)
    assert figures["spine"]["f1"]["mean"] == pytest.approx(6 / 7)
    assert figures["macro"]["f1"]["mean"] == pytest.approx((6 / 7 + 8 / 9) / 2)
    assert figures["abdomen"]["n"] == 0 and figures["abdomen"]["recall"]["mean"] is None
    low, high = figures["macro"]["f1"]["low"], figures["macro"]["f1"]["high"]
    assert low < figures["macro"]["f1"]["mean"] < high or high == 1


def test_held_images_count_as_missed_only_in_the_strict_figures():
    items = [scored("spine", "spine", held=n < 2, patient=str(n)) for n in range(4)]
    assert macro_of(items)["recall"]["mean"] == 1
    assert macro_of(items, "strict")["recall"]["mean"] == pytest.approx(0.5)
    assert confusion(items)[CLASSES.index("spine")].tolist() == [0, 0, 0, 2, 0, 2]


def test_sources_are_scored_apart():
    items = [scored("spine", "spine", source="A"), scored("spine", "others", source="B")]
    found = by_source(items)
    assert found["A"]["macro"]["accuracy"]["mean"] == 1 and found["B"]["macro"]["accuracy"]["mean"] == 0
    assert set(found["A"]) == {"macro", "spine", "held"}


@pytest.fixture
def few_steps(monkeypatch, tmp_path):
    """The light network, small and from random weights; nothing of the catalogue."""
    from dataclasses import replace

    from BodyPartRouterLib.networks import registry
    from LesionKitLib.models import registry as models
    from LesionKitResearch.training import router
    from LesionKitResearch.training.recipes import router_recipe

    small = replace(registry.NETWORKS["light"], size=48, pretrained=False, initialized_from=None)
    monkeypatch.setitem(registry.NETWORKS, "light", small)
    monkeypatch.setattr(router.Mixture, "__init__", lambda self: None, raising=True)
    for name, value in {"xrays": 6, "none": 2}.items():
        monkeypatch.setattr(router.Mixture, name, value)
    monkeypatch.setattr(router_recipe, "slice_pool", lambda data: [])
    monkeypatch.setattr(models, "bundled_folders", lambda library: [])
    monkeypatch.setenv(models.OWN_MODELS, str(tmp_path / "out"))


def test_training_writes_a_model_that_evaluate_finds(labeled, tmp_path, few_steps, capsys):
    out = tmp_path / "out"
    arguments = ["train", "router-light", "--data", str(labeled), "--output", str(out), "--steps", "3"]
    assert main([*arguments, "--device", "cpu"]) == 0
    card = json.loads((out / "router-light" / "card.json").read_text())
    assert card["training"]["steps"] == 3 and set(card["decision"]) == {"temperature", "threshold", "distance"}
    assert (out / "curve.png").stat().st_size > 0
    capsys.readouterr()
    evaluate = ["evaluate", "router", "--data", str(labeled), "--network", "light", "--json", "--device", "cpu"]
    assert main([*evaluate, "--output", str(tmp_path / "figures")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["task"], document["network"], document["n"]) == ("router", "light", 5)
    assert set(document["metrics"]) == {"macro", *CLASSES}
    assert {"mean", "low", "high"} <= set(document["metrics"]["macro"]["f1"])
    assert set(document["per_source"]) <= {"A", "B"} and document["chest_age_unknown"]["n"] == 1
    assert np.sum(document["confusion"]) == 5
    for name in ("predictions.csv", "metrics.json", "confusion.png"):
        assert (tmp_path / "figures" / name).stat().st_size > 0
    assert len((tmp_path / "figures" / "predictions.csv").read_text().splitlines()) == 7
    assert main([*evaluate[:-3], "--device", "cpu"]) == 0
    assert "macro" in capsys.readouterr().out


def test_the_last_layer_alone_is_trained_from_a_trained_model(labeled, tmp_path, few_steps):
    from safetensors.numpy import load_file

    train = ["train", "router-light", "--data", str(labeled), "--device", "cpu", "--steps", "2"]
    assert main([*train, "--output", str(tmp_path / "out")]) == 0
    start = tmp_path / "out" / "router-light"
    assert main([*train, "--output", str(tmp_path / "head"), "--start", str(start), "--head-only"]) == 0
    before, after = (load_file(folder / "model.safetensors") for folder in (start, tmp_path / "head" / "router-light"))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert {"classify.weight", "classify.bias"} <= changed and not any(name.startswith("encoder") for name in changed)
    card = json.loads((tmp_path / "head" / "router-light" / "card.json").read_text())
    assert card["training"]["command"].endswith("--start DIR --head-only")
    assert card["training"]["start"]["sha256"] == json.loads((start / "card.json").read_text())["sha256"]


def test_the_head_alone_needs_a_model_of_the_same_network(labeled, tmp_path, few_steps, capsys):
    train = ["train", "router-light", "--data", str(labeled), "--output", str(tmp_path / "x"), "--device", "cpu"]
    assert main([*train, "--steps", "2", "--head-only"]) == 3
    assert "--start" in capsys.readouterr().err
    assert main([*train, "--steps", "2", "--output", str(tmp_path / "out")]) == 0
    other = ["train", "router", *train[2:], "--steps", "2", "--start", str(tmp_path / "out" / "router-light")]
    assert main(other) == 3 and "another network" in capsys.readouterr().err


def test_answers_are_right_held_or_wrong():
    from types import SimpleNamespace

    from LesionKitResearch.evaluation.router_robustness import outcomes

    said = [("spine", False), ("spine", False), ("unknown", True), ("unknown", True)]
    predict = lambda xrays: [SimpleNamespace(label=label, held=held) for label, held in said]  # noqa: E731
    images = [(np.zeros((20, 20), np.uint8), label) for label in ("spine", "others", "spine", "")]
    found = outcomes(SimpleNamespace(predict=predict), images)
    assert found == {"right": 0.25, "held": 0.5, "wrong": 0.25, "n": 4}


def test_altered_xrays_keep_their_class_and_chests_alone_get_lines(labeled):
    from LesionKitResearch.evaluation.router_robustness import altered_xrays

    sets = {name: list(images) for name, images in altered_xrays(labeled).items()}
    plain = sets["as they are"]
    assert {len(images) for name, images in sets.items() if "lines" not in name} == {len(plain)}
    assert np.array_equal(np.rot90(plain[0][0]), sets["turned by 90 degrees"][0][0])
    lines = next(images for name, images in sets.items() if "lines" in name)
    assert {label for _, label in lines} == {"adult_chest", "pediatric_chest"}
    assert [label for _, label in sets["in a round field"]] == [label for _, label in plain]


def test_commands_refuse_folders_without_an_index(tmp_path, capsys):
    assert main(["train", "router", "--data", str(tmp_path), "--output", str(tmp_path / "o")]) == 3
    assert main(["evaluate", "router", "--data", str(tmp_path / "none")]) == 3
    assert "index.csv" in capsys.readouterr().err
