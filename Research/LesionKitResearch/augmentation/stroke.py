"""Random views of slices for training: other grays, other poses, never another truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from StrokeSynthLib.segmentation.slice_views import SAGITTAL, channels, normalized

from .label_map_randomization import bias_field, coarse

CANVAS = (176, 144)  # rows, columns that the network trains on
TURN_DEGREES, SHIFT_PIXELS, SCALE = 12.0, 6.0, 0.12
MIRROR_LOST = 0.15  # share of views without the mirror image and the template: the network must do without, too


@dataclass(frozen=True)
class View:
    """One sample. image: (3, h, w) float32; lesion, brain: (h, w) float32 0/1; weight: of the lesion's loss."""

    image: np.ndarray
    lesion: np.ndarray
    brain: np.ndarray


def other_grays(image: np.ndarray, brain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gray values 0..1 after random gamma, bias field, blur by coarse pixels, noise; now and then another contrast."""
    image = np.clip(image, 0, 1) ** np.exp(rng.normal(0, 0.25))
    if rng.random() < 0.5:
        image = image * bias_field(image.shape, rng, 0.25)
    if rng.random() < 0.15:
        image = another_contrast(image, rng)
    if rng.random() < 0.25:
        image = coarse(image.astype(np.float32), rng.uniform(1.0, 2.5, 2))
    if rng.random() < 0.5:
        image = image + rng.normal(0, rng.uniform(0, 0.04), image.shape)
    return np.where(brain, image, 0).astype(np.float32)


def another_contrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The grays through a random piecewise-linear curve of five knots, or upside down."""
    top = max(float(image.max()), 1e-6)
    knots = np.linspace(0, top, 5)
    values = knots[::-1] if rng.random() < 0.5 else np.sort(rng.uniform(0, top, 5))
    return np.interp(image, knots, values)


def make_view(
    image: np.ndarray,
    lesion: np.ndarray,
    brain: np.ndarray,
    template: np.ndarray,
    plane: str,
    rng: np.random.Generator,
    seen: np.ndarray | None = None,
) -> View:
    """A view on CANVAS. image: grays (h, w); template: the standard brain's slice, normalized, of the same shape.

    seen: what is normalized and shown, by default the brain; with skull it is more.
    """
    import torch
    from torch.nn import functional as F

    stack = channels(normalized(image, brain if seen is None else seen)[None], template, plane)[0]
    if rng.random() < MIRROR_LOST:
        stack[1:] = -1
    shape = image.shape
    pose = random_pose(rng, plane)
    main = _grid(shape, pose)
    beside = _grid(shape, pose + rng.normal(0, 1, 6) * [0.01, 0.01, 0.01, 0.01, 1.0, 1.0])  # imperfect alignment
    planes = torch.from_numpy(np.stack([stack[0] + 1, lesion, brain]).astype(np.float32))[None]
    sampled = F.grid_sample(planes, main, align_corners=True)[0].numpy()
    others = F.grid_sample(torch.from_numpy(stack[None, 1:] + 1), beside, align_corners=True)[0].numpy()
    image = np.concatenate([sampled[:1], others]) - 1
    return View(image, (sampled[1] > 0.5).astype(np.float32), (sampled[2] > 0.5).astype(np.float32))


def random_pose(rng: np.random.Generator, plane: str) -> np.ndarray:
    """(a, b, c, d, ty, tx): canvas offsets (y, x) to slice offsets from the center, [[a, b], [c, d]] @ (y, x) + t."""
    turn = np.radians(rng.uniform(-TURN_DEGREES, TURN_DEGREES))
    scale = np.exp(rng.uniform(-SCALE, SCALE, 2))
    flip = rng.choice((-1, 1)) if plane != SAGITTAL else 1
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale * [1, flip]
    return np.concatenate([matrix.ravel(), rng.uniform(-SHIFT_PIXELS, SHIFT_PIXELS, 2)])


def _grid(shape: tuple[int, int], pose: np.ndarray):
    """Sampling grid (1, h, w, 2) of torch.nn.functional.grid_sample with align_corners."""
    import torch

    y, x = np.indices(CANVAS) - (np.array(CANVAS)[:, None, None] - 1) / 2
    a, b, c, d, ty, tx = pose
    rows, columns = a * y + b * x + ty, c * y + d * x + tx
    grid = np.stack([2 * columns / (shape[1] - 1), 2 * rows / (shape[0] - 1)], -1)
    return torch.from_numpy(grid[None].astype(np.float32))
