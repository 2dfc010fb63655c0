"""Training the bundled mask model and translators, and describing what came of it."""

from __future__ import annotations

from pathlib import Path

from LesionKitLib.models.registry import Model, load_weights, save_model
from LesionKitLib.run.progress import Progress
from LesionKitResearch.datasets.stroke import read_masks
from LesionKitResearch.datasets.stroke_image_pairs import Pairs, read_pairs
from LesionKitResearch.evaluation.stroke_masks import evaluate_masks
from LesionKitResearch.evaluation.stroke_translators import evaluate_generator
from LesionKitResearch.training.adversarial_loop import GanPlan
from LesionKitResearch.training.lesion_prior import fit_lesion_prior
from LesionKitResearch.training.stroke_masks import CRITIC_STEPS, PLAN, BoxedLesions, boxed_lesions, train_mask_gan
from LesionKitResearch.training.stroke_translators import (
    CONTRAST_WEIGHT,
    CYCLE_WEIGHT,
    L1_WEIGHT,
    LESION_CONTRAST,
    PLANS,
    train_translator,
)
from StrokeSynthLib.labels import LABELS
from StrokeSynthLib.networks.registry import build_generator
from StrokeSynthLib.networks.shapes import CELLS
from StrokeSynthLib.synthesis.lesion_sampling import MASK_MODEL, store_prior
from StrokeSynthLib.synthesis.occupancy_grid import MAX_ML, MIN_VOXELS

VERSION = "1.0.0"
SOOP = {
    "name": "Stroke Outcome Optimization Project, FLAIR slices and expert lesion masks (neurolabusc demo repository)",
    "license": "BSD-2 (repository); the underlying data set's own license is not stated there",
}
TEMPLATE = {
    "name": "ICBM 152 nonlinear symmetric 2009a tissue maps (bundled template)",
    "license": "see Resources/Template/LICENSE.txt",
}
COMMON = {
    "version": VERSION,
    "reference": "Platscher, Zopes, Federau 2020, arXiv 2010.02745 (idea; written anew; the paper used DWI)",
    "intended_use": "Research and education only. Not a medical device: do not use it for diagnosis or treatment.",
    "license": "Research and education only (terms of the training data)",
    "split": "by patient (soop split column); validation patients never trained on",
    "metrics_data": "SOOP, validation patients, never trained on",
}
REFERENCES = {
    "pix2pix": "Isola et al. 2017, arXiv 1611.07004",
    "spade": "Park et al. 2019, arXiv 1903.07291",
    "cyclegan": "Zhu et al. 2017, arXiv 1703.10593",
}
_GOOD = "Fluid, brain and large infarcts have their grays; cortex hardly differs from white matter"
VERSIONS = {"cyclegan": "1.1.0"}
BUNDLED = {  # what is wrong with the images of the bundled models
    "pix2pix": f"{_GOOD}; white matter of coronal slices has a chequered patch.",
    "spade": f"{_GOOD}; there are faint streaks.",
    "cyclegan": "Lesions are bright because the training said so: without pairs, nothing else tells their gray, so "
    "every lesion is bright. Brain is covered by a fine grid and coarse noise, deep gray matter has no clear edge. It "
    "is there for comparison; use Pix2Pix or SPADE.",
}


def train_mask_model(
    data: Path,
    output: Path,
    plan: GanPlan = PLAN,
    device: str = "cpu",
    progress: Progress | None = None,
    lesions: BoxedLesions | None = None,
) -> Model:
    """Train the mask GAN, fit the lesion prior, evaluate on held-out masks and write output/stroke-mask-gan.

    data: the folder that holds soop. lesions: of an earlier boxed_lesions, which takes a minute.
    """
    from StrokeSynthLib.networks.mask_gan import LesionSampler

    if lesions is None:
        lesions = boxed_lesions(read_masks(data / "soop", "train"), progress=progress)
    sampler = LesionSampler()
    sampler.generator = train_mask_gan(lesions, output, plan, device, progress)
    store_prior(sampler, fit_lesion_prior(lesions.tight, lesions.left, plan.seed))
    folder = output / MASK_MODEL
    model = save_model(sampler, mask_card(plan, len(lesions.cells), {}), folder)
    load_weights(model, sampler)  # what is evaluated are the stored (half precision) weights
    figures = evaluate_masks(data / "soop", sampler=sampler.eval(), progress=progress)["metrics"]
    return save_model(sampler, mask_card(plan, len(lesions.cells), figures), folder)


