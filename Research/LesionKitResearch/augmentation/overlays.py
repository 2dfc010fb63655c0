"""What lies over or around the anatomy of an X-ray: lines, tubes and wires, and collimators of any shape.

None of it may change the class of the X-ray, so that a catheter or a round field is nothing the network goes by.
"""

from __future__ import annotations

import numpy as np

MOST_LINES = 10
CURVE_POINTS = 24


def draw_lines(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to MOST_LINES straight or curved lines of 0.4 to 5 % of the short side, bright or dark; uint8.

    Some are tubes: a line with a darker inside.
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(np.ascontiguousarray(gray))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.integers(1, MOST_LINES + 1)):
        points = _curve(gray.shape, rng)
        width = max(1, round(min(gray.shape) * np.exp(rng.uniform(np.log(0.004), np.log(0.05)))))
        value = int(rng.uniform(170, 256) if rng.random() < 0.75 else rng.uniform(0, 256))
        pen.line(points, fill=value, width=width, joint="curve")
        if width > 3 and rng.random() < 0.3:
            pen.line(points, fill=int(value * rng.uniform(0.5, 0.9)), width=width // 2, joint="curve")
    opacity = rng.uniform(0.5, 1.0)
    return (opacity * np.asarray(picture, np.float32) + (1 - opacity) * gray).astype(np.uint8)


def _curve(shape: tuple[int, int], rng: np.random.Generator) -> list[tuple[float, float]]:
    """Points (x, y) of a quadratic Bezier curve between two places in or about the picture."""
    ends = rng.uniform(-0.1, 1.1, (2, 2))
    bend = ends.mean(0) + (rng.normal(0, 0.35, 2) if rng.random() < 0.6 else 0)
    t = np.linspace(0, 1, CURVE_POINTS)[:, None]
    points = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * bend + t**2 * ends[1]
    return [(float(x), float(y)) for x, y in points * (shape[1], shape[0])]


def collimate(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Outside a disc, an ellipse or a turned polygon about the middle one gray value is left; uint8."""
    rows, columns = gray.shape
    y, x = np.mgrid[:rows, :columns]
    radius = rng.uniform(0.42, 0.62) * np.array(gray.shape if rng.random() < 0.5 else (min(gray.shape),) * 2)
    v = (y - rows * (0.5 + rng.normal(0, 0.03))) / radius[0]
    u = (x - columns * (0.5 + rng.normal(0, 0.03))) / radius[1]
    if rng.random() < 0.65:
        inside = u * u + v * v < 1
    else:
        sides, turned = int(rng.choice([4, 6, 8])), rng.uniform(0, np.pi)
        angles = turned + 2 * np.pi * np.arange(sides) / sides
        inside = np.all([u * np.cos(a) + v * np.sin(a) < 0.95 for a in angles], axis=0)
    return np.where(inside, gray, np.uint8(rng.choice([0, 0, 0, 20, 128, 255])))
