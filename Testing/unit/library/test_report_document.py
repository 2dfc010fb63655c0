"""The report of every module: one content, a page and a PDF of it."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from LesionKitLib.report import pdf
from LesionKitLib.report.chart import Bar, Rectangle, stacked_bars
from LesionKitLib.report.document import (
    WARNING,
    Beside,
    Chart,
    Facts,
    Notes,
    Picture,
    Pictures,
    Report,
    Row,
    Section,
    Table,
    Text,
    Tile,
    Tiles,
)
from LesionKitLib.report.files import json_writer, rows_writer, write_files, write_report
from LesionKitLib.report.html import report_html
from LesionKitLib.report.model_card import card_section
from LesionKitLib.report.text import count, interval, milliliters, number
from LesionKitLib.run.errors import MissingResource, UnusableInput

NASTY = '<img src=x onerror=alert(1)> & "quoted"'


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (10, 200, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def every_block(text: str = "said", rows: int = 3) -> Report:
    """A report that holds every kind of block."""
    bars = stacked_bars([Bar(text, (1.0, 2.0), text), Bar(text, None, text, True)],
                        [(text, (1, 2, 3)), ("b", (4, 5, 6))], text, text)  # fmt: skip
    table = Table((text, "n"), tuple(Row((text, str(n)), (1, 2, 3), n == 0, (None, (9, 9, 9))) for n in range(rows)),
                  caption=text)  # fmt: skip
    pictures = Pictures((Picture(png(), (40, 30), text),) * 3, 2, 30.0, text)
    first = (
        Section("", (Tiles((Tile(text, text), Tile("2", "two"))), Notes((text,)))),
        Section(text, (Beside(table, Chart(bars, text)),)),
    )
    details = (Section(text, (pictures, Facts(((text, text),)), Text(text))), Section("t", (table,), together=False))
    return Report(text, "Sample", Facts((("File", text),)), first, details)


def pages(data: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", data))


def written_pdf(report: Report, folder, paper: str = "a4") -> bytes:
    path = folder / "report.pdf"
    pdf.write_pdf(report, path, paper)
    return path.read_bytes()


def test_every_text_is_escaped_on_the_page_wherever_it_stands():
    text = report_html(every_block(NASTY))
    assert "<img src=x" not in text and NASTY not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") >= 20


def test_the_page_is_one_file_that_loads_nothing_and_runs_nothing():
    text = report_html(every_block())
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', text)
    assert sources and all(source.startswith("data:image/png;base64,") for source in sources)
    assert "<script" not in text and "url(" not in text and "@import" not in text


def test_the_pages_tags_are_balanced():
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("img", "meta", "br", "col"):
                self.open.append(tag)

        def handle_startendtag(self, tag, attrs):
            """<rect/>: opened and closed."""

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    parser = Tags()
    parser.feed(report_html(every_block()))
    assert parser.open == []


def test_page_and_pdf_say_the_warning_and_the_same_document_gives_the_same_bytes(tmp_path):
    report = every_block()
    assert WARNING in report_html(report) and report_html(report) == report_html(report)
    assert written_pdf(report, tmp_path) == written_pdf(report, tmp_path)


@pytest.mark.parametrize("paper", pdf.PAPERS)
def test_the_first_page_of_a_pdf_holds_the_whole_result_however_long_it_is(tmp_path, paper):
    long = replace(every_block(), details=())
    notes = Section("Notes", (Notes(tuple(f"Note {n}: a sentence about the image." for n in range(60))),))
    long = replace(long, result=(*long.result, notes))
    assert pages(written_pdf(long, tmp_path, paper)) == 1
    assert pages(written_pdf(every_block(), tmp_path, paper)) == 2


def test_a_long_table_runs_over_pages_and_repeats_its_header(tmp_path):
    report = every_block(rows=150)
    report = replace(report, result=(), details=report.details[1:])
    assert pages(written_pdf(report, tmp_path)) >= 3
    assert not report.details[0].blocks[0].short
    assert "table-header-group" in report_html(report)


def test_any_script_can_be_written_into_a_pdf(tmp_path):
    assert written_pdf(every_block("山田^太郎 김철수 ヤマダ Größe ≥ Жук < &amp;"), tmp_path).startswith(b"%PDF")


def test_a_pdf_without_its_package_is_told_in_one_sentence(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "reportlab" else find(name))
    with pytest.raises(MissingResource, match="reportlab"):
        write_report(every_block(), tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_report_appears_complete_or_not_at_all_as_its_ending_says(tmp_path):
    write_report(every_block(), tmp_path / "out" / "report.html")
    write_report(every_block(), tmp_path / "out" / "report.PDF")
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert (tmp_path / "out" / "report.PDF").read_bytes().startswith(b"%PDF")
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableInput):
        write_report(every_block(), tmp_path / "file" / "report.html")


def test_bars_are_as_long_as_their_values_and_stand_one_after_the_other():
    drawing = stacked_bars([Bar("a", (1.0, 3.0), "")], [("x", (1, 1, 1)), ("y", (2, 2, 2))], "d", "%")
    first, second = [shape for shape in drawing.shapes if isinstance(shape, Rectangle)][:2]
    assert second.width == pytest.approx(3 * first.width) and second.x == pytest.approx(first.x + first.width)
    assert second.x + second.width < drawing.width


@pytest.mark.parametrize("value", [0.0, 0.001, 4.9, 37.0, 100.0, 999.0, 12345.0])
def test_a_chart_of_any_scale_has_a_few_marks(value):
    drawing = stacked_bars([Bar("a", (value,), "")], [("x", (1, 1, 1))], "d", "ml")
    marks = [shape.text for shape in drawing.shapes if getattr(shape, "anchor", "") == "middle"]
    assert 2 <= len(marks) <= 8


def test_the_limits_of_a_model_stand_before_its_accuracy():
    card = {
        "name": "net", "version": "1", "limits": ["Adults only."], "training_data": [{"name": "S", "license": "none"}],
        "metrics": {"lesion": {"dice": {"mean": 0.8125, "low": 0.7, "high": 0.9}, "n": 3}, "loss": 1.0},
    }  # fmt: skip
    text = report_html(Report("r", "m", Facts(()), (), (card_section(card),)))
    assert 0 < text.index("Adults only.") < text.index("0.81 (0.70 to 0.90)") < text.index("S (none)")


def test_a_card_without_figures_or_with_those_that_do_not_exist_is_shown():
    nothing = {"mean": None, "low": None, "high": None}
    section = card_section({"name": "net", "metrics": {"effusion": {"r": nothing}}, "training_data": "in one line"})
    text = report_html(Report("r", "m", Facts(()), (), (section, card_section({}))))
    assert "in one line" in text and re.search(r"<td>\s*–</td>", text)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "%", "–"),
        (0.0, "", "0.0"),
        (0.01, "", "<\u00a00.1"),
        (12.34, "ml", "12.3\u00a0ml"),
        (123.4, "", "123"),
        (4321.0, "", "4\u202f321"),
        (7, "", "7"),
        (-812.4, "", "\u2212812"),
    ],
)
def test_numbers_are_rounded_only_where_they_are_shown(value, unit, shown):
    assert number(value, unit) == shown


def test_volumes_counts_and_intervals_read_as_people_write_them():
    assert (milliliters(0.456), milliliters(45.6)) == ("0.46\u00a0ml", "45.6\u00a0ml")
    assert (count(1, "lesion"), count(2, "lesion")) == ("1 lesion", "2 lesions")
    assert (interval(0.5, None, None), interval(None, 0.1, 0.2)) == ("0.50", "–")


def test_names_that_are_no_clean_text_are_shown_and_stop_nothing(tmp_path):
    report = every_block("scan\x1b[31m\udcff\x00.nii")
    write_report(report, tmp_path / "report.html")
    write_report(report, tmp_path / "report.pdf")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "scan\ufffd[31m\ufffd\ufffd.nii" in text and "\x1b" not in text and "\x00" not in text
    write_files(
        tmp_path, {"a.json": json_writer({"file": "scan\udcff"}), "a.csv": rows_writer(("file",), [("\udcff",)])}
    )
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"file": "scan?"}
