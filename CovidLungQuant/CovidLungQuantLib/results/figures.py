"""Pictures of a result: slices with colored outlines, montages, and the chart of burden per side and third.

Pictures are uint8 RGB arrays [row, column, 3] as radiologists hang them: the patient's right at the left, anterior or
superior up, in true proportions whatever the voxels' shape. Outlines, not fills, so that the finding stays visible.
"""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass

import numpy as np

from CovidLungQuantLib.labels import CONSOLIDATION, EFFUSION, GGO, LESIONS, LUNGS
from LesionKitLib.imaging.measures import bounding_box
from LesionKitLib.imaging.volume import Volume, reorient_to_lps

LUNG_WINDOW = (-600.0, 1500.0)  # level, width in HU
PANEL_WIDTH = 360  # pixels
SMOOTH = 2  # outlines are drawn this much finer and then averaged, so that they are not jagged
COLUMNS = 4
GAP = 6
MARGIN_MM = 14.0
TEXT = (225, 230, 235)


def outline_rgb(slice_hu, lungs_slice, lesions_slice, window=LUNG_WINDOW, size=None) -> np.ndarray:
    """One slice in gray with the outlines of lungs (thin) and lesions (thicker) in the classes' colors.

    slice_hu, lungs_slice, lesions_slice: 2-D, rows downwards. window: (level, width) in HU. size: (rows, columns) of
    the picture in pixels, chosen by the caller so that millimeters come out square; the slice's own when None.
    """
    from PIL import Image

    rows, columns = slice_hu.shape if size is None else size
    drawn = (columns * SMOOTH, rows * SMOOTH)

    def enlarge(values: np.ndarray, size: tuple[int, int], how) -> np.ndarray:
        return np.asarray(Image.fromarray(np.ascontiguousarray(values, np.float32)).resize(size, how))

    def paint(mask: np.ndarray, thickness: float, color) -> None:
        if mask.any():
            inside = enlarge(mask, drawn, Image.Resampling.BILINEAR) >= 0.5
            rgb[_rim(inside, max(1, round(SMOOTH * thickness)))] = color

    level, width = window
    gray = (enlarge(slice_hu, (columns, rows), Image.Resampling.BICUBIC) - (level - width / 2)) / width
    gray = np.clip(gray * 255, 0, 255).astype(np.uint8)
    rgb = np.repeat(np.repeat(np.repeat(gray[:, :, None], 3, 2), SMOOTH, 0), SMOOTH, 1)
    for lung in LUNGS:
        paint(lungs_slice == lung.value, 1, lung.color)
    for lesion in LESIONS:
        paint(lesions_slice == lesion.value, max(1.5, columns / 200), lesion.color)
    return np.asarray(Image.fromarray(rgb).reduce(SMOOTH))


def _rim(mask: np.ndarray, thickness: int) -> np.ndarray:
    """The outermost pixels of a 2-D mask."""
    from scipy import ndimage

    inner = ndimage.minimum_filter(mask.view(np.uint8), 2 * thickness + 1, mode="nearest")
    return mask & ~inner.view(bool)


