"""Labels on the image's grid: only where a label can be anything is computed, and the labels are those of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CovidLungQuantLib.segmentation.chest_box import ChestBox
from CovidLungQuantLib.segmentation.frames import FramePlacement
from CovidLungQuantLib.segmentation.native_grid import blend, labels_on_native_grid, slices_around
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.run.progress import Progress

FRAME = (64, 96)


def smooth(rng, *shape: int) -> np.ndarray:
    noise = ndimage.gaussian_filter(rng.normal(size=shape), [0] * (len(shape) - 2) + [5, 5])
    return (1 / (1 + np.exp(-40 * noise))).astype(np.float16)


def case(step: float, model_slices: int, seed: int = 0) -> tuple[Volume, ChestBox, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probabilities = smooth(rng, model_slices, 5, *FRAME)
    probabilities[:, :, :12] = 0  # nothing at the upper rim, so that regions are smaller than the frame
    probabilities[model_slices // 2] = 0
    sides = np.where(probabilities[:, 0] > 0.5, np.where(np.arange(FRAME[1]) < 40, 1, 2), 0).astype(np.uint8)
    box = ChestBox(FramePlacement(-3.3, 4.7, (step, step), FRAME), (1, 9), model_slices, 8 / model_slices)
    return Volume(np.zeros((10, 90, 110), np.int16), np.eye(4)), box, probabilities, sides


def labels_of_the_whole_frame(lps, box, probabilities, sides) -> tuple[np.ndarray, np.ndarray]:
    lungs, lesions = np.zeros(lps.array.shape, np.uint8), np.zeros(lps.array.shape, np.uint8)
    for k in range(*box.slices):
        low, high, share = slices_around(box, k)
        planes = [
            np.concatenate([probabilities[n], ((sides[n] == 2) * probabilities[n, 0])[None]]) for n in (low, high)
        ]
        lung, lesion, *kinds, left = box.plane.paste(blend(*planes, share), lps.array.shape[1:])
        lesions[k] = np.where(lesion > 0.5, 1 + np.argmax(kinds, 0), 0)
        lungs[k] = np.where((lung > 0.5) | (lesion > 0.5), np.where(left > 0.5 * lung, 2, 1), 0)
    return lungs, lesions


@pytest.mark.parametrize("step", [0.6, 1.0, 1.7])
@pytest.mark.parametrize("model_slices", [8, 3])
def test_labels_are_those_of_the_whole_frame_bit_by_bit(step, model_slices):
    given = case(step, model_slices)
    lungs, lesions = labels_on_native_grid(*given, Progress())
    expected = labels_of_the_whole_frame(*given)
    assert set(np.unique(lungs)) == {0, 1, 2} and set(np.unique(lesions)) == {0, 1, 2, 3}
    np.testing.assert_array_equal(lungs, expected[0])
    np.testing.assert_array_equal(lesions, expected[1])


def test_slices_without_lung_or_lesion_stay_empty():
    lps, box, probabilities, sides = case(1.0, 8)
    lungs, lesions = labels_on_native_grid(lps, box, np.minimum(probabilities, np.float16(0.5)), sides, Progress())
    assert not lungs.any() and not lesions.any()
