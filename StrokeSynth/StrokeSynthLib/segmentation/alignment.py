"""Where a head lies in standard space: an affine alignment with the bundled template, by mutual information.

Mutual information (Mattes et al. 2003, IEEE TMI 22:120) asks for no particular MR sequence. The search begins from the
head's own box, at 4 mm, where it takes about a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, to_sitk
from LesionKitLib.run.errors import UnusableInput

from .template import STANDARD_IJK_TO_RAS, STANDARD_SHAPE, load_template

STEP_MM = 4.0
SAMPLED = 0.35  # share of the voxels that are compared
MARGIN_MM = 8.0  # around the template's brain that the comparison looks at
SEARCHES = ((2.0, 40), (0.25, 40))  # first step and number of steps, of the similarity and of the affine search
BRAIN_CENTER = (0.0, 17.0, 12.0)  # of the template, LPS mm
MIN_BRAIN_ML, MAX_BRAIN_ML = 500.0, 2600.0
UPPER_MM = 70.0  # of the head, from its top, where it is as wide and long as the brain and its covers
SKULL_MM = 24.0  # both sides' skull and scalp together
MAX_STRIPPED_ML = 2350.0  # more than this that is not air is a head with its skull


@dataclass(frozen=True)
class Alignment:
    """to_image: 4 x 4, standard RAS mm to the image's RAS mm. score: mutual information at the end (above 0)."""

    to_image: np.ndarray
    score: float

    @property
    def volume_ratio(self) -> float:
        """How many times larger the head is than the template."""
        return float(abs(np.linalg.det(self.to_image[:3, :3])))


def align(volume: Volume, head: np.ndarray) -> Alignment:
    """Align a brain MR with the template. head: bool (k, j, i), what is not air (see foreground).

    Raises UnusableInput when no brain of a plausible size is found.
    """
    import SimpleITK as sitk

    head_ml = float(head.sum()) * volume.voxel_ml
    if head_ml < MIN_BRAIN_ML:
        raise UnusableInput(f"No brain was found: only {head_ml:.0f} ml of the image are not air.")
    template = load_template()
    fixed = _coarse(template.t1.with_array(template.t1.array.astype(np.float32)))
    brain = sitk.Cast(_coarse(template.labels.with_array((template.labels.array > 0).astype(np.float32))) > 0.5, 1)
    moving = _coarse(volume.with_array(_squashed(volume.array, head)))
    near = sitk.BinaryDilate(brain, [round(MARGIN_MM / STEP_MM)] * 3)
    similar = sitk.Similarity3DTransform()
    similar.SetCenter(BRAIN_CENTER)
    similar.SetTranslation([float(x) for x in head_center(volume, head) - np.array(BRAIN_CENTER)])
    if has_skull(volume, head):
        # the template has none, which would pull the size this way or that: the head's own size decides
        similar.SetScale(head_scale(volume, head))
        best, score = similar, _search(fixed, moving, near, similar, *SEARCHES[0], weights=[1] * 6 + [0])
    else:
        first = _search(fixed, moving, near, similar, *SEARCHES[0])
        affine = sitk.AffineTransform(3)
        affine.SetCenter(similar.GetCenter())
        affine.SetMatrix(similar.GetMatrix())
        affine.SetTranslation(similar.GetTranslation())
        score = _search(fixed, moving, near, affine, *SEARCHES[1])
        best, score = (affine, score) if score >= first else (similar, first)
    alignment = Alignment(_ras_matrix(best), score)
    _refuse_implausible(alignment)
    return alignment


def has_skull(volume: Volume, head: np.ndarray) -> bool:
    """Whether the head was not stripped: no brain is as large as what is not air."""
    return float(head.sum()) * volume.voxel_ml > MAX_STRIPPED_ML


