"""Bar charts as a list of shapes, which the page draws as SVG and the PDF on its canvas. Needs no plotting library."""

from __future__ import annotations

from dataclasses import dataclass

Color = tuple[int, int, int]
INK, QUIET, GRID = (27, 37, 48), (90, 102, 114), (221, 221, 221)
ROW, BAR, GAP = 17.0, 11.5, 6.0  # heights in points
LABEL_SIZE = 8.5


@dataclass(frozen=True)
class Rectangle:
    """x, y: upper left corner, in points from the drawing's upper left corner."""

    x: float
    y: float
    width: float
    height: float
    color: Color


@dataclass(frozen=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    color: Color


@dataclass(frozen=True)
class Label:
    """y: the baseline. anchor: start, middle or end, as in SVG."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    color: Color = INK
    size: float = LABEL_SIZE


@dataclass(frozen=True)
class Drawing:
    """Shapes in the order in which they are drawn. description: what it shows, for readers who cannot see it."""

    width: float
    height: float
    shapes: tuple[Rectangle | Line | Label, ...]
    description: str


@dataclass(frozen=True)
class Bar:
    """One bar. values: one for each series, or None where there is nothing to show; text: written at its end.

    gap: whether some space is left above it.
    """

    label: str
    values: tuple[float, ...] | None
    text: str
    gap: bool = False


def stacked_bars(
    bars: list[Bar],
    series: list[tuple[str, Color]],
    description: str,
    unit: str,
    width: float = 270.0,
    label_width: float = 74.0,
    least: float = 5.0,
) -> Drawing:
    """Horizontal bars, one below the other, each divided by series; the scale and a legend below.

    series: name and color. unit: what the scale counts. width: points. least: the scale reaches at least so far.
    """
    top = max([least, *(sum(bar.values) for bar in bars if bar.values)])
    step = _step(top)
    room = width - label_width - 40.0  # for the text at a bar's end
    scale = room / top
    bottom = sum(ROW + (GAP if bar.gap else 0.0) for bar in bars)
    shapes: list[Rectangle | Line | Label] = []
    for n in range(int(top / step + 1e-9) + 1):
        x = label_width + n * step * scale
        shapes.append(Line(x, 0.0, x, bottom, GRID))
        shapes.append(Label(x, bottom + 11.0, f"{n * step:g}", "middle", QUIET))
    y = 0.0
    for bar in bars:
        y += GAP if bar.gap else 0.0
        shapes += _bar(bar, series, y, label_width, scale)
        y += ROW
    shapes.append(Label(label_width, bottom + 22.0, unit, "start", QUIET))
    legend, height = _legend(series, bottom + 29.0, width)
    return Drawing(width, height, (*shapes, *legend), description)


def _bar(bar: Bar, series, y: float, left: float, scale: float) -> list:
    middle = y + ROW / 2 + 3.0
    shapes: list = [Label(left - 5.0, middle, bar.label, "end")]
    x = left
    for value, (_, color) in zip(bar.values or (), series, strict=False):
        if value > 0:
            shapes.append(Rectangle(x, y + (ROW - BAR) / 2, value * scale, BAR, color))
            x += value * scale
    return [*shapes, Label(x + 4.0, middle, bar.text)]


def _legend(series, y: float, width: float) -> tuple[list, float]:
    shapes, x = [], 0.0
    if len(series) < 2:
        return shapes, y
    for name, color in series:
        needed = 20.0 + 0.58 * LABEL_SIZE * len(name)
        if x and x + needed > width:
            x, y = 0.0, y + 13.0
        shapes += [Rectangle(x, y, 9.0, 9.0, color), Label(x + 13.0, y + 8.0, name)]
        x += needed
    return shapes, y + 13.0


def _step(top: float) -> float:
    """Distance of the scale's marks: 1, 2 or 5 times a power of ten, three to six marks."""
    power = 10.0 ** len(str(int(top))) / 100.0
    return next(power * n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500) if top / (power * n) <= 6)