@dataclass(frozen=True)
class Scene:
    """A result turned upright: [k, j, i] to superior, posterior, left, and the box around the lungs that is shown."""

    image: Volume
    lungs: np.ndarray
    lesions: np.ndarray
    box: tuple[slice, ...]

    @classmethod
    def of(cls, volume: Volume, lungs: np.ndarray, lesions: np.ndarray) -> Scene:
        upright, _ = reorient_to_lps(volume)
        lungs = reorient_to_lps(volume.with_array(lungs))[0].array
        lesions = reorient_to_lps(volume.with_array(lesions))[0].array
        found = bounding_box(lungs) or tuple(slice(0, n) for n in lungs.shape)
        margins = [int(np.ceil(MARGIN_MM / mm)) for mm in upright.spacing[::-1]]
        box = tuple(
            slice(max(0, s.start - margin), min(n, s.stop + margin))
            for s, margin, n in zip(found, margins, lungs.shape, strict=True)
        )
        return cls(upright, lungs, lesions, box)

    def panel(self, axis: int, index: int, width: int = PANEL_WIDTH) -> np.ndarray:
        """Slice ``index`` across array axis 0 (axial) or 1 (coronal), outlined and labeled."""
        where = list(self.box)
        where[axis] = index
        where = tuple(where)
        slices = [a[where] for a in (self.image.array, self.lungs, self.lesions)]
        if axis == 1:
            slices = [a[::-1] for a in slices]  # superior up
        across = self.image.spacing[0] * slices[0].shape[1]
        down = (self.image.spacing[1] if axis == 0 else self.image.spacing[2]) * slices[0].shape[0]
        rows = max(1, round(width * down / across))
        return _lettered(outline_rgb(*slices, size=(rows, width)), self._position(axis, index))

    def _position(self, axis: int, index: int) -> str:
        """Where the slice lies, in the patient's millimeters as 3D Slicer shows them."""
        center = [(s.start + s.stop - 1) / 2 for s in self.box]
        center[axis] = index
        ras = self.image.ijk_to_ras @ [center[2], center[1], center[0], 1]
        value, letters = (ras[2], "SI") if axis == 0 else (ras[1], "AP")
        return f"{letters[0] if value >= 0 else letters[1]} {abs(value):.0f} mm"

    def chosen(self, axis: int, count: int) -> list[int]:
        """Slices across the lungs, one from each of ``count`` equal parts: the one with most lesion, or the middle."""
        others = tuple(n for n in range(3) if n != axis)
        lung = np.count_nonzero(self.lungs, axis=others)
        lesion = np.count_nonzero(self.lesions, axis=others)
        return choose_slices(lung, lesion, count, 0.05 if axis == 0 else 0.2)


def choose_slices(lung_area: np.ndarray, lesion_area: np.ndarray, count: int, least: float = 0.05) -> list[int]:
    """Up to ``count`` indices in rising order, one from each equal part of where the lung has ``least`` of its area.

    From each part comes the slice with most lesion, or without lesion the middle one; chosen slices keep half a part's
    distance, so that neighbors do not show the same twice.
    """
    inside = np.flatnonzero(lung_area > least * lung_area.max(initial=0))
    if not len(inside):
        inside = np.arange(len(lung_area))
    edges = np.linspace(inside[0], inside[-1] + 1, count + 1).round().astype(int)
    distance = (edges[-1] - edges[0]) / count / 2
    chosen: list[int] = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        if chosen:
            start = max(start, int(np.ceil(chosen[-1] + distance)))
        if stop > start:
            part = lesion_area[start:stop]
            chosen.append(int(start + (np.argmax(part) if part.any() else (stop - start) // 2)))
    return chosen


def montage(volume: Volume, lungs: np.ndarray, lesions: np.ndarray, axial: int = 8, coronal: int = 4) -> np.ndarray:
    """Axial slices from head to feet, a coronal row from front to back, and a legend.

    volume: CT in HU; lungs, lesions: label maps as in ``labels.py``, of the volume's shape, in any orientation.
    """
    scene = Scene.of(volume, lungs, lesions)
    rows = _in_rows([scene.panel(0, k) for k in reversed(scene.chosen(0, axial))])
    rows += _in_rows([scene.panel(1, j) for j in scene.chosen(1, coronal)])
    width = max(row.shape[1] for row in rows)
    rows.append(_legend(width))
    gap = np.zeros((GAP, width, 3), np.uint8)
    parts = []
    for row in rows:
        parts += [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))), gap]
    return np.concatenate(parts[:-1])


def _in_rows(panels: list[np.ndarray]) -> list[np.ndarray]:
    rows = []
    for start in range(0, len(panels), COLUMNS):
        row = panels[start : start + COLUMNS]
        gap = np.zeros((row[0].shape[0], GAP, 3), np.uint8)
        rows.append(np.concatenate([part for panel in row for part in (panel, gap)][:-1], axis=1))
    return rows


