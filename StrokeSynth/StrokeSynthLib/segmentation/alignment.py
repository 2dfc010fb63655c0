"""Where a brain lies in standard space: an affine alignment with the bundled template, by mutual information.

Mutual information (Mattes et al. 2003, IEEE TMI 22:120) asks for no particular MR sequence. The search begins from the
brain's own extent, at 4 mm, where it takes about a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.volume import LPS_IN_RAS, Volume, to_sitk
from LesionKitLib.run.errors import UnusableInput

from .template import STANDARD_IJK_TO_RAS, STANDARD_SHAPE, load_template

STEP_MM = 4.0
SAMPLED = 0.35  # share of the voxels that are compared
SEED = 1  # of the places that are sampled within voxels; ITK's default is the clock
MARGIN_MM = 8.0  # around the template's brain that the comparison looks at
SEARCHES = ((2.0, 40), (0.25, 40))  # first step and number of steps, of the similarity and of the affine search
BRAIN_CENTER = (0.0, 17.0, 12.0)  # of the template, LPS mm
TOP_TO_CENTER_MM = 70.0  # from the top of the template's brain down to BRAIN_CENTER
MIN_BRAIN_ML, MAX_BRAIN_ML = 500.0, 2600.0  # no head has less or more


@dataclass(frozen=True)
class Alignment:
    """to_image: 4 x 4, standard RAS mm to the image's RAS mm. score: mutual information at the end (above 0)."""

    to_image: np.ndarray
    score: float

    @property
    def volume_ratio(self) -> float:
        """How many times larger the brain is than the template's."""
        return float(abs(np.linalg.det(self.to_image[:3, :3])))


def align(volume: Volume, brain: np.ndarray, whole: bool = True) -> Alignment:
    """Align a brain MR with the template. brain: bool (k, j, i), see brain_extraction; volume in LPS order.

    whole: False where the image shows a part of the brain, which is turned, moved and scaled as a whole only. The same
    input gives the same result on any number of processors. Raises UnusableInput when no brain of a plausible size is
    found.
    """
    import SimpleITK as sitk

    brain_ml = float(brain.sum()) * volume.voxel_ml
    if brain_ml < (MIN_BRAIN_ML if whole else MIN_BRAIN_ML / 2):
        raise UnusableInput(f"No brain was found: only {brain_ml:.0f} ml of the image look like brain.")
    template = load_template()
    fixed = _coarse(template.t1.with_array(template.t1.array.astype(np.float32)))
    inside = sitk.Cast(_coarse(template.labels.with_array((template.labels.array > 0).astype(np.float32))) > 0.5, 1)
    moving = _coarse(volume.with_array(_squashed(volume.array, brain)))
    near = sitk.BinaryDilate(inside, [round(MARGIN_MM / STEP_MM)] * 3)
    center, scale = first_guess(volume, brain)
    similar = sitk.Similarity3DTransform()
    similar.SetCenter(BRAIN_CENTER)
    similar.SetTranslation([float(x) for x in center - np.array(BRAIN_CENTER)])
    similar.SetScale(scale)
    best, score = similar, _search(fixed, moving, near, similar, *SEARCHES[0])
    if whole:
        affine = sitk.AffineTransform(3)
        affine.SetCenter(similar.GetCenter())
        affine.SetMatrix(similar.GetMatrix())
        affine.SetTranslation(similar.GetTranslation())
        refined = _search(fixed, moving, near, affine, *SEARCHES[1])
        best, score = (affine, refined) if refined >= score else (similar, score)
    alignment = Alignment(_ras_matrix(best), score)
    _refuse_implausible(alignment)
    return alignment


def _squashed(values: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Grays 0..1 within the brain, so that a very bright lesion does not take up the histogram."""
    low, high = np.percentile(values[brain], (1, 98))
    scaled = np.clip((values.astype(np.float32) - low) / max(float(high - low), 1e-6), 0, 1)
    return np.where(brain, 0.15 + 0.85 * scaled, 0).astype(np.float32)


def _coarse(volume: Volume):
    """A SimpleITK float image, smoothed and sampled every STEP_MM."""
    import SimpleITK as sitk

    image = sitk.Cast(to_sitk(volume), sitk.sitkFloat32)
    spacing = np.array(image.GetSpacing())
    image = sitk.Shrink(image, [int(max(1, round(STEP_MM / s / 2))) for s in spacing])
    image = sitk.SmoothingRecursiveGaussian(image, STEP_MM / 2)
    return sitk.Shrink(image, [int(max(1, round(STEP_MM / s))) for s in image.GetSpacing()])


def first_guess(volume: Volume, brain: np.ndarray) -> tuple[np.ndarray, float]:
    """Where the template's center should lie (LPS mm), and the brain's size relative to the template's.

    From the brain's top, width and length, which an image that is cut at the bottom shows, too.
    """
    low, high = _extent(volume, brain)
    own = load_template().labels
    template_low, template_high = _extent(own, own.array > 0)
    scale = float(np.mean((high - low)[:2] / (template_high - template_low)[:2]))
    x, y = (low + high)[:2] / 2
    return np.array([-x, -y, high[2] - TOP_TO_CENTER_MM * scale]), scale


def _extent(volume: Volume, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest R, A, S in mm of a mask, less its outermost voxels."""
    points = np.argwhere(mask[::2, ::2, ::2])[:, ::-1] * 2
    ras = points @ volume.ijk_to_ras[:3, :3].T + volume.ijk_to_ras[:3, 3]
    return np.percentile(ras, 0.2, axis=0), np.percentile(ras, 99.8, axis=0)


def _search(fixed, moving, mask, transform, step: float, iterations: int) -> float:
    """Improve the transform in place; returns the mutual information that it reaches.

    On one thread: the sums of several would be rounded in an order that depends on their number.
    """
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SAMPLED, SEED)
    method.SetNumberOfWorkUnits(1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(step, step / 100, iterations, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
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
