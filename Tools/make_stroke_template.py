"""Makes StrokeSynth's brain template from the ICBM 152 maps that nilearn carries.

``pip install --no-deps nilearn==0.14.1 nibabel`` and ``python Tools/make_stroke_template.py``. Only the files in the
package are read; nilearn itself is not imported and is needed by nothing else here. The maps hold T1, gray and white
matter; the rest of the brain is fluid. Ventricles and deep gray nuclei are told apart by their place (MNI mm).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from LesionKitLib.imaging.volume import Volume, reorient_to_lps, resample_like
from StrokeSynthLib.labels import BACKGROUND, CSF, DEEP_GRAY, GRAY, TISSUES, VENTRICLES, WHITE
from StrokeSynthLib.segmentation.template import PRIOR_STEP, STANDARD_IJK_TO_RAS, STANDARD_SHAPE

FILE = Path(__file__).parents[1] / "StrokeSynth" / "Resources" / "Template" / "template.npz"
NAME = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
VENTRICLE_BOX = ((-42, 42), (-62, 44), (-42, 34))  # MNI mm along x, y, z
VENTRICLE_SEEDS = ((-8, 10, 14), (8, 10, 14), (-24, -46, 6), (24, -46, 6), (0, -14, 2), (0, -46, -34))
DEEP_GRAY_BOXES = (  # thalami; striatum and pallidum of both sides
    ((-24, 24), (-34, 0), (-4, 18)),
    ((-32, 32), (-22, 24), (-11, 22)),
)


def read(kind: str) -> Volume:
    """A map in LPS order on the standard grid, float32 0..1."""
    folder = Path(importlib.util.find_spec("nilearn").origin).parent / "datasets" / "data"
    image = nibabel.load(folder / NAME.format(kind))
    array = np.asarray(image.dataobj, np.float32).transpose(2, 1, 0) / 255
    lps, _ = reorient_to_lps(Volume(array, image.affine))
    grid = Volume(np.zeros(STANDARD_SHAPE, np.float32), STANDARD_IJK_TO_RAS)
    return grid.with_array(resample_like(lps, grid))


def box_mask(boxes) -> np.ndarray:
    """Voxels of the standard grid within any of the boxes ((x, x), (y, y), (z, z)) in MNI mm."""
    k, j, i = np.indices(STANDARD_SHAPE)
    points = [STANDARD_IJK_TO_RAS[n, n] * index + STANDARD_IJK_TO_RAS[n, 3] for n, index in enumerate((i, j, k))]
    inside = [np.all([(p >= a) & (p <= b) for p, (a, b) in zip(points, box, strict=True)], axis=0) for box in boxes]
    return np.any(inside, axis=0)


def find_ventricles(fluid: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Fluid deep inside the brain that hangs together with the ventricles' seeds."""
    depth = ndimage.distance_transform_edt(brain)
    candidate = (fluid > 0.5) & box_mask([VENTRICLE_BOX]) & (depth > 14)
    components, _ = ndimage.label(ndimage.binary_opening(candidate, iterations=1) & candidate)
    to_index = np.linalg.inv(STANDARD_IJK_TO_RAS)
    chosen = set()
    for seed in VENTRICLE_SEEDS:
        i, j, k = (to_index @ [*seed, 1])[:3].round().astype(int)
        near = components[k - 4 : k + 5, j - 4 : j + 5, i - 4 : i + 5]
        chosen |= set(np.unique(near[near > 0]).tolist())
    core = np.isin(components, list(chosen))
    return ndimage.binary_dilation(core, iterations=2) & (fluid > 0.25)


def main() -> None:
    t1, gray, white = (read(kind).array for kind in ("t1", "gm", "wm"))
    brain = ndimage.binary_fill_holes(ndimage.binary_closing((t1 > 0.05) | (gray + white > 0.3), iterations=4))
    components, count = ndimage.label(brain)
    brain = components == 1 + np.argmax(ndimage.sum_labels(brain, components, range(1, count + 1)))
    fluid = np.clip(1 - gray - white, 0, 1) * brain
    ventricles = find_ventricles(fluid, brain)
    deep = box_mask(DEEP_GRAY_BOXES)
    # the insula lies in the box's corners: what is near outer fluid is cortex
    outer = (fluid > 0.4) & ~ventricles
    deep &= ndimage.distance_transform_edt(~outer) > 5
    priors = {
        CSF.value: fluid * ~ventricles,
        VENTRICLES.value: fluid * ventricles,
        GRAY.value: gray * ~deep * brain,
        WHITE.value: white * brain,
        DEEP_GRAY.value: gray * deep * brain,
    }
    stack = np.stack([priors[c.value] for c in TISSUES])
    labels = np.where(brain, 1 + np.argmax(stack, axis=0), BACKGROUND).astype(np.uint8)
    coarse = [t1, *stack]
    small = np.stack([_shrunk(part) for part in coarse])
    FILE.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(FILE, labels=labels, t1=small[0], priors=small[1:])
    print(f"{FILE.name}: {FILE.stat().st_size / 1e6:.2f} MB, brain {brain.sum() / 1e3:.0f} ml")
    for c in TISSUES:
        print(f"  {c.name:20} {(labels == c.value).sum() / 1e3:7.1f} ml")


def _shrunk(part: np.ndarray) -> np.ndarray:
    """uint8 0..255 on every second voxel of a smoothed map; multiples of 4, which compress well."""
    smooth = ndimage.gaussian_filter(part, 0.6)[::PRIOR_STEP, ::PRIOR_STEP, ::PRIOR_STEP]
    return (np.round(smooth * 63) * 4).clip(0, 252).astype(np.uint8)


if __name__ == "__main__":
    main()
