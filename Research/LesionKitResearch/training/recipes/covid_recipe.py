"""Training the ConvLSTM network from the public sets to a model folder with its card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from CovidLungQuantLib.networks.registry import NETWORKS
from CovidLungQuantLib.segmentation.frames import FRAME, MODEL_MM, SOFT_WINDOW, WINDOW
from LesionKitLib.models.registry import Model, load_weights, save_model
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.covid import LabeledSlice, labeled_slices
from LesionKitResearch.evaluation.covid import metrics_of, score_slices
from LesionKitResearch.evaluation.covid_pictures import picture_segmenter
from LesionKitResearch.training.covid import (
    FINE_TUNE,
    FINE_TUNE_PLAN,
    FINISH,
    FINISH_PLAN,
    MASKED,
    PLAN,
    Mixture,
    train_convlstm,
)
from LesionKitResearch.training.curve import draw_curve
from LesionKitResearch.training.loop import TrainingPlan
from LesionKitResearch.training.weight_interpolation import ENOUGH, interpolate

VERSION = "4.0.0"


SELECTION = (
    "the averaged weights of the last step; nothing was chosen on validation patients in this training. The last "
    f"{FINISH_PLAN.steps} steps hold more Hounsfield units ({FINISH}). Scale and margins for single pictures were "
    "chosen on validation slices of sirm100 for version 3.0.0, so its figures are a little optimistic"
)


@dataclass(frozen=True)
class FineTuning:
    """start: the model that a training went on from; share: of the new weights in the mean of both; scores: infection
    Dice on the patients held back, by share."""

    start: Model
    share: float
    scores: dict[float, float]

    def card(self, card: dict, mixture: Mixture, plan: TrainingPlan) -> dict:
        """The card of a training from ImageNet's weights, as that of one from ``start``."""
        *data, last = card["training_data"]
        known = {entry["name"] for entry in card["training_data"]}
        before = [entry for entry in self.start.card["training_data"] if entry["name"] not in known]
        held_back = f"; of the training patients of ct20 and medseg9 {', '.join(mixture.held_back)} were held back"
        changed = {
            "training_data": [*data, *before, last],
            "split": card["split"] + held_back,
            "training": card["training"] | self.training(mixture, plan),
        }
        return card | changed

    def training(self, mixture: Mixture, plan: TrainingPlan) -> dict:
        """What replaces the entries of a training from ImageNet's weights on a model card."""
        dice = ", ".join(f"{share:g}: {value:.3f}" for share, value in self.scores.items())
        return {
            "command": f"lesionkit train {self.start.name} --data DIR --output DIR --start "
            f"{self.start.name}-{self.start.version} --steps {plan.steps} --seed {plan.seed}",
            "start": f"{self.start.name} {self.start.version}, sha256 {self.start.card['sha256']}, trained by the "
            "recipe of its version",
            "selection": f"the weights are the mean of {self.share:g} parts of the last averaged ones and "
            f"{1 - self.share:g} parts of the starting ones: the smallest share that keeps {ENOUGH:.0%} of the gain in "
            f"infection Dice on training patients that were held back ({', '.join(mixture.held_back)}; Dice by share: "
            f"{dice}). Scale and margins for single pictures were chosen on validation slices of sirm100 for version "
            "3.0.0, so its figures are a little optimistic",
        }


