"""Training the bundled segmentation network and describing what came of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LesionKitLib.models.registry import Model, save_model
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke import MIN_LESION_PIXELS, SliceSet, read_slices
from LesionKitResearch.evaluation.stroke import by_source, metrics_of, scores_of
from LesionKitResearch.evaluation.stroke_slices import mean_dice, predict_slices
from StrokeSynthLib.labels import LESION
from StrokeSynthLib.pipeline import MODEL

from .loop import TrainingPlan
from .state import averaged_weights
from .stroke import PLAN, TRANSLATED, TRANSLATOR, Mixture, read_sources, train_stroke_unet

VERSION = "2.0.0"
THRESHOLDS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
CALIBRATION_SLICES = 150


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
    threshold = calibrate(network, read_slices(data / "soop", "axial", "train"), device)
    scores = scores_of(network, data / "soop", "val", device)
    figures = {"axial, coronal and sagittal": metrics_of(scores)["lesion"]}
    figures |= {name: part["lesion"] for name, part in by_source(scores).items()}
    return save_model(network.cpu(), card(plan, mixture, steps, figures, threshold), output / MODEL)


def averaged_network(folder: Path):
    """The averaged network that an unfinished training in the folder has reached, in eval mode, and its step.

    Raises UnusableInput when there is none.
    """
    from StrokeSynthLib.networks.stroke_unet import StrokeUNet

    weights, steps = averaged_weights(folder)
    network = StrokeUNet()
    network.load_state_dict(weights)
    return network.eval(), steps


def calibrate(network, slices: SliceSet, device: str = "cpu") -> float:
    """Move the network's lesion bias so that 0.5 is the probability with the best mean Dice on training slices.

    Returns that probability, of THRESHOLDS, before the move. Takes up to CALIBRATION_SLICES slices with a lesion.
    """
    import torch

    from LesionKitLib.models.inference import choose_runtime

    rows = np.flatnonzero(slices.areas >= MIN_LESION_PIXELS)
    chosen = slices[rows[:: max(1, len(rows) // CALIBRATION_SLICES)]]
    probability = predict_slices(network, chosen, choose_runtime(device), mirrored=False)
    figures = [mean_dice(probability, chosen, threshold) for threshold in THRESHOLDS]
    best = THRESHOLDS[int(np.argmax(figures))]
    with torch.no_grad():
        network.head.bias[0] -= float(np.log(best / (1 - best)))
    return best


def card(plan: TrainingPlan, mixture: Mixture, steps: int, figures: dict, threshold: float = 0.5) -> dict:
    """The model card, without the sha256 that saving adds. threshold: what calibrate returned."""
    per_step = mixture.axial + mixture.coronal + mixture.sagittal + mixture.translated + mixture.randomized
    stopped = "" if steps == plan.steps else f"stopped at step {steps} of {plan.steps}, before the rate had fallen; "
    return {
        "name": MODEL,
        "version": VERSION,
        "task": "ischemic stroke lesion and brain on MR",
        "network": "StrokeUNet",
        "arguments": {},
        "reference": "U-Net on EfficientNet-Lite0; contrasts at random after SynthSeg (Billot et al. 2023) and "
        "SynthStroke (Chalcroft et al. 2025); written anew",
        "input": {
            "modality": "MR of the brain, with or without skull; FLAIR best",
            "orientation": "axial slices in LPS order after affine alignment with the MNI ICBM 152 template",
            "spacing_mm": [1.0, 1.0, 1.0],
            "channels": ["gray, spreads from the brain's median", "its mirror image", "the template's T1"],
        },
        "labels": {"1": LESION.name, "2": "Brain"},
        "training_data": [
            {
                "name": "Stroke Outcome Optimization Project (SOOP): FLAIR slices in three planes and 3-D lesion masks "
                "of the 870 training patients, three wrong masks excluded",
                "license": "repository BSD-2; the data's own terms are not stated, so non-commercial use is assumed",
                "labels": "lesions drawn by experts on trace diffusion images",
            },
            {
                "name": "label maps of SynthSeg's training set, 14, and the ICBM 152 template, made into images",
                "license": "Apache-2.0; the template under McGill's terms (beside the file)",
                "labels": "anatomy; lesions of the masks above drawn in",
            },
            {
                "name": f"{TRANSLATED} axial slices that the bundled stroke-{TRANSLATOR} drew from these label maps "
                f"and masks ({mixture.translated} of the {per_step} slices of a step)",
                "license": "as that of the masks",
                "labels": "exact: the label map that each was drawn from",
            },
            {"name": "ImageNet (encoder's starting weights, EfficientNet-Lite0)", "license": "Apache-2.0 (weights)"},
        ],
        "split": "by patient (split of the files); validation patients never trained on",
        "training": {
            "command": f"lesionkit train stroke-unet --data DIR --output DIR --steps {plan.steps} --seed {plan.seed}",
            "steps": steps,
            "slices_per_step": per_step,
            "seed": plan.seed,
            "selection": f"{stopped}the lesion threshold ({threshold:g}, moved to 0.5 by the bias) was chosen on "
            "training slices; nothing was chosen on the validation patients",
        },
        "metrics": figures,
        "metrics_command": "lesionkit evaluate stroke --data mr/soop --split val",
        "metrics_data": "SOOP, FLAIR slices of the validation patients; Dice over lesions of at least 20 pixels",
        "intended_use": "Research and education only. Not a medical device: do not use it for diagnosis or treatment.",
        "limits": [
            *_unfinished(steps, plan.steps, figures),
            "Trained on FLAIR slices; DWI, T2 and T1 were seen as images made from label maps only, and there are no "
            "figures for them.",
            "The lesions were drawn on diffusion images: an acute lesion can be invisible on FLAIR, and old bright "
            "lesions count as wrong where they are marked.",
            "On the one T2 volume tried, with a large chronic lesion (expert's mask: 38 ml), 20 ml were marked in 18 "
            "components, 6.5 ml of them in the lesion; on the one DWI volume tried small acute lesions were found, and "
            "so were bright and dark artifacts at the skull base and a part of the cerebellum (`lesionkit stroke "
            "segment` on each).",
            "Small lesions are often missed; bright artifacts at the skull base may be marked.",
            "Slices are segmented one by one; the figures are of slices at fixed places, not of volumes.",
            "Hemorrhage, tumors, children and post-operative brains are untested.",
        ],
        "license": "Research and education only (terms of the training data)",
    }


def _unfinished(steps: int, planned: int, figures: dict) -> list[str]:
    """What a user must know about a training that was stopped."""
    if steps >= planned:
        return []
    dice = next(iter(figures.values()))["dice"]["mean"] if figures else None
    shown = "" if dice is None else f" (validation Dice {dice:.2f})"
    return [f"Training was stopped at step {steps} of {planned}{shown}: draw or check every lesion by hand."]
