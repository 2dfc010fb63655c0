"""Pictures that are no X-ray of a body part, made by procedure: what a router must pass on to a person.

Blank and noisy images, test patterns, pages, screens, textures like those of photographs, ultrasound sectors,
scintigrams, slices with other contrasts, and X-rays of which only the border is left or whose parts are shuffled (so
that borders and textures alone mean nothing).
"""

from __future__ import annotations

import numpy as np

SIDE = 224


def random_picture(rng: np.random.Generator, xray: np.ndarray | None = None) -> np.ndarray:
    """One such picture, uint8 (rows, columns). xray: uint8, to spoil; without it only the others are drawn."""
    makers = [*_SPOILERS] if xray is not None and rng.random() < 0.45 else [*_MAKERS]
    maker = makers[rng.integers(len(makers))]
    made = maker(xray, rng) if maker in _SPOILERS else maker(rng)
    return np.clip(made, 0, 255).astype(np.uint8)


def blank(rng: np.random.Generator) -> np.ndarray:
    """One gray value, a ramp, or faint noise."""
    ramp = np.linspace(0, 1, SIDE)
    picture = rng.uniform(0, 255) + rng.normal(0, 60) * ramp[:, None] + rng.normal(0, 60) * ramp
    return picture + rng.normal(0, rng.choice([0, 2, 10]), (SIDE, SIDE))


def noise(rng: np.random.Generator) -> np.ndarray:
    """Random fields from white to cloud-like (power falls as frequency to the -1 to -4)."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=(SIDE, SIDE))) / frequency ** rng.uniform(0, 2)
    return _scaled(np.fft.irfft2(spectrum, (SIDE, SIDE)))


def leaves(rng: np.random.Generator) -> np.ndarray:
    """Shapes of all sizes one over another, shaded: the statistics of photographs (Lee, Mumford and Huang 2001)."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", (SIDE, SIDE), int(rng.integers(256)))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.integers(20, 250)):
        radius = min(90.0, 4 / rng.random() ** 0.7)
        x, y = rng.uniform(-20, SIDE + 20, 2)
        gray = int(rng.integers(256))
        if rng.random() < 0.5:
            a, b = radius * rng.uniform(0.4, 1, 2)
            pen.ellipse((x - a, y - b, x + a, y + b), fill=gray)
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 7)))
            pen.polygon([(x + radius * np.cos(t), y + radius * np.sin(t)) for t in angles], fill=gray)
    made = np.asarray(picture, float)
    if rng.random() < 0.6:
        made = made * 0.75 + 0.4 * (noise(rng) - 100)
    return _smooth(made, rng)


