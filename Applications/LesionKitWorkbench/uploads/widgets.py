"""Choosing or dropping files on the page: the browser posts them to the gateway, which answers with their number."""

from __future__ import annotations

from trame.widgets import client, html
from trame.widgets import vuetify3 as v3

SCRIPT = """
window.lesionkitUpload = async function (files) {
  const form = new FormData();
  for (const file of files) form.append('files', file, file.name);
  const answer = await fetch('upload', { method: 'POST', body: form });
  const text = await answer.text();
  return answer.ok ? { upload: text } : { error: text || 'The upload failed.' };
};
"""


def add_script() -> None:
    """Once per page."""
    client.Script(SCRIPT)


def build_open(session, tab: str) -> None:
    """A picker for files and one for a folder."""
    sent = (
        f"utils.get('lesionkitUpload')($event.target.files).then((r) => trigger('opened', ['{tab}', r])); "
        "$event.target.value = ''"
    )
    with html.Div(classes="d-flex flex-wrap mb-2", style="gap: 4px;"):
        for name, extra in (("Open files", "multiple"), ("Open a folder", "webkitdirectory")):
            key = name.split()[-1]
            v3.VBtn(
                name,
                size="small",
                variant="tonal",
                click=f"utils.get('document').getElementById('{tab}-{key}').click()",
            )
            html.Input(
                id=f"{tab}-{key}",
                style="display: none;",
                change=sent,
                type="file",
                raw_attrs=[extra, f'aria-label="{name}"'],
            )
    with html.Div(v_if=("has_root",), classes="d-flex align-center mb-2", style="gap: 4px;"):
        v3.VTextField(v_model=("path",), label="Path", density="compact", hide_details=True, id=f"{tab}-path")
        v3.VBtn("Open", size="small", variant="tonal", click=f"trigger('open_path', ['{tab}'])", id=f"{tab}-open-path")
