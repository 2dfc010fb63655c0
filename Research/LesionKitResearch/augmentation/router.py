"""Views of an X-ray for training, made so that nothing but the anatomy can tell the class.

The sources differ in borders, letters, sharpness, contrast and compression, and pediatric chests, knees and teeth come
from one source each. So every view is cropped or set into a border, takes on the gray values of another image, gets
letters, blur, noise and JPEG traces by chance; see docs/router-accuracy.md for what remains. Lines, tubes, round
collimators and quarter turns come by chance too: none of them changes what an X-ray shows.
"""

from __future__ import annotations

import functools
import io
import math

import numpy as np

from BodyPartRouterLib.classification.preprocessing import stretch, uniform_borders

from .overlays import collimate, draw_lines

LETTERS = ("L", "R", "AP", "PA", "D", "E", "ERECT", "MOBILE", "SUPINE", "PORTABLE", "AP ERECT", "A", "B", "12:30", "70")
TURNED = 0.35  # share of the views turned by 90, 180 or 270 degrees


def random_view(gray: np.ndarray, other: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """gray, other: uint8 (rows, columns); other lends its gray values. -> (size, size) float32 0..1."""
    if rng.random() < 0.6:
        top, bottom, left, right = uniform_borders(gray)
        gray = gray[top:bottom, left:right]
    gray = random_crop(gray, rng)
    if rng.random() < 0.3:
        gray = match_gray_values(gray, other)
    if rng.random() < 0.15:
        gray = random_gray_curve(gray, rng)
    if rng.random() < 0.3:
        gray = draw_lines(gray, rng)
    if rng.random() < 0.12:
        gray = collimate(gray, rng)
    if rng.random() < 0.25:
        gray = set_into_border(gray, rng)
    if rng.random() < 0.35:
        gray = write_letters(gray, rng)
    if rng.random() < TURNED:
        gray = np.rot90(gray, rng.integers(1, 4))
    return photometric(place(gray, size, rng), rng)


def random_crop(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of 55 to 100 % of the area, its sides cut independently."""
    keep = np.sqrt(rng.uniform(0.55, 1.0)) * np.exp(rng.normal(0, 0.06, 2))
    parts = []
    for length, share in zip(gray.shape, np.minimum(keep, 1), strict=True):
        count = max(8, int(round(length * share)))
        start = int(rng.integers(0, max(1, length - count + 1)))
        parts.append(slice(start, start + count))
    return gray[parts[0], parts[1]]


def match_gray_values(gray: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The image with the histogram of another one; uint8."""
    share = np.cumsum(np.bincount(gray.ravel(), minlength=256)) / gray.size
    wanted = np.cumsum(np.bincount(other.ravel(), minlength=256)) / other.size
    return np.interp(share, wanted, np.arange(256)).astype(np.uint8)[gray]


def random_gray_curve(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image through a random rising curve of gray values, as each maker's processing has its own; uint8."""
    knots = np.sort(rng.uniform(0, 255, 3))
    return np.interp(np.arange(256), [0, 64, 128, 192, 255], [0, *knots, 255]).astype(np.uint8)[gray]


def random_aspect(gray: np.ndarray, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """The image with its height times ``low`` to ``high``, its long side as before; uint8."""
    from PIL import Image

    rows, columns = gray.shape[0] * rng.uniform(low, high), gray.shape[1]
    scale = max(gray.shape) / max(rows, columns)
    picture = Image.fromarray(np.ascontiguousarray(gray))
    return np.asarray(picture.resize((max(8, int(columns * scale)), max(8, int(rows * scale)))))


def set_into_border(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image on a larger ground of one gray value, as collimators and film scanners leave it."""
    rows, columns = gray.shape
    pads = (rng.uniform(0, 0.25, (2, 2)) * (rng.random((2, 2)) < 0.6) * [[rows], [columns]]).astype(int)
    ground = int(rng.choice([0, 0, 25, 50, 128, 255]))
    return np.pad(gray, pads, constant_values=ground)


@functools.lru_cache(maxsize=32)
def _font(size: int):
    from PIL import ImageFont

    return ImageFont.load_default(size)


def write_letters(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three side marks or words near the edges, bright or dark, some on a plate."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(np.ascontiguousarray(gray))
    pen = ImageDraw.Draw(picture)
    rows, columns = gray.shape
    for _ in range(rng.integers(1, 4)):
        text = LETTERS[rng.integers(len(LETTERS))]
        y, x = rng.random(2)
        if rng.random() < 0.8:  # at an edge
            y, x = (round(y), x) if rng.random() < 0.5 else (y, round(x))
        place = (0.04 + 0.85 * x) * columns, (0.03 + 0.88 * y) * rows
        font = _font(int(rng.integers(8, 25)))
        if rng.random() < 0.3:
            pen.rectangle(pen.textbbox(place, text, font), fill=int(rng.choice([0, 60, 200, 255])))
        pen.text(place, text, fill=int(rng.choice([0, 180, 255, 255])), font=font)
    return np.asarray(picture)


def place(gray: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Turned, mirrored, squeezed a little and set into the square; float32 0..1."""
    from PIL import Image

    rows, columns = gray.shape
    scale = max(rows, columns) / size * math.exp(rng.normal(0, 0.05))
    squeeze = math.exp(rng.normal(0, 0.07))
    angle = math.radians(rng.uniform(-12, 12))
    if rng.random() < 0.04:
        angle += math.pi / 2 * rng.integers(1, 4)
    mirror = -1 if rng.random() < 0.5 else 1
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    a, b, d, e = mirror * cos * squeeze, sin * squeeze, -mirror * sin / squeeze, cos / squeeze
    middle = size / 2 + rng.normal(0, 0.03, 2) * size
    data = (
        a, b, columns / 2 - a * middle[0] - b * middle[1],
        d, e, rows / 2 - d * middle[0] - e * middle[1],
    )  # fmt: skip
    picture = Image.fromarray(np.ascontiguousarray(gray))
    picture = picture.transform((size, size), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float32) / 255


def photometric(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Contrast, polarity, sharpness, noise and compression by chance; (size, size) float32 0..1."""
    from scipy import ndimage

    if rng.random() < 0.12:
        view = 1 - view  # a negative: MONOCHROME1 told wrongly, or not told
    if rng.random() < 0.7:
        view = np.clip(view, 0, 1) ** math.exp(rng.normal(0, 0.35))
    if rng.random() < 0.25:  # a window that cuts off dark or bright parts
        low, high = rng.uniform(0, 0.25), rng.uniform(0.75, 1)
        view = np.clip((view - low) / (high - low), 0, 1)
    if rng.random() < 0.2:  # local contrast, as processing workstations add
        smooth = ndimage.uniform_filter(view, int(rng.integers(9, 40)))
        view = view + rng.uniform(0.3, 1.2) * (view - smooth)
    if rng.random() < 0.3:
        view = ndimage.gaussian_filter(view, rng.uniform(0.4, 1.6))
    if rng.random() < 0.25:
        view = view + rng.normal(0, rng.uniform(0.01, 0.06), view.shape)
    if rng.random() < 0.15:  # uneven exposure
        ramp = np.linspace(-0.5, 0.5, len(view))
        view = view + rng.normal(0, 0.25) * ramp[:, None] + rng.normal(0, 0.25) * ramp
    if rng.random() < 0.35:
        view = recompress(view, rng)
    return stretch(view) if rng.random() < 0.8 else np.clip(view, 0, 1).astype(np.float32)


def recompress(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through a smaller size and JPEG, as images passed on by e-mail or in papers are."""
    from PIL import Image

    picture = Image.fromarray((np.clip(view, 0, 1) * 255).astype(np.uint8))
    size, share = picture.size, rng.uniform(0.45, 1.0)
    if share < 0.9:
        picture = picture.resize([max(16, int(n * share)) for n in size], Image.Resampling.BILINEAR)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(rng.integers(25, 92)))
    picture = Image.open(file)
    if share < 0.9:
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float32) / 255