def train_translator_model(
    name: str,
    data: Path,
    output: Path,
    plan: GanPlan | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    pairs: dict[str, dict[str, Pairs]] | None = None,
) -> Model:
    """Train a translator, evaluate it on held-out slices and write output/stroke-<name>.

    data: the folder that holds soop. pairs: {"train": ..., "val": ...} of an earlier read_pairs, which takes minutes.
    """
    plan = plan or PLANS[name]
    if pairs is None:
        pairs = {split: read_pairs(data / "soop", split, progress) for split in ("train", "val")}
    generator = train_translator(name, pairs["train"], output, plan, device, progress)
    folder = output / f"stroke-{name}"
    counts = {plane: len(part) for plane, part in pairs["train"].items()}
    model = save_model(generator, translator_card(name, plan, counts, {}), folder)
    generator = build_generator(name)
    load_weights(model, generator)
    figures = evaluate_generator(generator.eval(), pairs["val"], device=device, progress=progress)["metrics"]
    return save_model(generator, translator_card(name, plan, counts, figures), folder)


def mask_card(plan: GanPlan, count: int, metrics: dict) -> dict:
    """The mask model's card, less the sha256."""
    return {
        "name": MASK_MODEL,
        **COMMON,
        "task": "draws masks of ischemic stroke lesions into a brain",
        "network": "LesionSampler",
        "arguments": {},
        "input": {
            "grid": f"the lesion's own box in {CELLS} cells along each side, in MNI space, axes L P S",
            "conditions": "the box's center and sides (mm) and the volume (ml), drawn from a Gaussian mixture",
        },
        "labels": {"1": "ischemic stroke lesion"},
        "training_data": [{**SOOP, "labels": f"{count} lesions of {MIN_VOXELS} voxels to {MAX_ML:g} ml"}, TEMPLATE],
        "training": {
            **_training("stroke-mask-gan", plan),
            "critic_steps": CRITIC_STEPS,
            "note": "the critic took fewer steps for each of the generator's than the paper's five, to suit a CPU",
        },
        "metrics": metrics,
        "metrics_command": "lesionkit evaluate stroke-synthesis --data DIR --network stroke-mask-gan",
        "limits": [
            "Right lesions were mirrored to the left for training: the hemispheres' differences are not learned.",
            "Small satellite components (below 2 % of the largest) and lesions above 300 ml are not drawn.",
            "Places and sizes come from a Gaussian mixture fitted to the training lesions, not from the GAN.",
            "Masks follow lesions drawn on diffusion images of one hospital network; other populations may differ.",
        ],
    }


def translator_card(name: str, plan: GanPlan, counts: dict[str, int], metrics: dict) -> dict:
    """A translator's card, less the sha256. counts: training slices of each plane."""
    slices = ", ".join(f"{count} {plane}" for plane, count in counts.items())
    pairing, weights = "paired", {"l1_weight": L1_WEIGHT}
    if name == "cyclegan":
        pairing = "unpaired: labels of one slice, images of another"
        weights = {"cycle_weight": CYCLE_WEIGHT, "contrast_weight": CONTRAST_WEIGHT, "lesion_contrast": LESION_CONTRAST}
    return {
        "name": f"stroke-{name}",
        **COMMON,
        "version": VERSIONS.get(name, VERSION),
        "task": "draws FLAIR-like brain images from label maps",
        "network": {"pix2pix": "Pix2PixGenerator", "spade": "SpadeGenerator", "cyclegan": "CycleGANGenerator"}[name],
        "architecture": REFERENCES[name],
        "arguments": {},
        "input": {
            "modality": "label map; the images learned from are FLAIR",
            "orientation": "axial, coronal and sagittal slices at 1 mm, anterior or superior up",
            "channels": "one-hot labels and one field of noise",
        },
        "labels": {str(c.value): c.name for c in LABELS},
        "training_data": [
            {**SOOP, "labels": f"slices: {slices} ({pairing}); lesions by experts, tissue by atlas and gray values"},
            TEMPLATE,
        ],
        "training": {**_training(f"stroke-{name}", plan), **weights},
        "metrics": metrics,
        "metrics_command": f"lesionkit evaluate stroke-synthesis --data DIR --network stroke-{name}",
        "limits": [
            BUNDLED[name],
            "Trained on FLAIR only, for minutes on a CPU: fine texture is not real.",
            "Real slices were one per plane and patient (MNI z 18, y -18, x -39 mm): the cerebellum and the vertex are "
            "extrapolated.",
            "Tissue labels of the training slices are automatic, so borders of cortex and sulci are approximate, and "
            "deep gray matter, in which they take in parts of the third ventricle, is drawn darker than it is.",
            "About a third of the lesions drawn on diffusion are hardly visible on FLAIR; the translator learned that "
            "mixture and may draw faint lesions.",
        ],
    }


def _training(name: str, plan: GanPlan) -> dict:
    return {
        "command": f"lesionkit train {name} --data DIR --output DIR --steps {plan.steps} --seed {plan.seed}",
        "steps": plan.steps,
        "batch": plan.batch,
        "learning_rate": plan.learning_rate,
        "seed": plan.seed,
        "selection": "the averaged weights of the last step",
    }