def pattern(rng: np.random.Generator) -> np.ndarray:
    """Stripes, checks, rings or a step wedge."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 70)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    kind = rng.integers(4)
    if kind == 0:
        made = np.sin(2 * np.pi * along / period)
    elif kind == 1:
        made = np.sign(np.sin(2 * np.pi * along / period) * np.sin(2 * np.pi * across / period))
    elif kind == 2:
        made = np.sin(2 * np.pi * np.hypot(x, y * rng.uniform(0.6, 1.4)) / period)
    else:
        made = np.floor((along + SIDE) / period)
    return _scaled(made + rng.normal(0, 0.1, made.shape))


def page(rng: np.random.Generator) -> np.ndarray:
    """Printed lines, a form, or a screen with windows."""
    from PIL import Image, ImageDraw

    from .router import _font

    dark = rng.random() < 0.4
    picture = Image.new("L", (SIDE, SIDE), int(rng.integers(0, 40) if dark else rng.integers(200, 256)))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.integers(0, 7)):
        x0, y0 = rng.integers(0, SIDE - 30, 2)
        x1, y1 = x0 + rng.integers(15, 150), y0 + rng.integers(10, 120)
        pen.rectangle((x0, y0, x1, y1), fill=int(rng.integers(256)) if rng.random() < 0.5 else None, outline=128)
    size = int(rng.integers(7, 20))
    for y in range(int(rng.integers(2, 30)), SIDE - size, int(size * rng.uniform(1.1, 2))):
        words = ["".join(chr(c) for c in rng.integers(97, 123, rng.integers(2, 9))) for _ in range(rng.integers(0, 9))]
        pen.text((rng.integers(2, 30), y), " ".join(words), fill=230 if dark else 20, font=_font(size))
    return _smooth(np.asarray(picture, float), rng)


def ultrasound(rng: np.random.Generator) -> np.ndarray:
    """Speckle over smooth tissue in a sector or a rectangle on black."""
    from scipy import ndimage

    y, x = np.mgrid[:SIDE, :SIDE]
    tissue = _scaled(ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), rng.uniform(6, 25))) / 255
    speckle = ndimage.gaussian_filter(rng.rayleigh(1, (SIDE, SIDE)), (rng.uniform(0.3, 1), rng.uniform(0.8, 2.5)))
    made = 160 * tissue * speckle
    for _ in range(rng.integers(0, 4)):  # cysts and vessels
        cy, cx = rng.uniform(60, SIDE - 30, 2)
        inside = ((y - cy) / rng.uniform(8, 40)) ** 2 + ((x - cx) / rng.uniform(8, 40)) ** 2 < 1
        made[inside] *= 0.1
    top = rng.uniform(-60, 10)
    middle = SIDE / 2 + rng.normal(0, 10)
    depth = np.hypot(y - top, x - middle)
    wide = np.abs(np.arctan2(x - middle, y - top)) < rng.uniform(0.4, 0.8)
    inside = wide & (depth > rng.uniform(15, 70) - top * 0.3) & (depth < SIDE - top - rng.uniform(0, 25))
    if rng.random() < 0.3:
        inside = (np.abs(x - middle) < rng.uniform(60, 105)) & (y > 8)
    return np.where(inside, made, 0)


def only_the_border(xray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The middle is gone; letters, collimation and corners stay."""
    made = np.array(xray, float)
    rows, columns = made.shape
    top, left = (rng.uniform(0.03, 0.14, 2) * made.shape).astype(int)
    bottom, right = rows - int(rng.uniform(0.03, 0.14) * rows), columns - int(rng.uniform(0.03, 0.14) * columns)
    middle = made[top:bottom, left:right]
    fill = rng.integers(3)
    if fill == 0:
        middle[:] = rng.uniform(0, 255)
    elif fill == 1:
        middle[:] = rng.normal(middle.mean(), middle.std() + 1, middle.shape)
    else:
        middle[:] = (
            np.resize(noise(rng), middle.shape)
            if max(middle.shape) > SIDE
            else noise(rng)[: middle.shape[0], : middle.shape[1]]
        )
    return made


