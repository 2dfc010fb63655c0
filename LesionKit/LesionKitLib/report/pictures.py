"""Pictures of slices with outlines, as radiologists hang them: the patient's right at the left, anterior or superior
up, in true proportions whatever the voxels' shape. Outlines, not fills, so that the finding stays visible.

Pictures are uint8 RGB arrays [row, column, 3].
"""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass

import numpy as np

from LesionKitLib.imaging.measures import bounding_box
from LesionKitLib.imaging.segment_class import SegmentClass
from LesionKitLib.imaging.volume import Volume, reorient_to_lps

from .document import Picture

AXIAL, CORONAL, SAGITTAL = 0, 1, 2  # axis of an upright array [k, j, i] that a plane lies across
PLANES = ("axial", "coronal", "sagittal")
LETTERS = (("R", "L", "A", "P"), ("R", "L", "S", "I"), ("A", "P", "S", "I"))  # left, right, top, bottom of the picture
SMOOTH = 2  # outlines are drawn this much finer and then averaged, so that they are not jagged
GAP = 6
TEXT = (225, 230, 235)
SCALE_BARS_MM = (100, 50, 20, 10, 5)


@dataclass(frozen=True)
class Window:
    """Gray values that are shown: from level - width / 2 (black) to level + width / 2 (white)."""

    name: str
    level: float
    width: float
    unit: str = ""

    @property
    def title(self) -> str:
        """Such as "Lung window -600 / 1500 HU": level and width."""
        figures = f"{_rounded(self.level)} / {_rounded(self.width)} {self.unit}".strip().replace("-", "\u2212")
        return f"{self.name} {figures.replace(' ', chr(0xA0))}"

    def gray(self, values: np.ndarray) -> np.ndarray:
        """uint8."""
        return np.clip((values - (self.level - self.width / 2)) / self.width * 255, 0, 255).astype(np.uint8)


