"""Pictures of a segmented stroke: slices with the outlines of brain and lesion, as uint8 RGB [row, column, 3].

As radiologists hang them: the patient's right at the left, anterior or superior up, in true proportions.
"""

from __future__ import annotations

import functools
import io

import numpy as np

from LesionKitLib.imaging.measures import bounding_box
from LesionKitLib.imaging.volume import Volume, reorient_to_lps
from StrokeSynthLib.labels import BRAIN, LESION

PANEL_WIDTH = 300  # pixels
COLUMNS = 5
GAP = 4
MARGIN_MM = 8.0
TEXT = (225, 230, 235)


def montage(volume: Volume, brain: np.ndarray, lesion: np.ndarray, count: int = 10) -> np.ndarray:
    """``count`` axial slices from head to feet, each the one with most lesion in its part of the brain, and a legend.

    brain, lesion: masks of the volume's shape, in any orientation.
    """
    upright, _ = reorient_to_lps(volume)
    brain, lesion = (reorient_to_lps(volume.with_array(mask))[0].array > 0 for mask in (brain, lesion))
    low, high = _window(upright.array, brain)
    rows, columns = _shown_box(brain, upright.spacing)
    panels = []
    for k in reversed(chosen_slices(brain.sum((1, 2)), lesion.sum((1, 2)), count)):
        gray = np.clip((upright.array[k, rows, columns].astype(np.float32) - low) / (high - low), 0, 1)
        position = (upright.ijk_to_ras @ [0, 0, k, 1])[2]
        text = f"{'S' if position >= 0 else 'I'} {abs(position):.0f} mm"
        panels.append(_panel(gray, brain[k, rows, columns], lesion[k, rows, columns], upright.spacing, text))
    lines = []
    for start in range(0, len(panels), COLUMNS):
        row = panels[start : start + COLUMNS]
        row += [np.zeros_like(panels[0])] * (COLUMNS - len(row))
        gap = np.zeros((row[0].shape[0], GAP, 3), np.uint8)
        lines.append(np.concatenate([part for panel in row for part in (panel, gap)][:-1], axis=1))
        lines.append(np.zeros((GAP, lines[0].shape[1], 3), np.uint8))
    return np.concatenate([*lines, _legend(lines[0].shape[1])])


def _shown_box(brain: np.ndarray, spacing) -> tuple[slice, slice]:
    """Rows and columns around the brain, with a margin; everything where there is none."""
    box = bounding_box(brain)
    if box is None:
        return slice(None), slice(None)
    margins = [int(np.ceil(MARGIN_MM / mm)) for mm in (spacing[1], spacing[0])]
    return tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(box[1:], margins, strict=True))


def chosen_slices(brain_area: np.ndarray, lesion_area: np.ndarray, count: int) -> list[int]:
    """Up to ``count`` indices in rising order, one from each equal part of the brain's height."""
    inside = np.flatnonzero(brain_area > 0.1 * brain_area.max(initial=0))
    if not len(inside):
        inside = np.arange(len(brain_area))
    edges = np.linspace(inside[0], inside[-1] + 1, count + 1).round().astype(int)
    chosen = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        if stop > start:
            part = lesion_area[start:stop]
            chosen.append(int(start + (np.argmax(part) if part.any() else (stop - start) // 2)))
    return chosen


def _window(values: np.ndarray, brain: np.ndarray) -> tuple[float, float]:
    """Gray values shown black and white."""
    shown = values[brain] if brain.any() else values
    low, high = np.percentile(shown, (0.5, 99.5))
    return float(min(low, 0)), float(max(high, low + 1e-6))


def _panel(gray: np.ndarray, brain: np.ndarray, lesion: np.ndarray, spacing, text: str) -> np.ndarray:
    from PIL import Image, ImageDraw

    size = (PANEL_WIDTH, max(1, round(PANEL_WIDTH * gray.shape[0] * spacing[1] / (gray.shape[1] * spacing[0]))))

    def enlarged(values: np.ndarray, how) -> np.ndarray:
        return np.asarray(Image.fromarray(np.ascontiguousarray(values, np.float32)).resize(size, how))

    bright = np.clip(enlarged(gray, Image.Resampling.BICUBIC) * 255, 0, 255).astype(np.uint8)
    rgb = np.repeat(bright[..., None], 3, 2)
    for mask, color, width in ((brain, BRAIN.color, 1), (lesion, LESION.color, 2)):
        if mask.any():
            rgb[_rim(enlarged(mask, Image.Resampling.BILINEAR) >= 0.5, width)] = color
    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    style = {"fill": TEXT, "stroke_width": 2, "stroke_fill": (0, 0, 0)}
    draw.text((5, size[1] / 2), "R", anchor="lm", font=_font(15), **style)
    draw.text((size[0] - 5, size[1] / 2), "L", anchor="rm", font=_font(15), **style)
    draw.text((5, size[1] - 5), text, anchor="ls", font=_font(13), **style)
    return np.asarray(image)


def _rim(mask: np.ndarray, thickness: int) -> np.ndarray:
    from scipy import ndimage

    return mask & ~ndimage.binary_erosion(mask, iterations=thickness, border_value=1)


def _legend(width: int) -> np.ndarray:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, 32))
    draw = ImageDraw.Draw(image)
    at = 10
    for item in (LESION, BRAIN):
        draw.rectangle((at, 10, at + 18, 22), outline=item.color, width=3 if item is LESION else 1)
        draw.text((at + 26, 16), item.name, anchor="lm", font=_font(15), fill=TEXT)
        at += 26 + int(draw.textlength(item.name, font=_font(15))) + 30
    return np.asarray(image)


@functools.cache
def _font(size: int):
    """The font that comes with matplotlib, the same on every machine."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def png_bytes(rgb: np.ndarray) -> bytes:
    """A picture as a PNG file without any metadata."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()