def shuffled(xray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tiles of an X-ray in another order."""
    count = int(rng.integers(4, 8))
    rows, columns = (n // count * count for n in xray.shape)
    tiles = xray[:rows, :columns].reshape(count, rows // count, count, columns // count).swapaxes(1, 2)
    tiles = tiles.reshape(count * count, rows // count, columns // count)[rng.permutation(count * count)]
    return tiles.reshape(count, count, rows // count, columns // count).swapaxes(1, 2).reshape(rows, columns)


def blurred_away(xray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """So blurred that nothing but light and dark is left."""
    from scipy import ndimage

    return ndimage.gaussian_filter(np.asarray(xray, float), rng.uniform(0.09, 0.2) * min(xray.shape))


def ultrasound_of(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sector or rectangle of speckle over the tissue that any picture lends, with a screen's text and gray bar."""
    from PIL import Image, ImageDraw
    from scipy import ndimage

    from .router import _font

    tissue = np.asarray(Image.fromarray(gray).resize((SIDE, SIDE)), float) / 255
    tissue = np.rot90(tissue, rng.integers(4)) ** rng.uniform(0.6, 2)
    grain = ndimage.gaussian_filter(rng.rayleigh(1, (SIDE, SIDE)), (rng.uniform(0.3, 1.2), rng.uniform(0.6, 3)))
    y, x = np.mgrid[:SIDE, :SIDE]
    middle, top = SIDE / 2 + rng.normal(0, 12), rng.uniform(-70, 20)
    depth = np.hypot(y - top, x - middle)
    near = rng.uniform(5, 60) - min(top, 0) * 0.5
    inside = np.abs(np.arctan2(x - middle, y - top)) < rng.uniform(0.35, 0.85)
    inside &= (depth > near) & (depth < rng.uniform(0.75, 1.05) * SIDE - top)
    if rng.random() < 0.25:
        inside = (np.abs(x - middle) < rng.uniform(60, 108)) & (y > rng.uniform(0, 30))
    fade = np.clip(1.3 - rng.uniform(0, 1) * depth / SIDE, 0.1, 1.3)
    made = np.where(inside, np.clip(200 * tissue * grain * fade, 0, 255), rng.choice([0, 0, 15]))
    picture = Image.fromarray(made.astype(np.uint8))
    if rng.random() < 0.6:
        pen, font = ImageDraw.Draw(picture), _font(int(rng.integers(7, 12)))
        for _ in range(rng.integers(1, 9)):
            text = "".join(chr(c) for c in rng.integers(48, 91, rng.integers(2, 10)))
            pen.text((rng.uniform(0, 0.85) * SIDE, rng.uniform(0, 0.95) * SIDE), text, fill=220, font=font)
    made = np.array(picture, float)
    if rng.random() < 0.4:  # the gray bar
        left, start, length = int(rng.integers(2, SIDE - 14)), int(rng.integers(5, 60)), int(rng.integers(50, 140))
        made[start : start + length, left : left + 8] = np.linspace(255, 0, length)[:, None]
    return made


def scintigram(rng: np.random.Generator) -> np.ndarray:
    """Few counts over a body or an organ with hot spots, as a gamma camera draws them; one to four views."""
    from scipy import ndimage

    rows, columns = (SIDE, int(rng.integers(60, SIDE))) if rng.random() < 0.6 else (SIDE, SIDE)
    y, x = np.mgrid[:rows, :columns] / np.array([rows, columns]).reshape(2, 1, 1)
    views = int(rng.integers(1, 4)) if columns > 120 else 1
    rate = np.zeros((rows, columns))
    for view in range(views):
        middle = (view + 0.5) / views
        for _ in range(rng.integers(2, 14)):
            cy, cx = rng.uniform(0.08, 0.92), middle + rng.normal(0, 0.12) / views
            a, b = np.exp(rng.uniform(np.log(0.015), np.log(0.3), 2))
            rate += rng.uniform(0.1, 1) * (((y - cy) / a) ** 2 + ((x - cx) / b * views) ** 2 < 1)
    rate = ndimage.gaussian_filter(rate, rng.uniform(1.5, 5))
    return _scaled(rng.poisson(rate / rate.max() * np.exp(rng.uniform(1, 5)) + rng.uniform(0, 0.3)))


def other_contrast(gray: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A slice through a random curve of gray values under an uneven field, small or sharp, as other sequences are."""
    from PIL import Image
    from scipy import ndimage

    curve = np.interp(np.arange(256), [0, 50, 100, 150, 200, 255], [0, *rng.uniform(0, 255, 5)])
    made = curve[gray]
    shape = [n / 3 for n in gray.shape]
    field = ndimage.zoom(rng.normal(0, 0.4, (3, 3)), shape, order=1, grid_mode=True, mode="nearest")
    made = np.clip(made * np.exp(field), 0, 255)
    if rng.random() < 0.4:  # few pixels
        side = int(rng.integers(48, 128))
        made = np.asarray(Image.fromarray(made.astype(np.uint8)).resize((side, side)), float)
    return made


_MAKERS = (blank, noise, leaves, leaves, pattern, page, ultrasound, scintigram)
_SPOILERS = (only_the_border, only_the_border, shuffled, blurred_away, ultrasound_of, ultrasound_of)


def _scaled(values: np.ndarray) -> np.ndarray:
    values = values - values.min()
    return 255 * values / (values.max() or 1)


def _smooth(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from scipy import ndimage

    return ndimage.gaussian_filter(picture, rng.uniform(0.3, 1.5)) if rng.random() < 0.6 else picture
