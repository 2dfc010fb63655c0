"""Training the networks that decide, from the public sets to model folders with calibrated decisions and cards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from CovidLungQuantLib.classification.decision import RULE, Calibration, fit_calibration
from LesionKitLib.imaging.metrics import area_under_curve
from LesionKitLib.models.registry import Model, load_weights, save_model
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.covid import labeled_slices
from LesionKitResearch.datasets.covid_decisions import CALIBRATION_PART, DecisionPicture, decision_pictures
from LesionKitResearch.evaluation.covid import metrics_of, score_slices
from LesionKitResearch.evaluation.covid_classification import decision_document, predict_pictures, score_pictures
from LesionKitResearch.evaluation.covid_pictures import decide_picture, picture_segmenter
from LesionKitResearch.training.covid_multi_output import FRAME, PLANS, MultiOutputMixture, train_multi_output
from LesionKitResearch.training.curve import draw_curve
from LesionKitResearch.training.loop import TrainingPlan

from . import covid_recipe

VERSION = "2.0.0"
HEAT_PERCENTILE = 99.0  # of the strongest place of each COVID-19 picture held out: what is shown as 100 %
REFERENCES = {
    "jcs": ("JCSNet", "Wu et al. 2020, arXiv 2004.07054 (architecture idea; written anew, lighter, encoder "
            "EfficientNet-Lite0 with Res2Net gates)"),
    "multitask": ("MultiTaskNet", "Amyar et al. 2020, Comput Biol Med 126:104037 (architecture idea; written anew, "
                  "encoder EfficientNet-Lite0 up to stride 16)"),
}  # fmt: skip


def train_and_describe_multi_output(
    name: str,
    data: Path,
    output: Path,
    plan: TrainingPlan | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Model:
    """Train "jcs" or "multitask", draw the curve, calibrate, evaluate and write ``output/covid-NAME``.

    data: folder with sirm100, classify, and where there are, pseudo1600 and volumes.
    """
    plan, mixture = plan or PLANS[name], MultiOutputMixture()
    validation = list(labeled_slices(data / "sirm100", "val"))
    calibration_pictures = list(decision_pictures(data / "classify", "calibration"))

    def check(network) -> dict[str, float]:
        metrics = metrics_of(score_slices(picture_segmenter(network, device), validation))
        figures = {f"val {key}": metrics[key]["dice"]["mean"] for key in ("infection", "ggo", "high_opacity")}
        logits, _ = predict_pictures(network, calibration_pictures, device)
        truth = np.array([item.covid for item in calibration_pictures])
        return figures | {"val auc of patients held out": area_under_curve(truth, logits)}

    network = train_multi_output(name, data, output, plan, mixture, device, check, progress)
    draw_curve(output, output / "curve.png")
    return write_multi_output_model(name, network, data, plan, mixture, device, output / f"covid-{name}")


def write_multi_output_model(
    name: str, network, data: Path, plan: TrainingPlan, mixture: MultiOutputMixture, device: str, folder: Path
) -> Model:
    """The model folder; calibration and figures are those of the stored (half precision) weights."""
    model = save_model(network, describe_multi_output(name, plan, mixture, {}, Calibration()), folder)
    load_weights(model, network)
    calibration = calibrate(network, list(decision_pictures(data / "classify", "calibration")), device)
    metrics = metrics_of(score_slices(picture_segmenter(network, device), labeled_slices(data / "sirm100", "val")))
    scores = score_pictures([(network, calibration)], list(decision_pictures(data / "classify", "val")), device)
    document = decision_document(scores, name, VERSION, "val", calibration.threshold)
    metrics["decision"] = document["metrics"]["infection"]
    return save_model(network, describe_multi_output(name, plan, mixture, metrics, calibration), folder)


def calibrate(network, pictures: list[DecisionPicture], device: str = "cpu") -> Calibration:
    """Temperature, offset, and the limits of reconstruction and heat map, from pictures that nothing was trained on."""
    logits, errors = predict_pictures(network, pictures, device)
    truth = [item.covid for item in pictures]
    calibration = fit_calibration(truth, logits, errors)
    heats = [decide_picture(network, item.gray).heat for item in pictures if item.covid]
    strongest = [float(heat.max()) for heat in heats if heat is not None]
    if not strongest:
        return calibration
    return replace(calibration, heat_full=max(1e-3, float(np.percentile(strongest, HEAT_PERCENTILE))))


def describe_multi_output(
    name: str, plan: TrainingPlan, mixture: MultiOutputMixture, metrics: dict, calibration: Calibration
) -> dict:
    """The model card, less the sha256."""
    card = covid_recipe.describe(plan, mixture.masks, metrics)
    network, reference = REFERENCES[name]
    extra = {
        "name": "COVID-19 or not, single pictures: SARS-CoV-2 CT-scan dataset (828) and UCSD COVID-CT (training "
        f"patients less one in {CALIBRATION_PART} who calibrate)",
        "license": "CC BY-NC-SA (SARS-CoV-2 CT-scan); not stated (UCSD)",
        "labels": "COVID-19 yes / no for the picture",
    }
    card["training_data"] = [*card["training_data"][:-1], extra, card["training_data"][-1]]
    card["training"] = {
        "command": f"lesionkit train covid-{name} --data DIR --output DIR --steps {plan.steps} --seed {plan.seed}",
        "steps": plan.steps,
        "slices_per_step": mixture.masks.singles + mixture.masks.runs * mixture.masks.length + mixture.pictures,
        "seed": plan.seed,
        "selection": "weights averaged over the last steps; no step was chosen. Scale and margins for single pictures "
        "were chosen on the validation slices with the ConvLSTM network",
    }
    card["input"] = card["input"] | {"training_frame": list(FRAME)}
    if name == "jcs":
        card["input"]["decision"] = "from the lung window alone"
    return card | {
        "name": f"covid-{name}",
        "version": VERSION,
        "task": "lungs, ground-glass opacity, consolidation and pleural effusion on chest CT, and COVID-19 or not",
        "network": network,
        "reference": reference,
        "decision": calibration.card(),
        "decision_rule": RULE.format(threshold=calibration.threshold),
        "metrics_command": "lesionkit evaluate covid --data ct/sirm100 --split val; "
        "lesionkit evaluate covid-class --data ct/classify --split val",
        "metrics_data": "masks: sirm100, 19 slices of 9 visual patient groups; decision: 186 pictures of UCSD COVID-CT "
        "by patient; none trained on",
        "limits": [
            "The decision is learned from pictures out of publications, whose style differs between COVID-19 and other "
            "patients. Part of its accuracy on such pictures may be style; on other scanners' CT it is untested.",
            "Not COVID-19 does not mean healthy, and other pneumonia may be called COVID-19.",
            "How slices vote on a whole scan (the highest third) was chosen on three scans that are also training "
            "data, because there were no others; only the probabilities of single pictures are calibrated.",
            "Vessels, bowel gas and the heart border may be marked as consolidation.",
            "Pleural effusion is hardly ever found on pictures (see its Dice). Draw it by hand.",
            *card["limits"][-3:],
        ],
    }
