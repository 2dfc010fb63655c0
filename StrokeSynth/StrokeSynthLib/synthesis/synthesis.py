"""A brain image from a label map, by a translator: the same way for the panel, the command line and the database."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np

from LesionKitLib.imaging.masks import mask_of
from LesionKitLib.imaging.measures import bounding_box, components
from LesionKitLib.imaging.volume import Volume, affine, reorient_to_lps, resample_like
from LesionKitLib.models.inference import Runtime, choose_runtime, with_fallback
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.progress import Progress
from StrokeSynthLib.labels import (
    BACKGROUND,
    LESION,
    lateral_from_freesurfer,
    one_hot,
    semantic_from_labels,
    with_lesion,
)
from StrokeSynthLib.measurement.side import hemispheres_of_labels, side_of
from StrokeSynthLib.networks.registry import NETWORKS, TRANSLATORS
from StrokeSynthLib.networks.shapes import STYLE
from StrokeSynthLib.segmentation.slice_views import padded, unpadded
from StrokeSynthLib.segmentation.template import load_template

from .lesion_sampling import VOLUME_RANGE_ML, SampledLesion, sample_lesion
from .postprocessing import with_visible_lesions, without_grid

MODEL_MM = 1.0
MARGIN = 2  # voxels around the brain
PLANE_WEIGHTS = {"axial": 0.5, "coronal": 0.25, "sagittal": 0.25}
PLANE_STEPS = {"axial": 1, "coronal": 2, "sagittal": 2}  # between them the two weaker planes are interpolated
GRAY_MIDDLE, GRAY_SPREAD = 400, 400  # a network's -1..1 becomes 0..800, as scanners' grays are whole positive numbers
TRAINED_ON = "The translators were trained on FLAIR: the image looks like FLAIR whatever the labels came from."
GRID_MM = 0.05  # how far corresponding voxels of two grids may lie apart


@dataclass(frozen=True)
class Synthesis:
    """image: int16, labels: uint8 semantic map with the lesion in it, both on the label map's own grid.

    lesion: what was drawn by the mask GAN, or None. translator: name and version of its model. side: of all lesion in
    the map, see measurement.side.
    """

    image: Volume
    labels: Volume
    translator: str
    seed: int
    lesion: SampledLesion | None = None
    device: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    side: str = "none"

    @property
    def lesion_mask(self) -> np.ndarray:
        """bool (k, j, i)."""
        return self.labels.array == LESION.value

    def summary(self) -> dict:
        """What synthesis.json holds."""
        mask = self.lesion_mask
        return {
            "translator": self.translator,
            "mask_model": self.lesion.network if self.lesion else None,
            "seed": self.seed,
            "lesion_ml": float(mask.sum()) * self.labels.voxel_ml,
            "lesions": len(components(mask, self.labels.voxel_ml, 0.0)[1]),
            "side": self.side,
            "device": self.device,
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
            "notes": list(self.notes),
        }


def load_translator(name: str):
    """The bundled generator (torch module, eval mode) and its name with version.

    Raises UnusableInput for a translator that is not known, MissingResource when its model is not installed.
    """
    if name not in TRANSLATORS:
        raise UnusableInput(f"The translator '{name}' is not known; choose one of {', '.join(TRANSLATORS)}.")
    model, generator = NETWORKS.load(name)
    return generator, f"{model.name} {model.version}"


def synthesize(
    labels: Volume | None = None,
    lesion: Volume | str | None = "gan",
    translator: str = "pix2pix",
    seed: int = 0,
    volume_ml: tuple[float, float] = VOLUME_RANGE_ML,
    side: str = "any",
    device: str = "auto",
    progress: Progress | None = None,
) -> Synthesis:
    """A FLAIR-like image of a label map with a lesion.

    labels: in our numbers or FreeSurfer's (None: the bundled template). lesion: "gan" draws one by seed, volume_ml and
    side; a Volume on the labels' grid is taken as it is; None adds none. The same arguments give the same image on the
    same machine. Raises UnusableInput for labels that are not known, a map without brain, a lesion on another grid or
    outside the brain, MissingResource when a model is not installed.
    """
    start = time.perf_counter()
    progress = progress or Progress()
    generator, name = load_translator(translator)
    progress.report("reading labels", 0.01)
    source = load_template().labels if labels is None else labels
    semantic = source.with_array(semantic_from_labels(source.array))
    if not (semantic.array != BACKGROUND).any():
        raise UnusableInput("The label map is empty: it holds background only.")
    hemispheres = hemispheres_of_labels(semantic, lateral_from_freesurfer(source.array))
    drawn = None
    if isinstance(lesion, Volume):
        semantic = with_given_lesion(semantic, lesion)
    elif lesion == "gan":
        progress.report("drawing the lesion", 0.02)
        lps, restore = reorient_to_lps(semantic)
        own = reorient_to_lps(semantic.with_array(hemispheres))[0].array
        drawn = sample_lesion(lps, seed, volume_ml, side, hemispheres=own)
        semantic = semantic.with_array(with_lesion(semantic.array, restore(drawn.mask)))
    runtime = choose_runtime(device)

    def work(runtime):
        return translate(semantic, generator, seed, runtime, progress)

    image, runtime = with_fallback(work, runtime)
    notes = tuple(dict.fromkeys((*semantic.notes, TRAINED_ON)))
    seconds = {"total": time.perf_counter() - start}
    found = side_of(hemispheres[semantic.array == LESION.value])
    return Synthesis(image, semantic, name, seed, drawn, runtime.description, seconds, notes, found)


def with_given_lesion(semantic: Volume, lesion: Volume) -> Volume:
    """The map with a person's lesion in it; its notes say what was decided and left out.

    Raises UnusableInput when the lesion is no mask (see masks.mask_of), lies on another grid or outside the brain.
    """
    corners = np.array([[i, j, k, 1] for k in (0, 1) for j in (0, 1) for i in (0, 1)]) * [
        *(np.array(semantic.array.shape[::-1]) - 1),
        1,
    ]
    if lesion.array.shape != semantic.array.shape:
        raise UnusableInput("The lesion mask lies on another grid than the label map; draw it on the label map's grid.")
    if np.abs((lesion.ijk_to_ras - semantic.ijk_to_ras) @ corners.T).max() > GRID_MM:
        raise UnusableInput("The lesion mask lies on another grid than the label map; draw it on the label map's grid.")
    mask, notes = mask_of(lesion.array, "lesion mask")
    joined = with_lesion(semantic.array, mask)
    if not (mask & (joined == LESION.value)).any():
        raise UnusableInput("The lesion mask is empty, or lies outside the brain of the label map.")
    outside = float((mask & (joined != LESION.value)).sum()) * semantic.voxel_ml
    if outside > 0:
        notes = (*notes, f"{outside:.2f} ml of the lesion mask lie outside the brain and were left out.")
    return replace(semantic, array=joined, notes=(*semantic.notes, *lesion.notes, *notes))


def translate(
    semantic: Volume, generator, seed: int, runtime: Runtime | None = None, progress: Progress | None = None
) -> Volume:
    """The image (int16, 0 outside the brain) of a semantic map, on its grid.

    Slices of three planes are translated at 1 mm and blended; all see the same field of noise and one style, so that
    the volume holds together in every direction. The grid of transposed convolutions is taken out, and lesions that
    would not be seen are made brighter (postprocessing.py).
    """
    runtime, progress = runtime or Runtime("cpu"), progress or Progress()
    lps, restore = reorient_to_lps(semantic)
    brain = lps.array != BACKGROUND
    grid = _model_grid(lps, bounding_box(brain))
    labels = resample_like(lps, grid, nearest=True)
    values = _blend(labels, generator, seed, runtime, progress)
    values = with_visible_lesions(values, labels, np.random.default_rng([seed, 3]))
    grays = np.clip(GRAY_MIDDLE + GRAY_SPREAD * values, 1, None)
    grays[labels == BACKGROUND] = np.nan
    grays = _filled(grays)
    back = resample_like(grid.with_array(grays.astype(np.float32)), lps)
    image = np.where(brain, np.maximum(np.rint(back), 1), 0).astype(np.int16)
    return semantic.with_array(restore(image))


def _model_grid(lps: Volume, box: tuple[slice, ...]) -> Volume:
    """A grid of 1 mm voxels along the map's axes around its brain; holds zeros."""
    spacing = lps.spacing
    first = np.array([part.start for part in box[::-1]]) * spacing - MARGIN * MODEL_MM
    last = np.array([part.stop - 1 for part in box[::-1]]) * spacing + MARGIN * MODEL_MM
    size = np.ceil((last - first) / MODEL_MM).astype(int) + 1
    origin = lps.ijk_to_ras[:3, 3] + lps.directions @ first
    matrix = affine([MODEL_MM] * 3, lps.directions, origin)
    return Volume(np.zeros(size[::-1], np.float32), matrix)


