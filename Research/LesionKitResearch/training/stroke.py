"""The recipe of the segmentation network: which slices, in what mixture, for how long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from LesionKitLib.run.progress import Progress
from LesionKitResearch.augmentation.stroke import View, make_view, other_grays
from LesionKitResearch.datasets.stroke import MIN_LESION_PIXELS, PLANES, MaskSet, SliceSet
from LesionKitResearch.datasets.stroke_frames import in_frame
from StrokeSynthLib.labels import BACKGROUND, LESION, SKULL_FIRST
from StrokeSynthLib.segmentation.slice_views import plane_slice, template_slice, template_volume

from .loop import TrainingPlan, fit

PRETRAINED_RATE = 0.4  # of the learning rate, for the encoder
WITH_LESION = 0.85  # share of the real slices drawn that hold a lesion
WITH_SKULL = 0.3  # share of the label-map images that keep skull and scalp


WHOLE_HEAD = 0.15  # share of the slices with skull that are shown as they are, as where brain extraction fails
LOOSE_BRAIN, LOOSE_PIXELS = 0.4, 4  # share of the others whose brain mask is too wide, and by how much at most
WITHOUT_TEMPLATE = 0.3  # share of the views in standard space that do without the template's slice

# further public sets: (field of Mixture, folder, sequence)
FURTHER = (
    ("isles_dwi", "isles22_2d", "dwi"),
    ("isles_flair", "isles22_2d", "flair"),
    ("infarct", "flair_infarct", "flair"),
    ("negatives", "negatives", "flair"),
)
HELD_BACK = ("axial", "isles_dwi", "isles_flair", "infarct")
HELD_BACK_EVERY = 10  # of the training patients of these sets one in so many is left for the curve


@dataclass(frozen=True)
class Mixture:
    """Slices per step of each source: real ones by plane, translated ones, images made from label maps, and the further
    public sets of FURTHER. A part of one is the share of the steps that hold one more."""

    axial: float = 4
    coronal: float = 1
    sagittal: float = 1
    translated: float = 1
    randomized: float = 1
    isles_dwi: float = 0
    isles_flair: float = 0
    infarct: float = 0
    negatives: float = 0


PLAN = TrainingPlan(steps=4000, check_every=500, save_every=100, learning_rate=1.5e-3)
FINE_TUNE = Mixture(2, 0.25, 0.25, 0, 0.25, isles_dwi=1.5, isles_flair=1, infarct=1, negatives=0.5)
FINE_TUNE_PLAN = TrainingPlan(600, learning_rate=6e-4, ema=0.98, save_every=20, check_every=100, warmup=20)
TRANSLATOR = "spade"  # its slices help as much as any in the experiment, and look most like real ones
TRANSLATED = 600  # slices made by it before training


@dataclass(frozen=True)
class Sources:
    """What slices are drawn from; masks and anatomies may be empty where nothing is made from label maps."""

    real: dict[str, SliceSet]  # by the fields of Mixture
    translated: SliceSet | None = None
    anatomies: Sequence[np.ndarray] = ()
    masks: MaskSet | None = None


def read_sources(data: Path, mixture: Mixture) -> Sources:
    """The training patients' slices, masks and label maps, and slices translated from both.

    data: the folder that holds soop, synthseg_labels and the folders of FURTHER; those of which the mixture has nothing
    need not be there. Raises MissingResource when the translator is not installed.
    """
    from LesionKitResearch.datasets.anatomies import read_anatomies
    from LesionKitResearch.datasets.stroke import read_masks, read_slices

    real = {plane: read_slices(data / "soop", plane) for plane in PLANES if getattr(mixture, plane)}
    for name, folder, sequence in FURTHER:
        if getattr(mixture, name):
            real[name] = in_frame(read_slices(data / folder, sequence=sequence))
    if not mixture.randomized and not mixture.translated:
        return Sources(real)
    anatomies, masks = read_anatomies(data / "synthseg_labels"), read_masks(data / "soop")
    translated = _translated(anatomies, masks) if mixture.translated else None
    return Sources(real, translated, anatomies, masks)


def _translated(anatomies: Sequence[np.ndarray], masks: MaskSet) -> SliceSet:
    from LesionKitLib.models.inference import choose_runtime
    from LesionKitResearch.datasets.stroke_translated_slices import translated_slices
    from StrokeSynthLib.synthesis.synthesis import load_translator

    generator, _ = load_translator(TRANSLATOR)
    return translated_slices(generator, anatomies, masks, TRANSLATED, 0, choose_runtime("cpu"))


def split_held_back(sources: Sources) -> tuple[Sources, dict[str, SliceSet]]:
    """The sources without the patients that are left for the curve, and these patients' slices."""
    trained, left = dict(sources.real), {}
    for name in HELD_BACK:
        if name in trained:
            out = np.isin(trained[name].ids, held_back(trained[name].ids))
            trained[name], left[name] = trained[name][~out], trained[name][out]
    return replace(sources, real=trained), left


