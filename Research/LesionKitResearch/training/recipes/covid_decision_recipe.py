"""A trained network that decides, with a new head: trained, tested on sources left out, calibrated, described."""

from __future__ import annotations

from pathlib import Path

from CovidLungQuantLib.classification.decision import RULE
from CovidLungQuantLib.networks.registry import NETWORKS
from LesionKitLib.models.registry import Model, load_weights, save_head
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.covid_decisions import CALIBRATION_PART, decision_pictures
from LesionKitResearch.evaluation.covid_classification import decision_document, score_pictures
from LesionKitResearch.training.covid_decision import (
    HEADS,
    DecisionFeatures,
    HeadPlan,
    decision_features,
    fit_head,
    leave_one_source_out,
    thinned,
)

from .covid_multi_output_recipe import calibrate

VERSION = "2.1.0"
UNSEEN = "HUST-lungmasked"  # the source that no part of the bundled networks but the new head has seen
SOURCES = (
    ("HUST (lungs cut out)", "MIT (code)"),
    ("IQ-OTH/NCCD, Emphysema (Talo), LIDC-IDRI normals, lizoyu: no COVID-19", "not stated"),
    ("ieee8023 covid-chestxray-dataset, CT figures", "per image"),
)


def train_and_describe_head(
    name: str,
    data: Path,
    output: Path,
    start: Model,
    plan: HeadPlan | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    features: DecisionFeatures | None = None,
) -> Model:
    """Write ``output/covid-NAME``: the model ``start`` with a head that learned from every source of ``data/classify``.

    name: "jcs" or "multitask". features: of the training pictures, where they are computed already. Nothing is chosen
    on validation pictures.
    """
    if not (data / "classify").is_dir():
        raise UnusableInput(f"'{data}' holds no folder classify.")
    plan, folder = plan or HeadPlan(), output / f"covid-{name}"
    network = NETWORKS.with_weights(name, start)
    if features is None:
        pictures = thinned(list(decision_pictures(data / "classify", "train")))
        features = decision_features(name, network, pictures, plan, device, progress)
    left_out = leave_one_source_out(name, network, features, plan)
    head = fit_head(name, network, features, plan)
    tensors = {f"{HEADS[name]}.{key}": value for key, value in head.state_dict().items()}
    card = {key: value for key, value in start.card.items() if key != "head_sha256"}
    model = save_head(start, tensors, card | {"version": VERSION}, folder)
    load_weights(model, network)
    calibration = calibrate(network, list(decision_pictures(data / "classify", "calibration")), device)
    scores = score_pictures([(network, calibration)], list(decision_pictures(data / "classify", "val")), device)
    document = decision_document(scores, name, VERSION, "val", calibration.threshold)
    metrics = card["metrics"] | {"decision": document["metrics"]["infection"]}
    metrics |= {f"decision, {source}": m["infection"] for source, m in document["per_source"].items()}
    described = card | {
        "version": VERSION,
        "metrics": metrics,
        "decision": calibration.card(),
        "decision_rule": RULE.format(threshold=calibration.threshold),
        "decision_evidence": _evidence(name, left_out),
        "training_data": _with_sources(card["training_data"]),
        "training": card["training"]
        | {
            "head": f"lesionkit train covid-{name} --data DIR --output DIR "
            f"--start {start.name}-{start.version} "
            f"--steps {plan.steps} --seed {plan.seed}: the decision's head alone, from {len(features.covid)} pictures "
            "of all sources, each source and label counting alike; the weights below it are those of "
            f"version {start.version}"
        },
        "metrics_data": "masks: sirm100, 19 slices of 9 visual patient groups; decision: "
        f"{len(scores)} validation pictures of ct/classify by patient; none trained on",
    }
    return save_head(start, tensors, described, folder)


def _evidence(name: str, left_out: dict[str, dict]) -> dict:
    """What the panel and reports say of the decision's accuracy, and the other sources that were left out."""
    shown = left_out.get(UNSEEN) or min(left_out.values(), key=lambda e: e["auc"]["mean"])
    return shown | {
        "network": NETWORKS.entry(name).title,
        "leave_one_source_out": left_out,
        "remark": "by patient, by heads trained without it. The features below the head have seen others of these "
        f"in their own training, so that only the figure of {UNSEEN} is of a source from which nothing was learned",
    }


def _with_sources(training_data: list[dict]) -> list[dict]:
    names = {entry["name"] for entry in training_data}
    part = f"training patients less one in {CALIBRATION_PART} who calibrate"
    extra = [
        {
            "name": f"COVID-19 or not, the decision's head: {name}; {part}",
            "license": terms,
            "labels": "for the picture",
        }
        for name, terms in SOURCES
    ]
    return [*training_data[:-1], *(e for e in extra if e["name"] not in names), training_data[-1]]
