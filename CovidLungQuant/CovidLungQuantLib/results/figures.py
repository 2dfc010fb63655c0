"""Pictures of a result: key images in two windows, the series over the lungs, the overlay, and the chart of burden."""

from __future__ import annotations

import numpy as np

from CovidLungQuantLib.labels import LESIONS, LUNGS
from LesionKitLib.imaging.volume import Volume
from LesionKitLib.report.chart import Bar, Drawing, stacked_bars
from LesionKitLib.report.document import Picture
from LesionKitLib.report.pictures import AXIAL, CORONAL, Outline, Slices, Window, choose_slices, montage
from LesionKitLib.report.text import NONE, number

LUNG_WINDOW = Window("Lung window", -600.0, 1500.0, "HU")
SOFT_TISSUE_WINDOW = Window("Soft-tissue window", 40.0, 400.0, "HU")
WIDTH, KEY_WIDTH = 360, 440  # pixels of a picture
MARGIN_MM = 14.0
LEAST = {AXIAL: 0.05, CORONAL: 0.2}  # share of the largest slice's lung that a slice must show
BAR_ROWS = ("upper", "middle", "lower", "all")


def lung_slices(volume: Volume, lungs: np.ndarray, lesions: np.ndarray) -> Slices:
    """The CT with its outlines, cut around the lungs. lungs, lesions: label maps as in ``labels.py``."""
    outlines = [Outline(item, lungs, False) for item in LUNGS] + [Outline(item, lesions, True) for item in LESIONS]
    return Slices.of(volume, outlines, lungs, MARGIN_MM)


def chosen(slices: Slices, axis: int, count: int) -> list[int]:
    """Slices across the lungs, one from each of ``count`` equal parts: the one with most lesion, or the middle."""
    lung = slices.area(axis, lambda outline: not outline.thick)
    return choose_slices(lung, slices.area(axis, lambda outline: outline.thick), count, LEAST[axis])


def key_pictures(slices: Slices, count: int = 3) -> tuple[Picture, ...]:
    """``count`` axial slices from head to feet in the lung window, then the same in the soft-tissue window."""
    where = list(reversed(chosen(slices, AXIAL, count)))
    windows = (LUNG_WINDOW, SOFT_TISSUE_WINDOW)
    return tuple(slices.framed(AXIAL, k, window, KEY_WIDTH) for window in windows for k in where)


def series_pictures(slices: Slices, axial: int = 8, coronal: int = 4) -> tuple[Picture, ...]:
    """Axial slices from head to feet, then coronal slices from front to back, in the lung window."""
    where = [(AXIAL, k) for k in reversed(chosen(slices, AXIAL, axial))]
    where += [(CORONAL, j) for j in chosen(slices, CORONAL, coronal)]
    return tuple(slices.framed(axis, index, LUNG_WINDOW, WIDTH) for axis, index in where)


def overlay(volume: Volume, lungs: np.ndarray, lesions: np.ndarray, axial: int = 8, coronal: int = 4) -> np.ndarray:
    """The slices of series_pictures in one picture with a legend, uint8 RGB [row, column, 3]."""
    slices = lung_slices(volume, lungs, lesions)
    where = [(AXIAL, k) for k in reversed(chosen(slices, AXIAL, axial))]
    where += [(CORONAL, j) for j in chosen(slices, CORONAL, coronal)]
    panels = [slices.picture(axis, index, LUNG_WINDOW, WIDTH) for axis, index in where]
    items = [(item, True) for item in LESIONS] + [(item, False) for item in LUNGS]
    return montage(panels, 4, items, LUNG_WINDOW.title)


def burden_chart(measurements: dict) -> Drawing:
    """Burden of each lung and of its thirds as bars stacked by class, in % of that region's lung volume."""
    rows = {(row["side"], row["third"]): row for row in measurements["regions"]}
    bars = []
    for side in ("right", "left"):
        for third in BAR_ROWS:
            row = rows.get((side, third))
            if row is not None:
                bars.append(_bar(row, side, third))
    series = [(lesion.name, lesion.color) for lesion in LESIONS]
    return stacked_bars(bars, series, "Bar chart of the burden of each lung and its thirds", "% of the region's lung")


def _bar(row: dict, side: str, third: str) -> Bar:
    label = f"{side.capitalize()} lung" if third == "all" else f"{side[0].upper()} {third}"
    first = side == "left" and third == BAR_ROWS[0]
    if row["burden_percent"] is None:
        return Bar(label, None, NONE, first)
    values = tuple(row[f"{lesion.key}_percent"] or 0.0 for lesion in LESIONS)
    return Bar(label, values, number(row["burden_percent"], "%"), first)
