"""The slice format that the CT networks see, and the moves of slices into it.

A *frame* is an axial slice, anterior up, patient's right at the left, in which the lungs have about the size that
they have at MODEL_MM per pixel. It has two channels of gray 0..1: the lung window, and the soft-tissue window, in which
fluid differs from muscle. A picture of 8-bit gray values has no Hounsfield units, so its second channel is black.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from LesionKitLib.imaging.resample import apply_plane, sparse_linear_weights

from .lung_air_2d import lung_box

WINDOW = (-1350.0, 150.0)  # HU shown as 0 and 1: level -600, width 1500
MODEL_SLICE_MM = 2.0  # thinner slices are averaged to about this
SOFT_WINDOW = (-160.0, 240.0)  # level 40, width 400
CHANNELS = 2
MODEL_MM = 1.1  # per pixel, where millimeters are known
FRAME = (224, 288)  # height and width that training sees
LUNGS_IN_FRAME = (170, 240)  # height and width that the lungs of a slice without millimeters are brought to
ROOM = (292, 356)  # frame kept for augmentation to move in
# Single pictures are segmented at two scales, of which the finer was chosen on validation slices, and with more around
# the lungs, so that no lesion lies at the frame's edge.
PICTURE_ZOOM = 1.15
PICTURE_ZOOMS = (1.0, PICTURE_ZOOM)
PICTURE_FRAME = (320, 384)
USUAL_ASPECT = 0.70  # height / width of the lungs on a mid-level slice
STRETCH = 1.3  # a picture may have been squeezed by this much


def window(hu: np.ndarray, low: float = WINDOW[0], high: float = WINDOW[1]) -> np.ndarray:
    """HU to gray 0..1, float32."""
    return np.clip((np.asarray(hu, np.float32) - low) / (high - low), 0, 1)


def channels_of_hu(hu: np.ndarray) -> np.ndarray:
    """HU (n, h, w) to the network's channels (n, 2, h, w), float32 0..1."""
    return np.stack([window(hu), window(hu, *SOFT_WINDOW)], 1)


def channels_of_gray(gray: np.ndarray) -> np.ndarray:
    """Gray 0..1 (n, h, w) of pictures to the network's channels (n, 2, h, w), float32; the second is black."""
    return np.stack([gray, np.zeros_like(gray)], 1).astype(np.float32, copy=False)