def _rounded(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Outline:
    """A class to draw around: where the labels ([k, j, i], on the image's grid) have its value.

    thick: for lesions; thin lines are for organs.
    """

    item: SegmentClass
    labels: np.ndarray
    thick: bool


@dataclass(frozen=True)
class Slices:
    """An image turned upright, [k, j, i] to superior, posterior, left, with its outlines and the box that is shown."""

    image: Volume
    original: Volume
    outlines: tuple[Outline, ...]
    box: tuple[slice, ...]

    @classmethod
    def of(cls, volume: Volume, outlines: list[Outline], shown: np.ndarray, margin_mm: float) -> Slices:
        """shown: mask of the volume's shape around which the pictures are cut, with a margin; everything if empty."""
        upright, _ = reorient_to_lps(volume)
        turned = {
            key: reorient_to_lps(volume.with_array(labels))[0].array
            for key, labels in {id(o.labels): o.labels for o in outlines}.items()
        }
        outlines = tuple(Outline(o.item, turned[id(o.labels)], o.thick) for o in outlines)
        found = bounding_box(reorient_to_lps(volume.with_array(shown))[0].array)
        found = found or tuple(slice(0, n) for n in upright.array.shape)
        margins = [int(np.ceil(margin_mm / mm)) for mm in upright.spacing[::-1]]
        box = tuple(
            slice(max(0, s.start - margin), min(n, s.stop + margin))
            for s, margin, n in zip(found, margins, upright.array.shape, strict=True)
        )
        return cls(upright, volume, outlines, box)

    def picture(self, axis: int, index: int, window: Window, width: int) -> np.ndarray:
        """The slice across an axis with outlines, directions, scale bar and where it lies. width: pixels."""
        gray, masks, (down, across) = self._cut(axis, index)
        rows = max(1, round(width * gray.shape[0] * down / (gray.shape[1] * across)))
        rgb = outlined(gray, masks, window, (rows, width))
        number, total = self.number(axis, index)
        return lettered(rgb, LETTERS[axis], f"{number}/{total}  {self.position(axis, index)}",
                        width / (gray.shape[1] * across))  # fmt: skip

    def framed(self, axis: int, index: int, window: Window, width: int, remark: str = "") -> Picture:
        """The picture with its caption."""
        rgb = self.picture(axis, index, window, width)
        return Picture(png_bytes(rgb), (rgb.shape[1], rgb.shape[0]), self.caption(axis, index, window, remark))

    def caption(self, axis: int, index: int, window: Window, remark: str = "") -> str:
        """Plane, number, position and window in words."""
        number, total = self.number(axis, index)
        parts = [f"{PLANES[axis].capitalize()} slice {number} of {total}", self.position(axis, index), window.title]
        return " · ".join([*parts, remark] if remark else parts)

    def position(self, axis: int, index: int) -> str:
        """Where the slice lies, in the patient's millimeters as 3D Slicer shows them."""
        center = [(s.start + s.stop - 1) / 2 for s in self.box]
        center[axis] = index
        ras = self.image.ijk_to_ras @ [center[2], center[1], center[0], 1]
        value, letters = {AXIAL: (ras[2], "SI"), CORONAL: (ras[1], "AP"), SAGITTAL: (ras[0], "RL")}[axis]
        return f"{letters[0] if value >= 0 else letters[1]} {abs(value):.0f} mm"

    def number(self, axis: int, index: int) -> tuple[int, int]:
        """(number from 1, how many) of the slice, counted along the image's own grid as it was read."""
        middle = [(n - 1) // 2 for n in self.image.array.shape]
        middle[axis] = index
        to_own = np.linalg.inv(self.original.ijk_to_ras) @ self.image.ijk_to_ras
        own = np.rint(to_own @ [*middle[::-1], 1.0])[:3].astype(int)
        along = int(np.argmax(np.abs(to_own[:3, 2 - axis])))  # which of i, j, k the plane lies across
        return int(own[along]) + 1, self.original.array.shape[2 - along]

    def area(self, axis: int, chosen) -> np.ndarray:
        """How many voxels of the outlines for which chosen(class) holds each slice across an axis has."""
        others = tuple(n for n in range(3) if n != axis)
        return sum(np.count_nonzero(o.labels == o.item.value, axis=others) for o in self.outlines if chosen(o))

    def _cut(self, axis: int, index: int):
        """Gray values and masks of a slice, rows downwards, and the mm of a row and of a column."""
        where = list(self.box)
        where[axis] = index
        where = tuple(where)
        flip = slice(None) if axis == AXIAL else slice(None, None, -1)  # superior up
        masks = [(o.item.color, o.thick, (o.labels[where] == o.item.value)[flip]) for o in self.outlines]
        i, j, k = self.image.spacing
        return self.image.array[where][flip], masks, ((j, i), (k, i), (k, j))[axis]


def choose_slices(extent: np.ndarray, lesion: np.ndarray, count: int, least: float = 0.05) -> list[int]:
    """Up to ``count`` indices in rising order, one from each equal part of where the organ has ``least`` of its area.

    extent, lesion: how much organ and lesion each slice holds. From each part comes the slice with most lesion, or
    without lesion the middle one; chosen slices keep half a part's distance, so that neighbors do not show the same.
    """
    inside = np.flatnonzero(extent > least * extent.max(initial=0))
    if not len(inside):
        inside = np.arange(len(extent))
    edges = np.linspace(inside[0], inside[-1] + 1, count + 1).round().astype(int)
    distance = (edges[-1] - edges[0]) / count / 2
    chosen: list[int] = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        if chosen:
            start = max(start, int(np.ceil(chosen[-1] + distance)))
        if stop > start:
            part = lesion[start:stop]
            chosen.append(int(start + (np.argmax(part) if part.any() else (stop - start) // 2)))
    return chosen


def outlined(values: np.ndarray, masks, window: Window, size: tuple[int, int]) -> np.ndarray:
    """One slice in gray with the rims of masks in their colors. masks: (color, thick, bool as values).

    size: (rows, columns) of the picture, chosen by the caller so that millimeters come out square.
    """
    from PIL import Image

    rows, columns = size
    drawn = (columns * SMOOTH, rows * SMOOTH)

    def enlarge(array: np.ndarray, size: tuple[int, int], how) -> np.ndarray:
        return np.asarray(Image.fromarray(np.ascontiguousarray(array, np.float32)).resize(size, how))

    gray = window.gray(enlarge(values, (columns, rows), Image.Resampling.BICUBIC))
    rgb = np.repeat(np.repeat(np.repeat(gray[:, :, None], 3, 2), SMOOTH, 0), SMOOTH, 1)
    for color, thick, mask in masks:
        if mask.any():
            thickness = max(1.5, columns / 250) if thick else 1
            inside = enlarge(mask, drawn, Image.Resampling.BILINEAR) >= 0.5
            rgb[_rim(inside, max(1, round(SMOOTH * thickness)))] = color
    return np.asarray(Image.fromarray(rgb).reduce(SMOOTH))


def _rim(mask: np.ndarray, thickness: int) -> np.ndarray:
    """The outermost pixels of a 2-D mask."""
    from scipy import ndimage

    inner = ndimage.minimum_filter(mask.view(np.uint8), 2 * thickness + 1, mode="nearest")
    return mask & ~inner.view(bool)


def lettered(rgb: np.ndarray, letters: tuple[str, str, str, str], text: str, pixels_per_mm: float) -> np.ndarray:
    """Directions at the four sides, a text in the lower left corner, and a scale bar in the lower right one."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    height, width = rgb.shape[:2]
    size = max(12, round(width / 26))
    style = {"fill": TEXT, "stroke_width": 2, "stroke_fill": (0, 0, 0), "font": font(size)}
    places = ((6, height / 2, "lm"), (width - 6, height / 2, "rm"), (width / 2, 5, "mt"), (width / 2, height - 6, "ms"))
    for letter, (x, y, anchor) in zip(letters, places, strict=True):
        draw.text((x, y), letter, anchor=anchor, **style)
    draw.text((6, height - 6), text, anchor="ls", **{**style, "font": font(round(0.85 * size))})
    _scale_bar(draw, width, height, pixels_per_mm, {**style, "font": font(round(0.85 * size))})
    return np.asarray(image)


def _scale_bar(draw, width: int, height: int, pixels_per_mm: float, style: dict) -> None:
    mm = next((mm for mm in SCALE_BARS_MM if mm * pixels_per_mm <= 0.3 * width), SCALE_BARS_MM[-1])
    length = round(mm * pixels_per_mm)
    right, y = width - 8, height - 8
    for thickness, color in ((4, (0, 0, 0)), (2, TEXT)):
        draw.line((right - length, y, right, y), fill=color, width=thickness)
        for x in (right - length, right):
            draw.line((x, y - 4, x, y + 4), fill=color, width=thickness)
    draw.text((right - length / 2, y - 6), f"{mm} mm", anchor="ms", **style)


def montage(panels: list[np.ndarray], columns: int, items: list[tuple[SegmentClass, bool]], note: str) -> np.ndarray:
    """Panels in rows with a legend below. items: classes, and whether they are drawn thick; note: right of them."""
    rows = []
    for start in range(0, len(panels), columns):
        row = panels[start : start + columns]
        height = max(panel.shape[0] for panel in row)
        row = [np.pad(panel, ((0, height - panel.shape[0]), (0, 0), (0, 0))) for panel in row]
        gap = np.zeros((height, GAP, 3), np.uint8)
        rows.append(np.concatenate([part for panel in row for part in (panel, gap)][:-1], axis=1))
    width = max(row.shape[1] for row in rows)
    rows.append(_legend(width, items, note))
    gap = np.zeros((GAP, width, 3), np.uint8)
    parts = []
    for row in rows:
        parts += [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))), gap]
    return np.concatenate(parts[:-1])


def _legend(width: int, items, note: str) -> np.ndarray:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, 34))
    draw = ImageDraw.Draw(image)
    at = 10
    for item, thick in items:
        if at + 34 + draw.textlength(item.name, font=font(15)) > width:
            break
        draw.rectangle((at, 10, at + 18, 23), outline=item.color, width=3 if thick else 1)
        draw.text((at + 26, 17), item.name, anchor="lm", font=font(15), fill=TEXT)
        at += 26 + int(draw.textlength(item.name, font=font(15))) + 30
    if at + draw.textlength(note, font=font(14)) < width - 10:
        draw.text((width - 10, 17), note, anchor="rm", font=font(14), fill=(150, 155, 160))
    return np.asarray(image)


@functools.cache
def font(size: int):
    """The bundled font, the same on every machine."""
    from PIL import ImageFont

    from LesionKitLib.io.resources import resource

    # as bytes: on Windows FreeType cannot open every path
    return ImageFont.truetype(io.BytesIO(resource("LesionKitLib", "Fonts", "DejaVuSans.ttf").read_bytes()), size)


# of zlib: on an overlay of 1458 x 950 pixels 0.09 s and 893 kB, where Pillow's own 6 takes 0.22 s and 882 kB
PNG_LEVEL = 3


def png_bytes(rgb: np.ndarray) -> bytes:
    """A picture as a PNG file without any metadata."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()
