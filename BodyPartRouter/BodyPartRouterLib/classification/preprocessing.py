"""From an X-ray of any size to the square that the networks see, and back for heat maps.

Every image takes the same way, whatever its source: uniform borders are trimmed, gray values are stretched between
percentiles, the long side becomes the square's side (aspect kept), the rest is black.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLAT = 0.03  # of the gray range: a row or column that varies less belongs to the border
MOST_TRIMMED = 0.4  # of a side
TAILS = (0.5, 99.5)  # percentiles that become 0 and 1
EMPTY = 1e-4  # of 0..1: an image that varies less holds nothing


@dataclass(frozen=True)
class Frame:
    """Where the trimmed image came from and where it lies in the square; all (top, bottom, left, right)."""

    shape: tuple[int, int]  # of the image, rows and columns
    box: tuple[int, int, int, int]  # in the image
    inner: tuple[int, int, int, int]  # in the square


def prepare(pixels: np.ndarray, size: int, aspect: float = 1.0) -> tuple[np.ndarray, Frame]:
    """pixels: (rows, columns) float 0..1; aspect: a pixel's height over its width.

    Gives (size, size) float32 0..1 and its Frame.
    """
    small = reduce(pixels, 2 * size)
    top, bottom, left, right = uniform_borders(small)
    rows, columns = (bottom - top) * aspect, right - left
    scale = size / max(rows, columns)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    inner = resize(stretch(small[top:bottom, left:right]), (height, width))
    square = np.zeros((size, size), np.float32)
    y, x = (size - height) // 2, (size - width) // 2
    square[y : y + height, x : x + width] = inner
    up = pixels.shape[0] / small.shape[0], pixels.shape[1] / small.shape[1]
    box = (round(top * up[0]), round(bottom * up[0]), round(left * up[1]), round(right * up[1]))
    return square, Frame(pixels.shape, box, (y, y + height, x, x + width))


def to_image_grid(square: np.ndarray, frame: Frame) -> np.ndarray:
    """A map over the square, (size, size), on the image's own grid: (rows, columns) float32; 0 in trimmed borders."""
    y0, y1, x0, x1 = frame.inner
    top, bottom, left, right = frame.box
    whole = np.zeros(frame.shape, np.float32)
    whole[top:bottom, left:right] = resize(square[y0:y1, x0:x1], (bottom - top, right - left))
    return whole


def reduce(pixels: np.ndarray, longest: int) -> np.ndarray:
    """Means over whole blocks until the long side is about ``longest`` or the next larger size; float32."""
    factor = max(1, max(pixels.shape) // longest)
    factor = min(factor, *pixels.shape)
    pixels = np.asarray(pixels, np.float32)
    if factor == 1:
        return pixels
    rows, columns = (n // factor * factor for n in pixels.shape)
    # whole rows first, which lie together in memory: six times as fast as both at once
    half = pixels[:rows].reshape(rows // factor, factor, -1).sum(1)
    return half[:, :columns].reshape(len(half), -1, factor).sum(2) / np.float32(factor * factor)


def uniform_borders(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of what lies inside borders of one gray value, as collimators and scanners leave."""
    spread = np.ptp(np.percentile(pixels, TAILS))
    top, bottom = _varied(np.percentile(pixels, (2, 98), axis=1), FLAT * spread)
    left, right = _varied(np.percentile(pixels[top:bottom], (2, 98), axis=0), FLAT * spread)
    return top, bottom, left, right


def _varied(range_of_lines: np.ndarray, least: float) -> tuple[int, int]:
    """First and last + 1 of the lines that vary by more than ``least``; MOST_TRIMMED at most is left out at an end."""
    varied = np.flatnonzero(np.ptp(range_of_lines, axis=0) > least)
    count = range_of_lines.shape[1]
    if not len(varied):
        return 0, count
    most = int(MOST_TRIMMED * count)
    return min(int(varied[0]), most), max(int(varied[-1]) + 1, count - most)


def stretch(pixels: np.ndarray) -> np.ndarray:
    """Gray values between the percentiles TAILS become 0..1, float32; an empty image becomes 0."""
    low, high = np.percentile(pixels, TAILS)
    if high - low < EMPTY:
        return np.zeros(pixels.shape, np.float32)
    return np.clip((pixels - low) / (high - low), 0, 1).astype(np.float32)


def resize(pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """float32 (rows, columns) at another size: linear, averaging where it shrinks."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels, np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BILINEAR), np.float32)