@dataclass(frozen=True)
class FramePlacement:
    """Where a frame lies in a picture: picture row = top + (row + 0.5) * step[0] - 0.5, columns alike (pixels)."""

    top: float
    left: float
    step: tuple[float, float]
    shape: tuple[int, int] = FRAME

    def moved(self, rows: float, columns: float) -> FramePlacement:
        """The same frame seen from a picture whose corner lies elsewhere."""
        return FramePlacement(self.top + rows, self.left + columns, self.step, self.shape)

    def part(self, rows: slice, columns: slice) -> FramePlacement:
        """A part of the frame as a frame of its own."""
        top, left = self.top + rows.start * self.step[0], self.left + columns.start * self.step[1]
        return FramePlacement(top, left, self.step, (rows.stop - rows.start, columns.stop - columns.start))

    def finer(self, zoom: float, shape: tuple[int, int]) -> FramePlacement:
        """A frame about the same center with pixels ``zoom`` times smaller."""
        step = (self.step[0] / zoom, self.step[1] / zoom)
        top = self.top + (self.step[0] * self.shape[0] - step[0] * shape[0]) / 2
        left = self.left + (self.step[1] * self.shape[1] - step[1] * shape[1]) / 2
        return FramePlacement(top, left, step, shape)

    def covered(self, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of a picture of that shape that the frame reaches."""
        return tuple(
            slice(max(0, int(start)), min(size, int(np.ceil(start + step * length))))
            for size, length, start, step in zip(shape, self.shape, (self.top, self.left), self.step, strict=True)
        )

    def beyond(self, shape: tuple[int, int]) -> np.ndarray:
        """Pixels of the frame (bool) that lie outside a picture of that shape, farther than pasting reaches."""
        outside = []
        for length, start, step, size in zip(self.shape, (self.top, self.left), self.step, shape, strict=True):
            position = start + (np.arange(length) + 0.5) * step
            margin = max(1.0, step)
            outside.append((position < -margin) | (position > size + margin))
        rows, columns = outside
        return rows[:, None] | columns[None]

    def cut(self, picture: np.ndarray, mirror: bool = False) -> np.ndarray:
        """The frame from a picture (..., h, w), linear and anti-aliased; beyond the picture is its edge.

        mirror: beyond the picture is its mirror image instead, as far as that reaches.
        """
        if mirror:
            margins = [
                (min(max(0, ceil(-start) + 2), size - 1), min(max(0, ceil(start + step * length) - size + 2), size - 1))
                for size, length, start, step in zip(
                    picture.shape[-2:], self.shape, (self.top, self.left), self.step, strict=True
                )
            ]
            picture = np.pad(picture, [(0, 0)] * (picture.ndim - 2) + margins, mode="reflect")
            return self.moved(margins[0][0], margins[1][0]).cut(picture)
        weights = [
            sparse_linear_weights(size, length, start, step)
            for size, length, start, step in zip(
                picture.shape[-2:], self.shape, (self.top, self.left), self.step, strict=True
            )
        ]
        return apply_plane(*weights, picture)

    def cut_labels(self, labels: np.ndarray) -> np.ndarray:
        """The frame from a label map (..., h, w), nearest neighbor; beyond the picture is 0."""
        rows, columns = (
            np.floor(start + (np.arange(length) + 0.5) * step).astype(int)
            for length, start, step in zip(self.shape, (self.top, self.left), self.step, strict=True)
        )
        padded = np.pad(labels, [(0, 0)] * (labels.ndim - 2) + [(1, 1), (1, 1)])
        rows, columns = np.clip(rows, -1, labels.shape[-2]) + 1, np.clip(columns, -1, labels.shape[-1]) + 1
        return padded[..., rows[:, None], columns[None]]

    def paste(self, frame: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Values of a frame (..., h, w) on the pixels of a picture of that shape (linear); outside the frame 0."""
        weights = [
            sparse_linear_weights(length, size, -start / step, 1 / step, "zero")
            for size, length, start, step in zip(shape, self.shape, (self.top, self.left), self.step, strict=True)
        ]
        return apply_plane(*weights, frame)


def place_frame(gray: np.ndarray) -> FramePlacement:
    """A frame around the lungs of a slice (h, w; gray 0..1) whose pixel size is not known.

    Dependent consolidation hides the back of a lung, so a flat box is extended towards posterior.
    """
    box = lung_box(gray) or _tissue_box(gray)
    top, bottom, left, right = box
    width = right - left
    missing = max(0.0, USUAL_ASPECT * width - (bottom - top))
    bottom, top = bottom + 0.75 * missing, top - 0.25 * missing
    steps = [(bottom - top) / LUNGS_IN_FRAME[0], width / LUNGS_IN_FRAME[1]]
    steps = [max(s, max(steps) / STRETCH) for s in steps]
    center = ((top + bottom) / 2, (left + right) / 2)
    corner = [c - step * size / 2 for c, step, size in zip(center, steps, FRAME, strict=True)]
    return FramePlacement(*corner, (steps[0], steps[1]), FRAME)


def _tissue_box(gray: np.ndarray) -> tuple[float, float, float, float]:
    """The inner part of whatever is not black, or of the picture."""
    bright = gray > 0.2
    rows, columns = np.flatnonzero(bright.mean(1) > 0.1), np.flatnonzero(bright.mean(0) > 0.1)
    if not len(rows) or not len(columns):
        rows, columns = np.arange(gray.shape[0]), np.arange(gray.shape[1])
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    down, across = 0.12 * (bottom - top), 0.12 * (right - left)
    return top + down, bottom - down, left + across, right - across