def foreground(volume: Volume) -> np.ndarray:
    """What is not air: bool of the volume's shape. For a skull-stripped image this is the brain.

    Raises UnusableInput when there is next to nothing.
    """
    from scipy import ndimage

    values = volume.array
    ground = _ground(values)
    if ground is not None:
        mask = values != ground
        if values.dtype.kind == "f":  # interpolation leaves crumbs about a stripped brain
            level = 0.05 * np.percentile(values[mask], 75) if mask.any() else 0
            mask &= np.abs(values - ground) > abs(level)
    else:
        mask = values > _otsu(values)
    small = ndimage.binary_opening(mask[::2, ::2, ::2]) if min(mask.shape) > 16 else mask[::2, ::2, ::2]
    pieces, count = ndimage.label(small)
    if not count:
        raise UnusableInput("No head was found in the image; it holds nothing but background.")
    sizes = np.bincount(pieces.ravel())[1:]
    head = ndimage.binary_fill_holes(pieces == 1 + int(np.argmax(sizes)))
    inner = ndimage.binary_erosion(head, iterations=2)
    return _doubled(inner, mask.shape) | (_doubled(ndimage.binary_dilation(head), mask.shape) & mask)


def _doubled(small: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Every voxel eightfold, cut to the shape."""
    big = small.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    return big[: shape[0], : shape[1], : shape[2]]


def _ground(values: np.ndarray) -> float | None:
    """The one value that all air has, where an image was stripped or masked; None where air is noise."""
    corners = values[:: max(1, values.shape[0] - 1), :: max(1, values.shape[1] - 1), :: max(1, values.shape[2] - 1)]
    value = np.median(corners)
    return float(value) if np.mean(values == value) > 0.2 else None


def _otsu(values: np.ndarray) -> float:
    """Half of Otsu's threshold (Otsu 1979): between air and the darkest tissue."""
    sample = values[::2, ::2, ::2].astype(np.float32)
    top = np.percentile(sample, 99.5)
    counts, edges = np.histogram(np.clip(sample, None, top), 128)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts).astype(float)
    total, sums = below[-1], np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = (sums[-1] * below / total - sums) ** 2 / (below * (total - below))
    threshold = middles[int(np.nanargmax(between))]
    return float(edges[0] + 0.6 * (threshold - edges[0]))


