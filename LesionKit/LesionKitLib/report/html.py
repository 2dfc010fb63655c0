"""The report as one HTML file with everything inside: no script, nothing loaded. Printed it fits A4 and Letter."""

from __future__ import annotations

import base64
import functools

from .chart import Label, Line, Rectangle
from .document import WARNING, Report
from .text import printable

TEMPLATE, STYLE = "report.html.j2", "report.css"


def report_html(report: Report) -> str:
    """The page as text. Every text is escaped. Raises MissingResource when a template is missing."""
    return _environment().get_template(TEMPLATE).render(report=report, warning=WARNING)


@functools.lru_cache(maxsize=1)
def _environment():
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FunctionLoader(_template), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, finalize=_printable,
    )  # fmt: skip
    environment.globals["style"] = Markup(_template(STYLE))
    environment.tests |= {
        "rectangle": lambda shape: isinstance(shape, Rectangle),
        "line": lambda shape: isinstance(shape, Line),
        "label": lambda shape: isinstance(shape, Label),
    }
    environment.filters |= {
        "kind": lambda block: type(block).__name__,
        "rgb": lambda color: "#{:02x}{:02x}{:02x}".format(*color),
        "base64": lambda data: base64.b64encode(data).decode("ascii"),
        "coordinate": lambda value: f"{value:.1f}".removesuffix(".0"),
    }
    return environment


def _printable(value):
    from markupsafe import Markup

    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _template(name: str) -> str:
    from LesionKitLib.io.resources import resource

    return resource("LesionKitLib", "Report", name).read_text(encoding="utf-8")