def _lettered(rgb: np.ndarray, position: str) -> np.ndarray:
    """R and L at the sides and the slice's position in the corner."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    height, width = rgb.shape[:2]
    style = {"fill": TEXT, "stroke_width": 2, "stroke_fill": (0, 0, 0)}
    draw.text((6, height / 2), "R", anchor="lm", font=_font(16), **style)
    draw.text((width - 6, height / 2), "L", anchor="rm", font=_font(16), **style)
    draw.text((6, height - 6), position, anchor="ls", font=_font(14), **style)
    return np.asarray(image)


def _legend(width: int) -> np.ndarray:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, 34))
    draw = ImageDraw.Draw(image)
    at = 10
    for item in (*LESIONS, *LUNGS):
        if at + 34 + draw.textlength(item.name, font=_font(15)) > width:
            break
        draw.rectangle((at, 10, at + 18, 23), outline=item.color, width=3 if item in LESIONS else 1)
        draw.text((at + 26, 17), item.name, anchor="lm", font=_font(15), fill=TEXT)
        at += 26 + int(draw.textlength(item.name, font=_font(15))) + 30
    note = f"Lung window {LUNG_WINDOW[0]:.0f} / {LUNG_WINDOW[1]:.0f} HU"
    if at + draw.textlength(note, font=_font(14)) < width - 10:
        draw.text((width - 10, 17), note, anchor="rm", font=_font(14), fill=(150, 155, 160))
    return np.asarray(image)


@functools.cache
def _font(size: int):
    """The font that comes with matplotlib, the same on every machine."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def burden_chart(measurements: dict) -> bytes:
    """PNG: burden per lung third as stacked bars, the right lung at the left, as on the images."""
    from matplotlib.figure import Figure

    thirds = ("upper", "middle", "lower", "all")
    rows = {(row["side"], row["third"]): row for row in measurements["regions"]}
    highest = max([row["burden_percent"] or 0 for (side, _), row in rows.items() if side != "both"], default=0)
    figure = Figure(figsize=(7.6, 2.6), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, side in zip(axes, ("right", "left"), strict=True):
        for place, third in zip((0, 1, 2, 3.3), thirds, strict=True):
            _bar(axis, place, rows[side, third], highest)
        axis.set_title(f"{side.capitalize()} lung", fontsize=11)
        axis.set_ylim(3.85, -0.55)
        axis.set_yticks((0, 1, 2, 3.3), ("Upper third", "Middle third", "Lower third", "Whole lung"), fontsize=10)
        axis.set_xlim(0, _limit(highest))
        axis.set_xlabel("% of that region's lung volume", fontsize=9)
        axis.tick_params(length=0, labelsize=9)
        axis.grid(axis="x", color="#dddddd", linewidth=0.7)
        axis.set_axisbelow(True)
        for name in ("top", "right", "left", "bottom"):
            axis.spines[name].set_visible(False)
    axes[0].invert_xaxis()
    axes[0].yaxis.tick_right()
    axes[1].set_yticklabels([])
    handles = [_patch(lesion) for lesion in LESIONS]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=170)
    return buffer.getvalue()


def _bar(axis, place: float, row: dict, highest: float) -> None:
    start = 0.0
    for lesion in (GGO, CONSOLIDATION, EFFUSION):
        part = row[f"{lesion.key}_percent"] or 0.0
        edge = 0.5 if part else 0.0
        axis.barh(place, part, 0.66, start, color=_unit(lesion.color), edgecolor="#333333", linewidth=edge)
        start += part
    text = "–" if row["burden_percent"] is None else f"{row['burden_percent']:.1f} %"
    align = "right" if row["side"] == "right" else "left"
    axis.text(start + 0.015 * _limit(highest), place, text, va="center", ha=align, fontsize=9)


def _limit(highest: float) -> float:
    return min(120.0, max(5.0, highest * 1.22))


def _patch(lesion):
    from matplotlib.patches import Patch

    return Patch(facecolor=_unit(lesion.color), edgecolor="#333333", linewidth=0.5, label=lesion.name)


def _unit(color: tuple[int, int, int]) -> tuple[float, ...]:
    return tuple(channel / 255 for channel in color)


def png_bytes(rgb: np.ndarray) -> bytes:
    """A picture as a PNG file without any metadata."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()
