"""Training the bundled brain extraction network and describing what came of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from LesionKitLib.imaging.metrics import with_interval
from LesionKitLib.models.registry import Model, save_model
from LesionKitLib.run.progress import Progress
from LesionKitResearch.evaluation.brain_extraction import extraction_scores
from LesionKitResearch.training.brain_extraction import BATCH, PLAN, read_anatomies, train_brain_extraction
from LesionKitResearch.training.loop import TrainingPlan
from StrokeSynthLib.labels import BRAIN
from StrokeSynthLib.segmentation.brain_extraction import MODEL, STEP_MM

VERSION = "1.0.0"


def train_and_describe(
    data: Path, output: Path, plan: TrainingPlan = PLAN, device: str = "cpu", progress: Progress | None = None
) -> Model:
    """Train, evaluate on the validation label maps, and write weights and card below output.

    data: the folder that holds synthseg_labels.
    """
    folder = data / "synthseg_labels"
    network = train_brain_extraction(read_anatomies(folder), output, plan, device, progress=progress).cpu()
    scores = extraction_scores(network, read_anatomies(folder, "val"))
    return save_model(network, card(plan, scores), output / MODEL)


def card(plan: TrainingPlan, scores: dict[str, list]) -> dict:
    """The model card, without the sha256 that saving adds."""
    patients = [str(number) for number in scores["patient"]]
    figures = {}
    for name in ("dice", "volume_error"):
        values = np.array(scores[name])
        figures[name] = with_interval(lambda rows, values=values: float(values[rows].mean()), patients)
    return {
        "name": MODEL,
        "version": VERSION,
        "task": "brain extraction (skull stripping) on MR",
        "network": "BrainExtractionNet",
        "arguments": {},
        "reference": "contrasts, skulls and noise at random after SynthStrip (Hoopes et al. 2022); written anew",
        "input": {
            "modality": "MR of the head, any sequence, with or without skull",
            "orientation": "LPS order; the whole image, then the field about the brain",
            "spacing_mm": [STEP_MM] * 3,
        },
        "labels": {"1": f"{BRAIN.name}, with the fluid around it"},
        "training_data": [
            {
                "name": "label maps of SynthSeg's training set, 14 heads, made into images",
                "license": "Apache-2.0",
                "labels": "anatomy; layers of bone and scalp laid around the brain",
            }
        ],
        "split": "by person (split of the files); the three validation heads never trained on",
        "training": {
            "command": f"lesionkit train {MODEL} --data DIR --output DIR --steps {plan.steps} --seed {plan.seed}",
            "steps": plan.steps,
            "heads_per_step": BATCH,
            "seed": plan.seed,
            "selection": "nothing was chosen on the validation heads",
        },
        "metrics": {"random heads": figures | {"n": len(patients)}},
        "metrics_command": f"lesionkit train {MODEL} --data DIR --output DIR",
        "metrics_data": "images made at random from three validation label maps, with and without skull, noise and "
        "cuts; volume_error is a percentage of the true volume",
        "intended_use": "Research and education only. Not a medical device: do not use it for diagnosis or treatment.",
        "limits": [
            "Trained on made images of 14 adult heads; no figures exist for children, large masses or operated brains.",
            "The brain is seen at 4 mm: borders are smooth, and fluid in the furrows belongs to it.",
            "Heads turned by more than about 20 degrees against the image's axes are untested.",
        ],
        "license": "Research and education only",
    }
