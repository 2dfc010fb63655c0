"""The report as a PDF through ReportLab: pure Python, so it needs no system libraries, no browser and no network.

The first page holds the result, the details follow. The same document gives the same bytes.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import itertools
import os
from typing import BinaryIO
from xml.sax.saxutils import escape

from LesionKitLib.io.resources import resource
from LesionKitLib.run.errors import MissingResource

from .chart import Label, Line, Rectangle
from .document import WARNING, Beside, Chart, Facts, Notes, Pictures, Report, Row, Section, Table, Text, Tile, Tiles
from .text import printable

MM = 72.0 / 25.4
PAPERS = {"a4": (210 * MM, 297 * MM), "letter": (215.9 * MM, 279.4 * MM)}
MARGIN, FOOT = 12 * MM, 8 * MM
REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
INK, QUIET, RULE, SHADE, DARK = "#1b2530", "#4a5661", "#d5dbe1", "#f4f6f8", "#16324f"
# scripts that the bundled font lacks, with fonts that PDF readers bring (ISO 32000, Adobe's CJK collections)
CJK = (("HYSMyeongJo-Medium", "\uac00", "\ud7a3"), ("HeiseiKakuGo-W5", "\u3040", "\u30ff"),
       ("STSong-Light", "\u2e80", "\uffef"))  # fmt: skip


def require_pdf() -> None:
    """Raises MissingResource, before anything is computed, when no PDF can be written here."""
    if importlib.util.find_spec("reportlab") is None:
        raise MissingResource(
            "A PDF needs the Python package 'reportlab'; install it with: pip install 'lesionkit[pdf]'."
        )


def write_pdf(report: Report, path: str | os.PathLike | BinaryIO, paper: str = "a4") -> None:
    """Write the report to ``path``, or into an open file. paper: one of PAPERS.

    Raises MissingResource without ReportLab or the fonts. Not all or nothing by itself: give a path beside, see atomic.
    """
    require_pdf()
    from reportlab.platypus import BaseDocTemplate, Frame, KeepInFrame, PageBreak, PageTemplate

    _register_fonts()
    width, height = PAPERS[paper]
    size = (width - 2 * MARGIN, height - 2 * MARGIN - FOOT)
    document = BaseDocTemplate(
        path if hasattr(path, "write") else os.fspath(path),
        pagesize=(width, height),
        title=printable(report.title),
        subject=WARNING,
        creator="LesionKit",
        invariant=1,
    )
    frame = Frame(MARGIN, MARGIN + FOOT, *size, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)
    document.addPageTemplates(PageTemplate(frames=[frame]))
    first = [*_head(report, size[0]), *_sections(report.result, size[0], whole=True)]
    story = [KeepInFrame(*size, first, mode="shrink")]
    if report.details:
        story += [PageBreak(), *_sections(report.details, size[0])]
    document.build(story, canvasmaker=functools.partial(_numbered_canvas(), foot=_foot(report)))


def _foot(report: Report) -> str:
    return printable(f"{report.title} · LesionKit {report.module} · {WARNING}")


@functools.lru_cache(maxsize=1)
def _numbered_canvas():
    """A canvas that writes the foot of every page once it knows how many there are."""
    from reportlab.pdfgen.canvas import Canvas

    class NumberedCanvas(Canvas):
        def __init__(self, *arguments, foot: str, **options):
            super().__init__(*arguments, **options)
            self._foot, self._pages = foot, []

        def showPage(self):
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self):
            for number, page in enumerate(self._pages, 1):
                self.__dict__.update(page)
                self.setFont(REGULAR, 7)
                self.setFillColor(QUIET)
                self.drawString(MARGIN, MARGIN, self._foot)
                self.drawRightString(self._pagesize[0] - MARGIN, MARGIN, f"Page {number} of {len(self._pages)}")
                super().showPage()
            super().save()

    return NumberedCanvas


@functools.lru_cache(maxsize=1)
def _register_fonts() -> None:
    from reportlab.lib.fonts import addMapping
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    for name in (REGULAR, BOLD):
        registerFont(TTFont(name, resource("LesionKitLib", "Fonts", f"{name}.ttf")))
    for bold, name in enumerate((REGULAR, BOLD)):
        addMapping(REGULAR, bold, 0, name)
    for name, _, _ in CJK:
        registerFont(UnicodeCIDFont(name))


def _head(report: Report, width: float) -> list:
    cells = [_pair(*fact) for fact in report.identification.facts]
    cells += [""] * (len(cells) % 2)
    facts = _grid([cells[n : n + 2] for n in range(0, len(cells), 2)], [width / 2] * 2, [("LEFTPADDING", 0)])
    warning = _grid(
        [[_paragraph(WARNING, 8, bold=True)]], [width], [], [("BACKGROUND", "#fff4d6"), ("BOX", 0.5, "#e3b341")]
    )
    return [_paragraph(report.title, 14, bold=True, after=4), facts, _space(4), warning]


def _pair(title: str, text: str):
    return _paragraph(f'<font color="{QUIET}">{_markup(title)}</font>  {_markup(text)}', 7.5, marked=True)


def _sections(sections: tuple[Section, ...], width: float, whole: bool = False) -> list:
    """whole: all go into one frame, so that nothing need be kept together."""
    from reportlab.platypus import HRFlowable, KeepTogether

    story: list = []
    for section in sections:
        parts: list = [_space(7)]
        if section.title:
            rule = HRFlowable(width="100%", thickness=0.6, color=RULE, spaceBefore=1, spaceAfter=3)
            parts += [_paragraph(section.title, 10, bold=True, stay=True), rule]
        for n, block in enumerate(section.blocks):
            flowables = _block(block, width)
            if n == 0 and not section.together and not whole:  # the heading stays with what follows it
                parts, flowables = [KeepTogether([*parts, *flowables[:1]])], flowables[1:]
            if isinstance(block, Table) and block.short and not whole and not section.together:
                flowables = [KeepTogether(flowables)]
            parts += flowables
        story += [KeepTogether(parts)] if section.together and not whole else parts
    return story


def _block(block, width: float) -> list:
    return _MAKERS[type(block)](block, width)


def _tiles(block: Tiles, width: float) -> list:
    def cell(tile: Tile, number: int):
        color = "#ffffff" if number == 0 else INK
        value = _paragraph(tile.value, 14, bold=True, color=color)
        return [value, _paragraph(tile.text, 7, color=color)]

    columns = len(block.tiles)
    cells = [cell(tile, n) for n, tile in enumerate(block.tiles)]
    widths = [width * (1.25 if n == 0 else 1) / (columns + 0.25) for n in range(columns)]
    style = [("INNERGRID", 0.5, RULE), ("BOX", 0.5, RULE)]
    table = _grid([cells], widths, [("LEFTPADDING", 6), ("TOPPADDING", 3), ("BOTTOMPADDING", 4)], style)
    table.setStyle([("BACKGROUND", (0, 0), (0, 0), DARK)])
    return [_space(4), table]


def _table(block: Table, width: float) -> list:
    from reportlab.platypus import Table as Grid

    def aligned(column: int) -> str:
        return "left" if column in block.left else "right"

    def cell(row: Row, column: int, text: str):
        if column == 0 and row.swatch:
            color = "#{:02x}{:02x}{:02x}".format(*row.swatch)
            text = f'<font color="{color}">■</font> {_markup(text)}'
            return _paragraph(text, 7.5, bold=row.strong, align=aligned(column), marked=True)
        return _paragraph(text, 7.5, bold=row.strong, align=aligned(column))

    head = [_paragraph(text, 7, bold=True, color=QUIET, align=aligned(n)) for n, text in enumerate(block.header)]
    cells = [[cell(row, n, text) for n, text in enumerate(row.cells)] for row in block.rows]
    shares = block.widths or _shares(block)
    grid = Grid([head, *cells], [width * share / sum(shares) for share in shares], repeatRows=1)
    style: list = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"), ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, "#9aa5b0"), ("LINEBELOW", (0, 1), (-1, -1), 0.3, RULE),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ("LEFTPADDING", (0, 0), (-1, -1), 3), ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]  # fmt: skip
    for n, row in enumerate(block.rows, 1):
        if row.strong:
            style.append(("BACKGROUND", (0, n), (-1, n), SHADE))
        for column, fill in enumerate(row.fills):
            if fill:
                style.append(("BACKGROUND", (column, n), (column, n), "#{:02x}{:02x}{:02x}".format(*fill)))
    grid.setStyle(style)
    caption = [_paragraph(block.caption, 7, color=QUIET, before=2)] if block.caption else []
    return [grid, *caption]


def _shares(block: Table) -> list[float]:
    """Widths by the longest word and text of each column."""
    columns = zip(block.header, *(row.cells for row in block.rows), strict=True)
    return [min(max(len(word) for text in column for word in text.split(" ")) + 2.0 + 0.3 * max(map(len, column)), 45.0)
            for column in columns]  # fmt: skip


def _pictures(block: Pictures, width: float) -> list:
    from reportlab.platypus import Image

    gap = 4.0
    column = (width - gap * (block.columns - 1)) / block.columns
    highest = block.height_mm * MM
    cells = []
    for picture in block.pictures:
        scale = min(column / picture.size[0], highest / picture.size[1])
        image = Image(io.BytesIO(picture.png), picture.size[0] * scale, picture.size[1] * scale)
        cells.append([image, _paragraph(picture.caption, 6.5, color=QUIET, before=1)])
    rows = [cells[n : n + block.columns] for n in range(0, len(cells), block.columns)]
    for row in rows:
        row += [""] * (block.columns - len(row))
    grid = _grid(rows, [column + gap] * block.columns, [("LEFTPADDING", 0), ("RIGHTPADDING", gap)])
    caption = [_paragraph(block.caption, 7, color=QUIET)] if block.caption else []
    return [grid, *caption]


def _chart(block: Chart, width: float) -> list:
    from reportlab.graphics.shapes import Drawing, String
    from reportlab.graphics.shapes import Line as DrawnLine
    from reportlab.graphics.shapes import Rect as DrawnRectangle
    from reportlab.lib.colors import Color

    def color(rgb):
        return Color(*(channel / 255 for channel in rgb))

    drawn = block.drawing
    picture, scale = Drawing(drawn.width, drawn.height), width / drawn.width
    for shape in drawn.shapes:  # y grows upwards in a PDF
        if isinstance(shape, Rectangle):
            y = drawn.height - shape.y - shape.height
            made = DrawnRectangle(shape.x, y, shape.width, shape.height, fillColor=color(shape.color),
                                  strokeColor=color((51, 51, 51)), strokeWidth=0.4)  # fmt: skip
        elif isinstance(shape, Line):
            made = DrawnLine(shape.x1, drawn.height - shape.y1, shape.x2, drawn.height - shape.y2,
                             strokeColor=color(shape.color), strokeWidth=0.6)  # fmt: skip
        elif isinstance(shape, Label):
            made = String(shape.x, drawn.height - shape.y, printable(shape.text), fontName=REGULAR,
                          fontSize=shape.size - 0.5, fillColor=color(shape.color),
                          textAnchor=shape.anchor)  # fmt: skip
        picture.add(made)
    picture.scale(scale, scale)
    picture.width, picture.height = drawn.width * scale, drawn.height * scale
    return [picture, _paragraph(block.title, 7, color=QUIET)]


def _facts(block: Facts, width: float) -> list:
    rows = [[_paragraph(title, 7.5, color=QUIET), _paragraph(text, 7.5)] for title, text in block.facts]
    return [_grid(rows, [0.22 * width, 0.78 * width], [("LEFTPADDING", 3), ("TOPPADDING", 1.5)],
                  [("LINEBELOW", 0.3, RULE)])] if rows else []  # fmt: skip


def _notes(block: Notes, _width: float) -> list:
    return [_paragraph(f"•  {sentence}", 7.5, indent=9) for sentence in block.sentences]


def _text(block: Text, _width: float) -> list:
    return [_paragraph(block.text, 7.5, color=QUIET)]


def _beside(block: Beside, width: float) -> list:
    gap = 10.0
    left, right = (width - gap) * block.share, (width - gap) * (1 - block.share)
    cells = [[_block(block.left, left), _block(block.right, right)]]
    return [_grid(cells, [left + gap, right], [("LEFTPADDING", 0), ("TOPPADDING", 0)])]


_MAKERS = {
    Tiles: _tiles, Table: _table, Pictures: _pictures, Chart: _chart, Facts: _facts, Notes: _notes, Text: _text,
    Beside: _beside,
}  # fmt: skip


def _grid(cells: list[list], widths: list[float], paddings: list[tuple], styles: list[tuple] = ()):
    """A table of flowables, set from the top, without padding where none is given."""
    from reportlab.platypus import Table as Grid

    everywhere = ((0, 0), (-1, -1))
    default = {"LEFTPADDING": 4, "RIGHTPADDING": 4, "TOPPADDING": 1, "BOTTOMPADDING": 2} | dict(paddings)
    style = [("VALIGN", *everywhere, "TOP"), *((name, *everywhere, value) for name, value in default.items())]
    style += [(name, *everywhere, *values) for name, *values in styles]
    return Grid(cells, widths, style=style)


def _paragraph(
    text: str, size: float, bold: bool = False, color: str = INK, align: str = "left", before: float = 0,
    after: float = 0, indent: float = 0, stay: bool = False, marked: bool = False,
):  # fmt: skip
    """marked: the text is ReportLab's markup already."""
    from reportlab.lib.enums import TA_LEFT, TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    style = ParagraphStyle(
        "", fontName=BOLD if bold else REGULAR, fontSize=size, leading=1.25 * size, textColor=color,
        alignment=TA_RIGHT if align == "right" else TA_LEFT, spaceBefore=before, spaceAfter=after, leftIndent=indent,
        firstLineIndent=-indent, keepWithNext=stay, splitLongWords=1,
    )  # fmt: skip
    return Paragraph(text if marked else _markup(text), style)


def _space(height: float):
    from reportlab.platypus import Spacer

    return Spacer(1, height)


def _markup(text: str) -> str:
    """The text escaped, with fonts for the scripts that the bundled one lacks; what no font has becomes a box."""
    runs = []
    for name, run in itertools.groupby(printable(text), _font_for):
        part = escape("".join(run))
        runs.append(f'<font name="{name}">{part}</font>' if name else part)
    return "".join(runs)


def _font_for(character: str) -> str:
    return next((name for name, first, last in CJK if first <= character <= last), "")
