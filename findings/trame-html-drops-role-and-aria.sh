#!/usr/bin/env bash
# trame 4.0.0 (trame-client 4.1.4): HTML elements drop role and aria-* arguments without a word.
#
# One would expect: html.Div(role="img", aria_label="chart") makes <div role="img" aria-label="chart">, as tabindex makes
# its attribute, or an unknown argument raises. What happens: both are left out silently, so a page that was written for
# screen readers is none. (They come through when each is named in __properties.)
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check trame==4.0.0 trame-client==4.1.4 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version

from trame.app import get_server
from trame.ui.html import DivLayout
from trame.widgets import html

with DivLayout(get_server("finding", client_type="vue3")) as layout:
    html.Div("plain", role="img", aria_label="chart", tabindex="0")
    html.Div("named", role="img", aria_label="chart", __properties=["role", ("aria_label", "aria-label")])
plain, named = (line for line in layout.html.splitlines() if line.startswith("<div ") and line != "<div >")
print("trame", version("trame"), "trame-client", version("trame-client"))
print(plain)
print(named)
assert 'tabindex="0"' in plain and "role" not in plain and "aria" not in plain
assert 'role="img"' in named and 'aria-label="chart"' in named
print("as described")
PY