def held_back(ids: np.ndarray) -> np.ndarray:
    """One in HELD_BACK_EVERY of the patients, in the order of their names, the first among them."""
    return np.unique(ids)[::HELD_BACK_EVERY]


def real_view(slices: SliceSet, rng: np.random.Generator) -> View:
    """A view of a random slice, most of them with a lesion worth learning from."""
    held = slices.areas >= MIN_LESION_PIXELS
    rows = np.flatnonzero(held if rng.random() < WITH_LESION else ~held)
    row = rng.choice(rows if len(rows) else np.arange(len(slices)))
    image, brain = slices.images[row].astype(np.float32) / 255, slices.brains[row]
    seen = _seen(slices.images[row], brain, rng)
    image = other_grays(image, seen, rng)
    template = template_slice(slices.plane, image.shape)
    if rng.random() < WITHOUT_TEMPLATE:
        template = np.full_like(template, -1)
    return make_view(image, slices.masks[row], brain, template, slices.plane, rng, seen)


def _seen(image: np.ndarray, brain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What is shown of a slice with skull: the brain, more or less exactly, or all; without skull the brain."""
    from scipy import ndimage

    if not brain.any() or (image[~brain] == 0).all():
        return brain
    drawn = rng.random()
    if drawn < WHOLE_HEAD:
        return image > 0
    if drawn < WHOLE_HEAD + LOOSE_BRAIN:
        return ndimage.binary_dilation(brain, iterations=int(rng.integers(1, LOOSE_PIXELS + 1)))
    return brain


def randomized_view(sources: Sources, rng: np.random.Generator) -> View:
    """A view of an image made from a label map with a lesion of a training patient."""
    from LesionKitResearch.augmentation.label_map_randomization import random_image
    from LesionKitResearch.datasets.anatomies import random_lesion_slice

    labels, plane, index = random_lesion_slice(sources.anatomies, sources.masks, rng)
    if rng.random() >= WITH_SKULL:
        labels = np.where(labels < SKULL_FIRST, labels, BACKGROUND).astype(np.uint8)
    brain = (labels > BACKGROUND) & (labels < SKULL_FIRST)
    image = random_image(labels, rng)
    template = plane_slice(template_volume(), plane, index)
    return make_view(image, labels == LESION.value, brain, template, plane, rng, seen=labels > BACKGROUND)


def draw_batch(sources: Sources, mixture: Mixture, rng: np.random.Generator) -> dict:
    """Tensors image (n, 3, h, w), lesion and brain (n, h, w)."""
    import torch

    def count(name: str) -> int:
        return int(getattr(mixture, name) + rng.random())

    views = [real_view(slices, rng) for name, slices in sources.real.items() for _ in range(count(name))]
    views += [real_view(sources.translated, rng) for _ in range(count("translated") if sources.translated else 0)]
    views += [randomized_view(sources, rng) for _ in range(count("randomized") if sources.anatomies else 0)]
    return {key: torch.from_numpy(np.stack([getattr(v, key) for v in views])) for key in ("image", "lesion", "brain")}


def train_stroke_unet(
    sources: Sources,
    output: Path,
    plan: TrainingPlan = PLAN,
    mixture: Mixture | None = None,
    device: str = "cpu",
    check: Callable | None = None,
    progress: Progress | None = None,
    pretrained: bool = True,
    start=None,
):
    """Train the network; returns it with averaged weights, in eval mode.

    output: folder for the resumable state and the curve. check(model): figures for the curve, which choose nothing.
    pretrained: start from ImageNet weights (needs the extra 'train'). start: a StrokeUNet to go on from instead.
    """
    import torch

    from LesionKitLib.models.encoders.efficientnet_lite import load_imagenet_weights
    from LesionKitResearch.losses.stroke import stroke_loss
    from StrokeSynthLib.networks.stroke_unet import StrokeUNet

    mixture = mixture or Mixture()
    torch.manual_seed(plan.seed)
    model = start or StrokeUNet()
    if pretrained and start is None:
        load_imagenet_weights(model.encoder)
    model = model.to(device, memory_format=torch.channels_last)

    def draw(rng):
        return draw_batch(sources, mixture, rng)

    def loss_of(network, drawn):
        batch = {key: value.to(device) for key, value in drawn.items()}
        logits = network(batch["image"].contiguous(memory_format=torch.channels_last))
        return stroke_loss(logits, batch["lesion"], batch["brain"])

    fresh = [p for n, p in model.named_parameters() if not n.startswith("encoder.")]
    groups = [{"params": list(model.encoder.parameters()), "scale": PRETRAINED_RATE}, {"params": fresh}]
    return fit(model, groups, draw, loss_of, plan, output, device, check, progress)