def _squashed(values: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Grays 0..1 within the head, so that a very bright lesion does not take up the histogram."""
    low, high = np.percentile(values[head], (1, 98))
    scaled = np.clip((values.astype(np.float32) - low) / max(float(high - low), 1e-6), 0, 1)
    return np.where(head, 0.15 + 0.85 * scaled, 0).astype(np.float32)


def _coarse(volume: Volume):
    """A SimpleITK float image, smoothed and sampled every STEP_MM."""
    import SimpleITK as sitk

    image = sitk.Cast(to_sitk(volume), sitk.sitkFloat32)
    spacing = np.array(image.GetSpacing())
    image = sitk.Shrink(image, [int(max(1, round(STEP_MM / s / 2))) for s in spacing])
    image = sitk.SmoothingRecursiveGaussian(image, STEP_MM / 2)
    return sitk.Shrink(image, [int(max(1, round(STEP_MM / s))) for s in image.GetSpacing()])


def head_center(volume: Volume, head: np.ndarray) -> np.ndarray:
    """Where the cerebrum's center should lie, LPS mm: the middle of the head's upper 150 mm, from its top down."""
    points = np.argwhere(head[::2, ::2, ::2])[:, ::-1] * 2
    ras = points @ volume.ijk_to_ras[:3, :3].T + volume.ijk_to_ras[:3, 3]
    top = np.percentile(ras[:, 2], 99.8)
    upper = ras[ras[:, 2] > top - 150]
    low, high = np.percentile(upper[:, :2], 1, axis=0), np.percentile(upper[:, :2], 99, axis=0)
    x, y = (low + high) / 2
    depth = min(70.0, 0.5 * float(top - np.percentile(ras[:, 2], 0.2)))
    return np.array([-x, -y, top - depth])


def head_scale(volume: Volume, head: np.ndarray) -> float:
    """Size of the brain relative to the template's, from the width and length of the head's upper part."""
    width, length = _upper_extent(volume, head, head=True)
    own = load_template().labels
    brain_width, brain_length = _upper_extent(own, own.array > 0, head=False)
    return float(((width - SKULL_MM) / brain_width + (length - SKULL_MM) / brain_length) / 2)


def _upper_extent(volume: Volume, mask: np.ndarray, head: bool) -> tuple[float, float]:
    """Width and length in mm of the part from UPPER_MM below the top of the brain upwards."""
    points = np.argwhere(mask[::2, ::2, ::2])[:, ::-1] * 2
    ras = points @ volume.ijk_to_ras[:3, :3].T + volume.ijk_to_ras[:3, 3]
    below = UPPER_MM + (SKULL_MM / 2 if head else 0)
    upper = ras[ras[:, 2] > np.percentile(ras[:, 2], 99.8) - below, :2]
    width, length = np.percentile(upper, 99.5, axis=0) - np.percentile(upper, 0.5, axis=0)
    return float(width), float(length)


def _search(fixed, moving, mask, transform, step: float, iterations: int, weights=None) -> float:
    """Improve the transform in place; returns the mutual information that it reaches."""
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SAMPLED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(step, step / 100, iterations, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    if weights is not None:
        method.SetOptimizerWeights(weights)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError as error:
        raise UnusableInput("No brain was found where a head should be; is this an MR of the brain?") from error
    return -float(method.GetMetricValue())


def _ras_matrix(transform) -> np.ndarray:
    """4 x 4 in RAS of an ITK transform, which maps LPS points of the fixed image to the moving one."""
    linear = np.reshape(transform.GetMatrix(), (3, 3))
    center = np.array(transform.GetCenter())
    offset = np.array(transform.GetTranslation()) + center - linear @ center
    flip = LPS_IN_RAS
    matrix = np.eye(4)
    matrix[:3, :3] = flip @ linear @ flip
    matrix[:3, 3] = flip @ offset
    return matrix


def _refuse_implausible(alignment: Alignment) -> None:
    template_ml = float((load_template().labels.array > 0).sum()) / 1000
    brain_ml = template_ml * alignment.volume_ratio
    if not MIN_BRAIN_ML <= brain_ml <= MAX_BRAIN_ML:
        raise UnusableInput(
            f"No brain of a plausible size was found (it would have {brain_ml:.0f} ml); is this an MR of the brain?"
        )


def to_standard(volume: Volume, alignment: Alignment, fill: float = 0.0, nearest: bool = False) -> np.ndarray:
    """The volume's values on the standard 1 mm grid (k, j, i), float32 (or its own type when nearest)."""
    return _resampled(volume, alignment.to_image, STANDARD_SHAPE, STANDARD_IJK_TO_RAS, fill, nearest)


def from_standard(array: np.ndarray, alignment: Alignment, grid: Volume, nearest: bool = False) -> np.ndarray:
    """Values on the standard grid brought to the volume's own grid; 0 outside."""
    volume = Volume(array, STANDARD_IJK_TO_RAS)
    back = np.linalg.inv(alignment.to_image)
    return _resampled(volume, back, grid.array.shape, grid.ijk_to_ras, 0.0, nearest)


def _resampled(volume: Volume, to_volume: np.ndarray, shape, ijk_to_ras: np.ndarray, fill: float, nearest: bool):
    """Values of the volume on a grid. to_volume: RAS mm of the grid to RAS mm of the volume.

    ITK samples in physical space; the affine is folded into the transform.
    """
    import SimpleITK as sitk

    array = volume.array if nearest else volume.array.astype(np.float32, copy=False)
    image = to_sitk(volume.with_array(np.ascontiguousarray(array)))
    transform = sitk.AffineTransform(3)
    flip = LPS_IN_RAS
    transform.SetMatrix([float(x) for x in (flip @ to_volume[:3, :3] @ flip).ravel()])
    transform.SetTranslation([float(x) for x in flip @ to_volume[:3, 3]])
    like = to_sitk(Volume(np.zeros((1, 1, 1), np.uint8), ijk_to_ras))
    size = [int(n) for n in shape[::-1]]
    how = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    place = (like.GetOrigin(), like.GetSpacing(), like.GetDirection())
    return sitk.GetArrayFromImage(sitk.Resample(image, size, transform, how, *place, fill, image.GetPixelID()))
