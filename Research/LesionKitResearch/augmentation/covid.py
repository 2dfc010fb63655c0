"""Random views of training sequences: one geometric warp and one intensity change for all slices of a sequence."""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.segmentation.frames import FRAME, SOFT_WINDOW, channels_of_gray, window
from LesionKitResearch.datasets.covid import Sequence

from .inserted_lesions import insert_lesions

INSERT = 0.7  # share of the views of healthy HU slices that lesions are computed into
CONTRAST, BRIGHTNESS, GAMMA = 0.08, 0.03, 0.12  # spreads; small, as density tells ground glass from consolidation
WITHOUT_SOFT = 0.25  # share of the HU views that are shown as a picture, with a black second channel


def random_view(sequence: Sequence, length: int, rng: np.random.Generator, frame: tuple[int, int] = FRAME) -> dict:
    """``length`` neighboring slices, warped and with changed intensities.

    Returns tensors: image (t, 2, h, w) float 0..1, lesion and lung (t, h, w) int64, infected (t); weight: float; and
    source: str.
    """
    import torch

    chosen = _neighbors(len(sequence.image), length, rng)
    image, lesion, lung, infected = (
        a[chosen] for a in (sequence.image, sequence.lesion, sequence.lung, sequence.infected)
    )
    if sequence.is_hu and sequence.source != "phantom" and not infected.any() and rng.random() < INSERT:
        inserted = insert_lesions(image, lung, rng)
        image, lesion = inserted.hu, inserted.lesion
        infected = lesion.any((1, 2)).astype(infected.dtype)
    gray = _random_windows(image, rng) if sequence.is_hu else channels_of_gray(image.astype(np.float32) / 255.0)
    grid = warp_grid(image.shape[1:], frame, rng).expand(length, -1, -1, -1)
    gray = torch.nn.functional.grid_sample(
        torch.from_numpy(gray), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    labels = np.stack([lesion, lung], 1).astype(np.float32)
    labels = torch.nn.functional.grid_sample(
        torch.from_numpy(labels), grid, mode="nearest", padding_mode="border", align_corners=False
    )
    labels = labels.round().long()
    return {
        "image": change_intensity(gray, rng),
        "lesion": labels[:, 0],
        "lung": labels[:, 1],
        "infected": torch.from_numpy(infected),
        "weight": sequence.weight,
        "source": sequence.source,
    }


def _neighbors(total: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of neighboring slices; every second or third one at times (thicker slices), repeated when too few."""
    step = int(rng.choice([1, 1, 2, 3])) if length > 1 else 1
    start = int(rng.integers(max(1, total - (length - 1) * step)))
    return np.minimum(start + step * np.arange(length), total - 1)


def _random_windows(hu: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Channels (t, 2, h, w) with the windows that inference uses, or, half the time, with others."""
    lung = window(hu)
    if rng.random() < 0.5:
        center, width = rng.uniform(-720, -420), rng.uniform(1100, 2200)
        lung = window(hu, center - width / 2, center + width / 2)
    if rng.random() < WITHOUT_SOFT:
        return channels_of_gray(lung)
    return np.stack([lung, window(hu + np.float32(rng.normal(0, 8)), *SOFT_WINDOW)], 1)


def warp_grid(source: tuple[int, int], frame: tuple[int, int], rng: np.random.Generator):
    """Sampling grid (1, h, w, 2) for grid_sample: rotation, zoom, stretch, shift, mirror and a smooth elastic warp."""
    import torch

    angle = rng.normal(0, 6) * np.pi / 180
    zoom = np.exp(rng.uniform(-0.28, 0.28))
    stretch = np.exp(rng.uniform(-0.12, 0.12))
    rows, columns = np.meshgrid(np.arange(frame[0]) + 0.5, np.arange(frame[1]) + 0.5, indexing="ij")
    y, x = rows - frame[0] / 2, columns - frame[1] / 2
    if rng.random() < 0.5:
        x = -x
    elastic = torch.from_numpy(rng.normal(0, rng.uniform(0, 3.5), (1, 2, 6, 8)).astype(np.float32))
    elastic = torch.nn.functional.interpolate(elastic, size=frame, mode="bicubic", align_corners=True)[0].numpy()
    y, x = y + elastic[0], x + elastic[1]
    turned_y = (np.cos(angle) * y + np.sin(angle) * x) * zoom * stretch + rng.normal(0, 8)
    turned_x = (np.cos(angle) * x - np.sin(angle) * y) * zoom / stretch + rng.normal(0, 10)
    grid = np.stack([turned_x * 2 / source[1], turned_y * 2 / source[0]], -1)
    return torch.from_numpy(grid.astype(np.float32))[None]


def change_intensity(gray, rng: np.random.Generator):
    """Contrast, brightness, gamma, blur, coarse pixels and noise on (t, 2, h, w), clipped to 0..1.

    A black second channel stays black; the soft-tissue window of HU keeps its brightness: it tells fluid from muscle.
    """
    import torch

    lung, soft = gray[:, :1], gray[:, 1:]
    lung = lung * float(np.exp(rng.normal(0, CONTRAST))) + float(rng.normal(0, BRIGHTNESS))
    gray = torch.cat([lung.clamp(0, 1) ** float(np.exp(rng.normal(0, GAMMA))), soft], 1)
    if rng.random() < 0.3:
        gray = _blur(gray, rng.uniform(0.3, 1.3))
    elif rng.random() < 0.2:
        gray = gray + 0.7 * (gray - _blur(gray, 1.0))
    if rng.random() < 0.15:
        size = gray.shape[-2:]
        small = torch.nn.functional.interpolate(
            gray, scale_factor=float(rng.uniform(0.4, 0.8)), mode="bilinear", antialias=True
        )
        gray = torch.nn.functional.interpolate(small, size=size, mode="bilinear")
    if rng.random() < 0.5:
        noise = torch.from_numpy(rng.standard_normal(gray[:, :1].shape, np.float32))
        if rng.random() < 0.5:
            noise = 2.2 * _blur(noise, 0.8)
        strength = gray.new_tensor([1.0, 2.0 if soft.any() else 0.0]).view(1, 2, 1, 1)
        gray = gray + float(rng.uniform(0, 0.07)) * strength * noise
    return gray.clamp(0, 1)


def _blur(x, sigma: float):
    import torch

    reach = np.arange(-3, 4)
    kernel = torch.from_numpy(np.exp(-(reach**2) / (2 * sigma**2)).astype(np.float32))
    kernel = kernel / kernel.sum()
    shape = x.shape
    x = x.reshape(-1, 1, *shape[-2:])
    x = torch.nn.functional.conv2d(x, kernel.view(1, 1, 1, -1), padding=(0, 3))
    return torch.nn.functional.conv2d(x, kernel.view(1, 1, -1, 1), padding=(3, 0)).reshape(shape)