def _blend(labels: np.ndarray, generator, seed: int, runtime: Runtime, progress: Progress) -> np.ndarray:
    """Weighted mean of the three planes' translations, -1..1 (float32, k, j, i)."""
    rng = np.random.default_rng([seed, 2])  # not the lesion's draws
    noise = rng.standard_normal(labels.shape, np.float32)
    style = rng.standard_normal((1, STYLE), np.float32)
    total = np.zeros(labels.shape, np.float32)
    done = 0.05
    for plane, weight in PLANE_WEIGHTS.items():
        part = 0.9 * weight
        total += weight * _one_plane(
            labels, noise, style, generator, plane, runtime,
            lambda share, done=done, part=part: progress.report("translating slices", done + part * share),
        )  # fmt: skip
        done += part
    return total


def _one_plane(labels, noise, style, generator, plane: str, runtime: Runtime, report) -> np.ndarray:
    """Every step-th slice of a plane translated, those between interpolated."""
    import torch

    pictures, field_of_noise = (_as_pictures(array, plane) for array in (labels, noise))
    step = PLANE_STEPS[plane]
    rows = np.unique(np.append(np.arange(0, len(pictures), step), len(pictures) - 1))
    results = np.full((len(rows), *pictures.shape[1:]), -1, np.float32)
    shown = [n for n, row in enumerate(rows) if (pictures[row] != BACKGROUND).any()]
    generator = generator.to(runtime.device)
    styles = torch.from_numpy(style).to(runtime.device)
    for first in range(0, len(shown), runtime.batch):
        report(first / len(shown))
        chosen = shown[first : first + runtime.batch]
        told = torch.from_numpy(one_hot(padded(pictures[rows[chosen]], BACKGROUND))).to(runtime.device)
        texture = torch.from_numpy(padded(field_of_noise[rows[chosen]], 0.0))[:, None].to(runtime.device)
        with torch.inference_mode(), runtime.autocast():
            images = generator(told, texture, styles.expand(len(chosen), -1)).float().cpu().numpy()[:, 0]
        images = unpadded(images, pictures.shape[1:])
        if getattr(generator, "draws_grid", False):
            images = without_grid(images, pictures[rows[chosen]] != BACKGROUND)
        results[chosen] = images
    return _as_pictures(_between(results, rows, len(pictures)), plane, back=True)


def _between(values: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Slices 0..count-1 by linear interpolation between the slices at rows."""
    if len(rows) == count:
        return values
    upper = np.searchsorted(rows, np.arange(count))
    lower = np.maximum(upper - 1, 0)
    gap = np.maximum(rows[upper] - rows[lower], 1)
    share = ((np.arange(count) - rows[lower]) / gap).astype(np.float32)[:, None, None]
    return values[lower] * (1 - share) + values[upper] * share


def _as_pictures(array: np.ndarray, plane: str, back: bool = False) -> np.ndarray:
    """An LPS array (k, j, i) as slices (n, h, w) shown as slice_views.plane_slice shows them; back: the reverse."""
    if plane == "axial":
        return array
    axes = (1, 0, 2) if plane == "coronal" else (2, 0, 1)
    if back:
        return array[:, ::-1].transpose(np.argsort(axes))
    return array.transpose(axes)[:, ::-1]


def _filled(grays: np.ndarray) -> np.ndarray:
    """NaN outside the brain becomes the nearest brain voxel's gray, so that resampling draws no dark rim."""
    from scipy import ndimage

    nearest = ndimage.distance_transform_edt(np.isnan(grays), return_distances=False, return_indices=True)
    return grays[tuple(nearest)]
