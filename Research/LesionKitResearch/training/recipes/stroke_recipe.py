"""Training the bundled segmentation network and describing what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from LesionKitLib.models.registry import Model, save_model
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke import MIN_LESION_PIXELS, SliceSet, read_slices
from LesionKitResearch.evaluation.stroke import by_source, scores_of
from LesionKitResearch.evaluation.stroke_slices import mean_dice, predict_slices
from LesionKitResearch.training.loop import TrainingPlan
from LesionKitResearch.training.state import averaged_weights
from LesionKitResearch.training.stroke import (
    FINE_TUNE,
    FINE_TUNE_PLAN,
    HELD_BACK_EVERY,
    PLAN,
    TRANSLATED,
    TRANSLATOR,
    Mixture,
    read_sources,
    split_held_back,
    train_stroke_unet,
)
from LesionKitResearch.training.weight_interpolation import ENOUGH, Interpolation, interpolate
from StrokeSynthLib.labels import LESION
from StrokeSynthLib.pipeline import MODEL

VERSION = "2.0.0"  # of a training from ImageNet's weights
FINE_TUNED_VERSION = "3.0.0"
EVALUATED = ("soop", "isles22_2d", "flair_infarct", "negatives")
THRESHOLDS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
CALIBRATION_SLICES = 150
LIMITS = (
    "Trained on FLAIR and, since 3.0.0, DWI slices; T2 and T1 were seen as images made from label maps only, and there "
    "are no figures for them.",
    "The lesions were drawn on diffusion images: an acute lesion can be invisible on FLAIR, and old bright lesions "
    "count as wrong where they are marked.",
    "Tumors are marked at times; small lesions are often missed; bright artifacts at the skull base may be marked.",
    "Slices are segmented one by one; the figures are of slices, not of volumes.",
    "Hemorrhage, children and post-operative brains are untested.",
)


def train_and_describe(
    data: Path,
    output: Path,
    plan: TrainingPlan = PLAN,
    device: str = "cpu",
    progress: Progress | None = None,
    as_it_is: bool = False,
) -> Model:
    """Train, evaluate on the validation patients, and write weights and card to output/stroke-unet.

    data: the folder that holds soop and synthseg_labels. as_it_is: do not train on, but describe the state that an
    unfinished training has reached.
    """
    mixture = Mixture()
    if as_it_is:
        network, steps = averaged_network(output)
    else:
        sources = read_sources(data, mixture)
        network, steps = train_stroke_unet(sources, output, plan, mixture, device, progress=progress), plan.steps
    threshold = calibrate(network, [read_slices(data / "soop", "axial", "train")], device)
    figures = validation_figures(network, [data / "soop"], device)
    return save_model(network.cpu(), card(plan, mixture, steps, figures, threshold), output / MODEL)


def validation_figures(network, folders: Sequence[Path], device: str = "cpu") -> dict[str, dict]:
    """The card's figures: of each sequence and plane of the folders' validation patients."""
    scores = [score for folder in folders for score in scores_of(network, folder, "val", device)]
    return {name: part["lesion"] for name, part in by_source(scores).items()}


def fine_tune_and_describe(
    data: Path,
    output: Path,
    start: Model,
    plan: TrainingPlan = FINE_TUNE_PLAN,
    device: str = "cpu",
    progress: Progress | None = None,
    as_it_is: bool = False,
) -> Model:
    """Go on from a model with the mixture FINE_TUNE, evaluate on the validation patients, write output/stroke-unet.

    data: the folder that holds soop, synthseg_labels, isles22_2d, flair_infarct and negatives. The curve's figures are
    of training patients that are held back, and so is the choice of how much of the new weights is taken
    (weight_interpolation). as_it_is: see train_and_describe.
    """
    from LesionKitLib.models.inference import choose_runtime

    sources, left = split_held_back(read_sources(data, FINE_TUNE))
    runtime = choose_runtime(device)

    def check(network) -> dict[str, float]:
        return {f"held back {name}": mean_dice(predict_slices(network, s, runtime), s) for name, s in left.items()}

    before = _network_of(start)
    if as_it_is:
        network, steps = averaged_network(output)
    else:
        network, steps = _network_of(start), plan.steps
        network = train_stroke_unet(sources, output, plan, FINE_TUNE, device, check, progress, start=network)
    sets = list(left.values())
    mixed = interpolate(before.to(device), network, lambda candidate: held_back_dice(candidate, sets, device).max())
    threshold = calibrate(mixed.network, sets, device)
    figures = validation_figures(mixed.network, [data / folder for folder in EVALUATED], device)
    described = fine_tuned_card(plan, start, steps, figures, threshold, mixed)
    return save_model(mixed.network.cpu(), described, output / MODEL)


def _network_of(model: Model):
    """In eval mode."""
    from LesionKitLib.models.registry import load_weights
    from StrokeSynthLib.networks.stroke_unet import StrokeUNet

    network = StrokeUNet()
    load_weights(model, network)
    return network.eval()


def averaged_network(folder: Path):
    """The averaged network that an unfinished training in the folder has reached, in eval mode, and its step.

    Raises UnusableInput when there is none.
    """
    from StrokeSynthLib.networks.stroke_unet import StrokeUNet

    weights, steps = averaged_weights(folder)
    network = StrokeUNet()
    network.load_state_dict(weights)
    return network.eval(), steps


def calibrate(network, sets: Sequence[SliceSet], device: str = "cpu") -> float:
    """Move the network's lesion bias so that 0.5 is the probability with the best Dice on training slices.

    Returns that probability, of THRESHOLDS, before the move: the one with the highest held_back_dice.
    """
    import torch

    best = THRESHOLDS[int(np.argmax(held_back_dice(network, sets, device)))]
    with torch.no_grad():
        network.head.bias[0] -= float(np.log(best / (1 - best)))
    return best


def held_back_dice(network, sets: Sequence[SliceSet], device: str = "cpu") -> np.ndarray:
    """Per probability of THRESHOLDS, the mean over the sets of each set's mean Dice.

    Takes up to CALIBRATION_SLICES slices with a lesion of each set.
    """
    from LesionKitLib.models.inference import choose_runtime

    figures = []
    for slices in sets:
        rows = np.flatnonzero(slices.areas >= MIN_LESION_PIXELS)
        chosen = slices[rows[:: max(1, len(rows) // CALIBRATION_SLICES)]]
        probability = predict_slices(network, chosen, choose_runtime(device), mirrored=False)
        figures.append([mean_dice(probability, chosen, threshold) for threshold in THRESHOLDS])
    return np.mean(figures, 0)


def card(plan: TrainingPlan, mixture: Mixture, steps: int, figures: dict, threshold: float = 0.5) -> dict:
    """The model card of a training from ImageNet's weights, without the sha256 that saving adds.

    steps: that were taken; threshold: what calibrate returned.
    """
    stopped = "" if steps == plan.steps else f"stopped at step {steps} of {plan.steps}, before the rate had fallen; "
    return {
        **_about(mixture, figures),
        "version": VERSION,
        "training": {
            "command": f"lesionkit train stroke-unet --data DIR --output DIR --steps {plan.steps} --seed {plan.seed}",
            "steps": steps,
            "slices_per_step": slices_per_step(mixture),
            "seed": plan.seed,
            "selection": f"{stopped}the lesion threshold ({threshold:g}, moved to 0.5 by the bias) was chosen on "
            "training slices; nothing was chosen on the validation patients",
        },
        "limits": [*_unfinished(steps, plan.steps, figures), *LIMITS],
    }


def fine_tuned_card(
    plan: TrainingPlan, start: Model, steps: int, figures: dict, threshold: float, mixed: Interpolation
) -> dict:
    """The model card of a training that went on from a model, without the sha256. steps: that were taken."""
    dice = ", ".join(f"{share:g}: {value:.3f}" for share, value in mixed.scores.items())
    about = _about(FINE_TUNE, figures)
    stopped = "" if steps == plan.steps else f"stopped at step {steps} of {plan.steps}, before the rate had fallen; "
    return {
        **about,
        "version": FINE_TUNED_VERSION,
        "training_data": [
            *about["training_data"],
            {
                "name": f"before that, the data of {start.name} {start.version}, from which this training went on",
                "license": "as above; slices drawn by the bundled translators among them",
                "labels": "as above",
            },
        ],
        "training": {
            "command": "lesionkit train stroke-unet --data DIR --output DIR --start MODEL "
            f"--steps {plan.steps} --seed {plan.seed}, MODEL being {start.name} {start.version} "
            f"(sha256 {start.card['sha256'][:12]}...)",
            "steps": steps,
            "slices_per_step": slices_per_step(FINE_TUNE),
            "seed": plan.seed,
            "selection": f"{stopped}the weights are the mean of {mixed.share:g} parts of the last averaged ones and "
            f"{1 - mixed.share:g} parts of the starting ones: the smallest share that keeps {ENOUGH:.0%} of the gain "
            f"in Dice on one in {HELD_BACK_EVERY} of the training patients, held back from it (Dice by share: "
            f"{dice}; the starting weights had been trained on those of soop among them); the lesion threshold "
            f"({threshold:g}, moved to 0.5 by the bias) was chosen on the same; nothing was chosen on the validation "
            "patients",
        },
        "limits": list(LIMITS),
    }


def slices_per_step(mixture: Mixture) -> float:
    """On average."""
    return sum(asdict(mixture).values())


def _about(mixture: Mixture, figures: dict) -> dict:
    return {
        "name": MODEL,
        "task": "ischemic stroke lesion and brain on MR",
        "network": "StrokeUNet",
        "arguments": {},
        "reference": "U-Net on EfficientNet-Lite0; contrasts at random after SynthSeg (Billot et al. 2023) and "
        "SynthStroke (Chalcroft et al. 2025); written anew",
        "input": {
            "modality": "MR of the brain, with or without skull; FLAIR or DWI best",
            "orientation": "axial slices in LPS order after affine alignment with the MNI ICBM 152 template",
            "spacing_mm": [1.0, 1.0, 1.0],
            "channels": ["gray, spreads from the brain's median", "its mirror image", "the template's T1"],
        },
        "labels": {"1": LESION.name, "2": "Brain"},
        "training_data": _training_data(mixture),
        "split": "by patient (split of the files); validation patients never trained on",
        "metrics": figures,
        "metrics_command": "lesionkit evaluate stroke --data mr/SET --split val, SET being the beginning of each row",
        "metrics_data": "slices of the validation patients; Dice over lesions of at least 20 pixels",
        "intended_use": "Research and education only. Not a medical device: do not use it for diagnosis or treatment.",
        "license": "Research and education only (terms of the training data)",
    }


def _training_data(mixture: Mixture) -> list[dict]:
    """Only what the mixture holds."""
    made_from_labels = mixture.randomized or mixture.translated
    parts = [
        (
            True,
            "Stroke Outcome Optimization Project (SOOP): FLAIR slices in three planes and 3-D lesion masks of the "
            "870 training patients, three wrong masks excluded",
            "repository BSD-2; the data's own terms are not stated, so non-commercial use is assumed",
            "lesions drawn by experts on trace diffusion images",
        ),
        (
            mixture.isles_dwi or mixture.isles_flair,
            "ISLES'22: one axial slice of 86 training patients on DWI and, where usable, on FLAIR",
            "CC BY-SA 4.0 (data set)",
            "lesions drawn by experts on diffusion images",
        ),
        (
            mixture.infarct,
            "whole-head axial FLAIR of 7 patients with acute infarcts (flair_infarct); brains by the bundled "
            "stroke-brain-extraction, shown exactly, too wide, or with skull",
            "not stated, so non-commercial use is assumed",
            "acute infarcts drawn by experts",
        ),
        (
            mixture.negatives,
            "FLAIR of 3 BraTS 2013 patients (negatives): tumors, no strokes",
            "CC BY-NC-SA 3.0",
            "no stroke anywhere",
        ),
        (
            made_from_labels,
            "label maps of SynthSeg's training set, 14, and the ICBM 152 template, made into images",
            "Apache-2.0; the template under McGill's terms (beside the file)",
            "anatomy; lesions of SOOP's masks drawn in",
        ),
        (
            mixture.translated,
            f"{TRANSLATED} axial slices that the bundled stroke-{TRANSLATOR} drew from these label maps and masks "
            f"({mixture.translated} of the {slices_per_step(mixture)} slices of a step)",
            "as that of the masks",
            "exact: the label map that each was drawn from",
        ),
        (True, "ImageNet (encoder's starting weights, EfficientNet-Lite0)", "Apache-2.0 (weights)", ""),
    ]
    keys = ("name", "license", "labels")
    return [{key: text for key, text in zip(keys, texts, strict=True) if text} for used, *texts in parts if used]


def _unfinished(steps: int, planned: int, figures: dict) -> list[str]:
    """What a user must know about a training that was stopped."""
    if steps >= planned:
        return []
    dice = next(iter(figures.values()))["dice"]["mean"] if figures else None
    shown = "" if dice is None else f" (validation Dice {dice:.2f})"
    return [f"Training was stopped at step {steps} of {planned}{shown}: draw or check every lesion by hand."]
