"""Lesion masks sampled from the trained mask GAN into a brain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.measures import bounding_box
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.errors import UnusableInput
from StrokeSynthLib.labels import BACKGROUND, CSF, VENTRICLES
from StrokeSynthLib.measurement.side import LEFT, RIGHT, hemispheres_by_alignment, hemispheres_of_labels, side_of
from StrokeSynthLib.networks.registry import MASKS, NETWORKS
from StrokeSynthLib.segmentation.template import load_template

from .lesion_prior import LesionPrior
from .occupancy_grid import (
    MARGIN,
    MAX_ML,
    MIN_SIDE_MM,
    MIN_VOXELS,
    box_of_conditions,
    from_occupancy,
    largest_components,
)

MASK_MODEL = NETWORKS[MASKS].model
SIDES = ("any", "left", "right")
VOLUME_RANGE_ML = (0.02, MAX_ML)
THRESHOLDS = (0.15, 0.85)  # between them the occupancy's threshold moves to meet the volume that was asked for
TRIES = 12


@dataclass(frozen=True)
class SampledLesion:
    """mask: bool on the semantic map's grid (LPS order); side: see measurement.side; network: name and version."""

    mask: np.ndarray
    ml: float
    side: str
    seed: int
    network: str = ""


def load_sampler():
    """The bundled sampler (torch module, eval mode). Raises MissingResource when it is not installed or damaged."""
    model, sampler = NETWORKS.load(MASKS)
    return sampler, f"{model.name} {model.version}"


def prior_of(sampler) -> LesionPrior:
    """The mixture that a sampler holds."""
    arrays = (getattr(sampler, name).double().numpy() for name in ("weights", "means", "roots"))
    return LesionPrior(*arrays, float(sampler.left))


def store_prior(sampler, prior: LesionPrior) -> None:
    """Store a mixture in a sampler."""
    import torch

    for name in ("weights", "means", "roots", "left"):
        getattr(sampler, name).copy_(torch.as_tensor(getattr(prior, name)))


def sample_lesion(
    semantic: Volume,
    seed: int,
    volume_ml: tuple[float, float] = VOLUME_RANGE_ML,
    side: str = "any",
    sampler=None,
    standard: bool = False,
    hemispheres: np.ndarray | None = None,
) -> SampledLesion:
    """A lesion in the brain of a semantic map (in LPS order), the same for the same seed.

    Lesions lie in tissue only: not in the fluid, not outside the brain; and on one side, nowhere on the midline or
    beyond it. Of up to TRIES sampled masks the first whose volume lies in the range is taken, or the nearest. standard:
    the map lies in standard space already, and may be cut; otherwise its brain is taken to be whole. hemispheres: of
    the map's voxels, see measurement.side (None: found in the map).
    Raises UnusableInput for an unknown side, an empty range, and a map without brain; MissingResource when no mask
    model is installed.
    """
    if side not in SIDES:
        raise UnusableInput(f"The side '{side}' is not known; choose one of {', '.join(SIDES)}.")
    tissue = (semantic.array != BACKGROUND) & (semantic.array != CSF.value) & (semantic.array != VENTRICLES.value)
    if np.count_nonzero(tissue) < MIN_VOXELS:
        raise UnusableInput("The label map holds no brain tissue that a lesion could lie in.")
    sampler, name = (sampler, "") if sampler is not None else load_sampler()
    grid = semantic if standard else in_standard_space(semantic)
    if hemispheres is None:
        shape, own = semantic.array.shape, semantic.ijk_to_ras
        hemispheres = hemispheres_by_alignment(shape, own) if standard else hemispheres_of_labels(semantic)
    rng = np.random.default_rng(seed)
    prior = prior_of(sampler)
    to_left = side == "left" or (side == "any" and rng.random() < prior.left)
    tissue &= hemispheres == (LEFT if to_left else RIGHT)
    best, miss = None, np.inf
    for _ in range(TRIES):
        mask = _sample(sampler, prior, rng, grid, tissue, semantic.voxel_ml, volume_ml, to_left)
        ml = float(mask.sum()) * semantic.voxel_ml
        if not ml:
            continue
        away = abs(np.log(np.clip(ml, *volume_ml) / ml))
        if away < miss:
            best, miss = SampledLesion(mask, ml, side_of(hemispheres[mask]), seed, name), away
        if not miss:
            break
    if best is None:
        raise UnusableInput("No lesion of this size fits into this brain; choose another range of volume.")
    return best


def in_standard_space(semantic: Volume) -> Volume:
    """The map's grid moved and scaled so that its brain has the template brain's bounding box.

    Good enough to say where in a head a lesion lies; tissue decides where it ends.
    """
    template = load_template().labels
    ours, theirs = (_brain_edges(volume) for volume in (semantic, template))
    scale = (theirs[1] - theirs[0]) / (ours[1] - ours[0])
    matrix = np.diag([*scale, 1.0]) @ semantic.ijk_to_ras
    matrix[:3, 3] += theirs[0] - scale * ours[0]
    return Volume(semantic.array, matrix)


def _brain_edges(volume: Volume) -> np.ndarray:
    """(2, 3): the brain's first and last edge in RAS mm along the axes of an LPS grid."""
    parts = bounding_box(volume.array != BACKGROUND)[::-1]
    ends = np.array([[part.start - 0.5 for part in parts], [part.stop - 0.5 for part in parts]])
    return ends * np.diag(volume.ijk_to_ras)[:3] + volume.ijk_to_ras[:3, 3]


def _sample(sampler, prior, rng, grid, tissue, voxel_ml, volume_ml, to_left) -> np.ndarray:
    """One mask, perhaps empty."""
    import torch

    conditions = prior.sample_one(rng, *volume_ml).astype(np.float32)
    conditions[3:6] = np.maximum(conditions[3:6], np.log(MIN_SIDE_MM))
    ml = min(float(np.exp(conditions[6])), MAX_ML, 0.8 * float(np.exp(conditions[3:6].sum())) / 1000 / MARGIN**3)
    conditions[6] = np.log(ml)
    latent = torch.from_numpy(rng.standard_normal((1, 128)).astype(np.float32))
    with torch.inference_mode():
        occupancy = sampler.generator(latent, torch.from_numpy(conditions[None]))[0, 0].numpy()
    if to_left:
        values = from_occupancy(occupancy, box_of_conditions(conditions), grid)
    else:
        mirrored = conditions.copy()
        mirrored[0] *= -1
        values = from_occupancy(occupancy[:, :, ::-1], box_of_conditions(mirrored), grid)
    values = values * tissue
    wanted = round(ml / voxel_ml)
    inside = np.sort(values[values > THRESHOLDS[0]])
    if len(inside) < MIN_VOXELS:
        return np.zeros(tissue.shape, bool)
    threshold = float(np.clip(inside[max(0, len(inside) - wanted)], *THRESHOLDS))
    return largest_components(values >= threshold)
