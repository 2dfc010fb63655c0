"""Pictures of a segmented stroke: slices in three planes with the outlines of brain and lesion, and the chart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from LesionKitLib.imaging.volume import Volume
from LesionKitLib.report.chart import Bar, Drawing, stacked_bars
from LesionKitLib.report.document import Picture
from LesionKitLib.report.pictures import AXIAL, CORONAL, SAGITTAL, Outline, Slices, Window, choose_slices, montage
from LesionKitLib.report.text import milliliters
from StrokeSynthLib.labels import BRAIN, LESION

WIDTH, KEY_WIDTH = 300, 400  # pixels of a picture
MARGIN_MM = 8.0
LEAST = 0.1  # share of the largest slice's brain that a slice must show
MOST_BARS = 7


def brain_slices(volume: Volume, brain: np.ndarray, lesion: np.ndarray) -> Slices:
    """The MR with its outlines, cut around the brain. brain, lesion: masks of the volume's shape."""
    outlines = [
        Outline(BRAIN, np.where(brain > 0, BRAIN.value, 0).astype(np.uint8), False),
        Outline(LESION, np.where(lesion > 0, LESION.value, 0).astype(np.uint8), True),
    ]
    return Slices.of(volume, outlines, brain, MARGIN_MM)


def gray_window(volume: Volume, brain: np.ndarray) -> Window:
    """From percentile 0.5 to 99.5 of the brain's gray values, or from 0 where that is lower."""
    shown = volume.array[brain > 0] if (brain > 0).any() else volume.array
    low, high = (float(value) for value in np.percentile(shown, (0.5, 99.5)))
    low = min(low, 0.0)
    width = max(high - low, 1e-6)
    return Window("MR window", low + width / 2, width)


def chosen(slices: Slices, axis: int, count: int) -> list[int]:
    """Slices of the brain, one from each of ``count`` equal parts: the one with most lesion, or the middle one."""
    brain = slices.area(axis, lambda outline: outline.item is BRAIN)
    return choose_slices(brain, slices.area(axis, lambda outline: outline.item is LESION), count, LEAST)


def key_pictures(slices: Slices, window: Window) -> tuple[Picture, ...]:
    """Three axial slices from head to feet; then a coronal, a sagittal and an axial slice through the most lesion, the
    last without outlines."""
    (fullest,), (coronal,), (sagittal,) = (chosen(slices, axis, 1) for axis in (AXIAL, CORONAL, SAGITTAL))
    pictures = [slices.framed(AXIAL, k, window, KEY_WIDTH) for k in reversed(chosen(slices, AXIAL, 3))]
    pictures += [
        slices.framed(CORONAL, coronal, window, KEY_WIDTH),
        slices.framed(SAGITTAL, sagittal, window, KEY_WIDTH),
    ]
    pictures.append(replace(slices, outlines=()).framed(AXIAL, fullest, window, KEY_WIDTH, "without outlines"))
    return tuple(pictures)


def series_pictures(slices: Slices, window: Window, count: int = 10) -> tuple[Picture, ...]:
    """Axial slices from head to feet."""
    return tuple(slices.framed(AXIAL, k, window, WIDTH) for k in reversed(chosen(slices, AXIAL, count)))


def overlay(volume: Volume, brain: np.ndarray, lesion: np.ndarray, count: int = 10) -> np.ndarray:
    """The slices of series_pictures in one picture with a legend, uint8 RGB [row, column, 3]."""
    slices, window = brain_slices(volume, brain, lesion), gray_window(volume, brain)
    panels = [slices.picture(AXIAL, k, window, WIDTH) for k in reversed(chosen(slices, AXIAL, count))]
    return montage(panels, 5, [(LESION, True), (BRAIN, False)], window.title)


def territory_chart(volumes: dict[str, float]) -> Drawing:
    """Lesion volume in each arterial territory, the largest first; the smaller ones together."""
    rows = list(volumes.items())
    if len(rows) > MOST_BARS:
        rows = [*rows[: MOST_BARS - 1], ("others", sum(ml for _, ml in rows[MOST_BARS - 1 :]))]
    bars = [Bar(_short(name), (ml,), milliliters(ml)) for name, ml in rows]
    description = "Bar chart of the lesion volume in each arterial territory"
    return stacked_bars(bars, [(LESION.name, LESION.color)], description, "ml of lesion", label_width=122.0, least=0.1)


def _short(name: str) -> str:
    """Only what fits beside a bar: the whole name is in the list of lesions."""
    return name if len(name) <= 24 else f"{name[:23]}…"