def train_and_describe(
    data: Path,
    output: Path,
    plan: TrainingPlan = PLAN,
    device: str = "cpu",
    progress: Progress | None = None,
    finish: bool = True,
) -> Model:
    """Train, draw the curve, evaluate on the validation patients and write ``output/covid-convlstm``.

    finish: whether the last part follows, in ``output/finish``, as long in proportion as FINISH_PLAN is to PLAN.
    """
    mixture = Mixture()
    validation = list(labeled_slices(data / "sirm100", "val"))
    check = _checker(validation, device)
    network = train_convlstm(data, output, plan, mixture, device, check, progress)
    draw_curve(output, output / "curve.png")
    last = replace(FINISH_PLAN, steps=FINISH_PLAN.steps * plan.steps // PLAN.steps, seed=plan.seed + 1)
    if finish and last.steps:
        mixed = replace(mixture, **FINISH)
        network = train_convlstm(data, output / "finish", last, mixed, device, check, progress, start=network)
    return write_model(network, validation, plan, mixture, device, output / "covid-convlstm")


def fine_tune_and_describe(
    data: Path,
    output: Path,
    start: Model,
    plan: TrainingPlan = FINE_TUNE_PLAN,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Model:
    """Go on with a trained model, draw the curve, evaluate and write ``output/covid-convlstm``.

    The weights are a mean of those before and after (weight_interpolation), whose share is chosen on training patients
    that were held back.
    """
    mixture = Mixture(**FINE_TUNE)
    validation = list(labeled_slices(data / "sirm100", "val"))
    held_back = held_back_slices(data, mixture.held_back)
    before = NETWORKS.with_weights("convlstm", start)
    network = NETWORKS.with_weights("convlstm", start)
    network = train_convlstm(data, output, plan, mixture, device, _checker(validation, device), progress, network)
    draw_curve(output, output / "curve.png")

    def infection(candidate) -> float:
        scores = score_slices(picture_segmenter(candidate, device), held_back)
        return metrics_of(scores)["infection"]["dice"]["mean"]

    interpolation = interpolate(before, network, infection)
    about = FineTuning(start, interpolation.share, interpolation.scores)
    return write_model(interpolation.network, validation, plan, mixture, device, output / "covid-convlstm", about)


def held_back_slices(data: Path, patients: tuple[str, ...], every: int = 4) -> list[LabeledSlice]:
    """Every n-th slice of these training patients in the sets with masks by radiologists.

    Raises UnusableInput when there is none.
    """
    found = []
    for name in MASKED:
        if (data / name).exists():
            slices = [s for s in labeled_slices(data / name, "train") if s.patient in patients]
            found += slices[::every]
    if not found:
        raise UnusableInput(f"The data hold none of the patients that are held back: {', '.join(patients)}.")
    return found


def _checker(validation: list, device: str):
    """Figures on the validation slices for the curve; they choose nothing."""

    def check(network) -> dict[str, float]:
        metrics = metrics_of(score_slices(picture_segmenter(network, device), validation))
        return {f"val {name}": metrics[name]["dice"]["mean"] for name in ("infection", "ggo", "high_opacity")}

    return check


def write_model(
    network,
    validation,
    plan: TrainingPlan,
    mixture: Mixture,
    device: str,
    folder: Path,
    fine_tuning: FineTuning | None = None,
) -> Model:
    """The model folder with a card whose figures are those of the stored (half precision) weights."""
    model = save_model(network, describe(plan, mixture, {}, fine_tuning), folder)
    load_weights(model, network)
    metrics = metrics_of(score_slices(picture_segmenter(network, device), validation))
    return save_model(network, describe(plan, mixture, metrics, fine_tuning), folder)


def describe(plan: TrainingPlan, mixture: Mixture, metrics: dict, fine_tuning: FineTuning | None = None) -> dict:
    """The model card, less the sha256."""
    card = {
        "name": "covid-convlstm",
        "version": VERSION,
        "task": "lungs, ground-glass opacity, consolidation and pleural effusion on chest CT",
        "network": "ConvLSTMNet",
        "arguments": {},
        "reference": "Grodecki, Killekar et al. 2021, arXiv 2104.00138 "
        "(architecture idea; written anew, encoder EfficientNet-Lite0)",
        "input": {
            "modality": "CT",
            "orientation": "axial slices in LPS order (anterior up, the patient's right at the left), feet to head",
            "spacing_mm": [MODEL_MM, MODEL_MM, "slices as they are; thinner than 1.5 mm are averaged to 2 mm"],
            "windows_hu": [list(WINDOW), list(SOFT_WINDOW)],
            "pictures": "8-bit pictures: gray values in the first channel (wide and dark windows are stretched to the "
            "lung window), the second black; seen at two scales, each mirrored, too, and averaged",
            "training_frame": list(FRAME),
        },
        "labels": {"1": "ground-glass opacity", "2": "consolidation", "3": "pleural effusion"},
        "training_data": [
            {
                "name": "SIRM-100 (COVID-19 CT segmentation dataset), 59 slices of the training groups",
                "license": "not stated; research use assumed",
                "labels": "expert ground glass, consolidation, effusion; lungs derived from gray values",
            },
            {
                "name": "20-case COVID-19 CT set (ct20), 1183 slices of 12 patients",
                "license": "CC BY-NC-SA or CC BY, by source",
                "labels": "infection and lungs by radiologists; the kind of lesion is not known",
            },
            {
                "name": "nine Radiopaedia volumes (medseg9), 339 slices of 6 series, patients of ct20",
                "license": "CC BY-NC-SA as far as known",
                "labels": "expert ground glass, consolidation, lungs; kinds inferred from gray values count as unknown",
            },
            {
                "name": "PleThora pleural effusions on NSCLC-Radiomics CT, 4 volumes with reliable labels",
                "license": "CC BY-NC as far as known",
                "labels": "expert pleural effusion; dense tissue beside it is not labeled",
            },
            {
                "name": "COVID-CT-MD sample, 3 volumes (one COVID-19, one other pneumonia, one normal)",
                "license": "not stated",
                "labels": "infected yes / no per slice; lungs by threshold; exact ones of lesions computed into "
                "healthy slices",
            },
            {
                "name": f"{mixture.phantom_count} procedural chest phantoms of this project",
                "license": "Apache-2.0",
                "labels": "exact",
            },
            {"name": "ImageNet (encoder's starting weights, EfficientNet-Lite0)", "license": "Apache-2.0 (weights)"},
        ],
        "split": "by visual patient group (sirm100/split.csv) and patient (ct20, medseg9, plethora); "
        "validation rows never trained on",
        "training": {
            "command": "lesionkit train covid-convlstm --data DIR --output DIR "
            + f"--steps {plan.steps} --seed {plan.seed}",
            "steps": plan.steps,
            "slices_per_step": mixture.singles + mixture.masked + mixture.runs * mixture.length,
            "seed": plan.seed,
            "selection": SELECTION,
        },
        "metrics": metrics,
        "metrics_command": "lesionkit evaluate covid --data ct/sirm100 --split val",
        "metrics_data": "sirm100, 19 slices of 9 visual patient groups not trained on",
        "intended_use": "Research and education only. Not a medical device: do not use it for diagnosis or treatment.",
        "limits": [
            "Pleural effusion needs Hounsfield units: in 8-bit pictures it is not found (Dice 0 on the validation "
            "slices), in CT volumes it is, but on phantoms its volume is off by up to three quarters.",
            "Healthy structures are marked at times: the heart's apex and a hilar vessel as consolidation, a thin "
            "layer behind a lung as effusion (phantom sample), small vessels and dependent lung as ground glass "
            "(normal CT).",
            "Consolidation is under-segmented on the validation slices (a third of its pixels found).",
            "Trained on few patients (COVID-19 in Italy and China, 2020); other diseases, children and other scanners "
            "are untested.",
            "Tumors, fibrosis, atelectasis and motion may be marked as ground glass or consolidation.",
            "A lung without any air may be cut off; a chest with less than 0.2 l of air-filled lung is refused.",
        ],
        "license": "Research and education only (terms of the training data)",
    }
    return fine_tuning.card(card, mixture, plan) if fine_tuning else card
