"""What a report says, apart from how it looks: html.py and pdf.py show the same document.

All texts are plain; they are escaped where they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .chart import Drawing

Color = tuple[int, int, int]  # red, green, blue, 0 to 255
SHORT_ROWS = 20
WARNING = "Research and education only. Not a medical device."


@dataclass(frozen=True)
class Tile:
    """A headline figure: the value large, what it is below."""

    value: str
    text: str


@dataclass(frozen=True)
class Tiles:
    """Headline figures side by side, the most important first."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Row:
    """A table row. swatch: a color before the first cell; strong: a sum; fills: background of each cell or None."""

    cells: tuple[str, ...]
    swatch: Color | None = None
    strong: bool = False
    fills: tuple[Color | None, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table; its header is repeated where it runs over a page. widths: relative, of each column; () divides by need.

    left: numbers of the columns that hold text; the others hold figures and are set flush right.
    """

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    widths: tuple[float, ...] = ()
    left: tuple[int, ...] = (0,)
    caption: str = ""

    @property
    def short(self) -> bool:
        """Whether it is printed on one page; a long one is divided between rows, with its header on each page."""
        return len(self.rows) <= SHORT_ROWS


@dataclass(frozen=True)
class Picture:
    """A picture with what a reader must know of it. png: a PNG file's bytes; size: (columns, rows) in pixels."""

    png: bytes
    size: tuple[int, int]
    caption: str


@dataclass(frozen=True)
class Pictures:
    """Pictures in rows of ``columns``; height_mm: none is printed higher."""

    pictures: tuple[Picture, ...]
    columns: int
    height_mm: float = 60.0
    caption: str = ""


@dataclass(frozen=True)
class Chart:
    """A drawing with a title."""

    drawing: Drawing
    title: str


@dataclass(frozen=True)
class Facts:
    """Titles with a text each."""

    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Notes:
    """Sentences, one a line."""

    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """One paragraph."""

    text: str


@dataclass(frozen=True)
class Beside:
    """Two blocks side by side; share: the part of the width that the left one takes."""

    left: Block
    right: Block
    share: float = 0.58


Block = Tiles | Table | Pictures | Chart | Facts | Notes | Text | Beside


@dataclass(frozen=True)
class Section:
    """A heading with its blocks; together: printed on one page."""

    title: str
    blocks: tuple[Block, ...]
    together: bool = True


@dataclass(frozen=True)
class Report:
    """A report. identification: what the result is of, shown at its top; result: the sections of the first page;
    details: those that begin on the second. module: who made it, for the foot of each page."""

    title: str
    module: str
    identification: Facts
    result: tuple[Section, ...]
    details: tuple[Section, ...] = field(default=())
