"""The checkerboard of transposed convolutions, and lesions that are too dark to be seen."""

from __future__ import annotations

import numpy as np
import pytest

from LesionKitLib.imaging.volume import Volume, affine
from StrokeSynthLib.labels import LESION, WHITE
from StrokeSynthLib.networks.translators.cyclegan import CycleGANGenerator
from StrokeSynthLib.networks.translators.pix2pix import Pix2PixGenerator
from StrokeSynthLib.segmentation.slice_views import GRAY_LIMIT
from StrokeSynthLib.synthesis.postprocessing import CONTRAST, with_visible_lesions, without_grid
from StrokeSynthLib.synthesis.synthesis import translate

torch = pytest.importorskip("torch")


def checkerboard(shape) -> np.ndarray:
    row, column = np.indices(shape)
    return np.where((row + column) % 2, 0.1, -0.1).astype(np.float32)


def disk(shape, radius: float) -> np.ndarray:
    row, column = np.indices(shape)
    return np.hypot(row - shape[0] / 2, column - shape[1] / 2) < radius


def test_a_checkerboard_goes_and_broad_structure_stays():
    brain = disk((64, 64), 28)
    smooth = np.linspace(-0.5, 0.5, 64, dtype=np.float32) * np.ones((64, 1), np.float32)
    found = without_grid((smooth + checkerboard(brain.shape))[None], brain[None])[0]
    inner = disk(brain.shape, 25)
    assert np.abs((found - smooth)[inner]).max() < 1e-5
    assert (found[~brain] == (smooth + checkerboard(brain.shape))[~brain]).all()


def test_no_background_is_drawn_into_the_brains_rim():
    brain = disk((64, 64), 20)
    picture = np.where(brain, 0.4, -1).astype(np.float32)
    assert np.allclose(without_grid(picture[None], brain[None])[0][brain], 0.4, atol=1e-6)


@pytest.mark.parametrize("network", [CycleGANGenerator, Pix2PixGenerator])
def test_translators_with_transposed_convolutions_are_smoothed(network):
    class Board(torch.nn.Module):
        draws_grid = network.draws_grid

        def forward(self, labels, noise, style=None):
            return torch.from_numpy(checkerboard(labels.shape[-2:])).expand(len(labels), 1, -1, -1)

    labels = np.full((20, 40, 40), WHITE.value, np.uint8)
    image = translate(Volume(labels, affine((1.0, 1.0, 1.0))), Board(), 0)
    assert image.array[4:-4, 4:-4, 4:-4].std() < 1


def lesions() -> np.ndarray:
    labels = np.full((20, 30, 30), WHITE.value, np.uint8)
    labels[8:11, 8:11, 8:11] = labels[10:16, 18:25, 18:25] = LESION.value
    return labels


def test_every_lesion_that_is_too_dark_becomes_brighter_than_white_matter():
    labels = lesions()
    values = np.where(labels == LESION.value, -0.2, 0.0).astype(np.float32)
    found = with_visible_lesions(values, labels, np.random.default_rng(0))
    for box in (np.s_[8:11, 8:11, 8:11], np.s_[10:16, 18:25, 18:25]):
        assert CONTRAST[0] / GRAY_LIMIT <= found[box].mean() <= CONTRAST[1] / GRAY_LIMIT
    assert (found[0:4] == 0).all() and found.dtype == np.float32


def test_a_lesion_that_is_bright_already_and_a_brain_without_one_stay_as_they_are():
    labels = lesions()
    bright = np.where(labels == LESION.value, 0.9, 0.0).astype(np.float32)
    assert (with_visible_lesions(bright, labels, np.random.default_rng(0)) == bright).all()
    none = np.full_like(labels, WHITE.value)
    assert (with_visible_lesions(bright, none, np.random.default_rng(0)) == bright).all()


def test_the_lesion_of_a_translated_volume_can_be_seen_whatever_the_network_drew():
    class Dark(torch.nn.Module):
        def forward(self, labels, noise, style=None):
            return -0.3 * labels[:, LESION.value : LESION.value + 1]

    image = translate(Volume(lesions(), affine((1.0, 1.0, 1.0))), Dark(), 3).array
    assert image[9, 9, 9] > image[2, 2, 2] + 50 and image[13, 21, 21] > image[2, 2, 2] + 50
