"""The page of one session: tabs at the left, views at the right, one sentence at the bottom when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import slicer
from trame.ui.vuetify3 import VAppLayout
from trame.widgets import client, html
from trame.widgets import vuetify3 as v3
from trame_slicer import module as trame_slicer_module

from LesionKitLib.mrml.views import lay_over
from LesionKitLib.run.errors import UnusableInput
from LesionKitWorkbench.brain.tab import BrainTab
from LesionKitWorkbench.chest.tab import ChestTab
from LesionKitWorkbench.uploads.choosing import path_under
from LesionKitWorkbench.uploads.widgets import add_script
from LesionKitWorkbench.views.accessible import accessible
from LesionKitWorkbench.xray.tab import XrayTab

from .messages import told
from .session import Session

TITLE = "LesionKit Workbench"
NOTICE = "Research and education only, not a medical device."
DRAWER_PX = 400
TABS = (ChestTab, BrainTab, XrayTab)
STYLE = """
html { overflow: hidden; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.lk-table td, .lk-table th { padding: 2px 6px !important; font-size: 0.82rem; }
.lk-table th { height: 28px !important; line-height: 1.1; }
.lk-table td { height: 26px !important; }
.v-field-label, .v-label { opacity: 0.9 !important; }
.v-btn { text-transform: none !important; letter-spacing: normal !important; }
.v-expansion-panel-text__wrapper { padding: 4px 10px 10px !important; }
.v-expansion-panel-title { min-height: 34px !important; padding: 4px 10px !important; font-weight: 600; }
.lk-table tr.clickable { cursor: pointer; }
.lk-table tr.clickable:focus-visible { outline: 2px solid; }
"""


KEYS_SCRIPT = """
new MutationObserver(function () {
  const pictures = document.querySelectorAll('img.image-display-area:not([alt])');
  for (const picture of pictures) picture.alt = 'View of the image';
}).observe(document.documentElement, { childList: true, subtree: true });
document.addEventListener('keydown', function (event) {
  if (event.target.closest('input, textarea, [role=combobox], [contenteditable]')) return;
  const modifiers = (event.ctrlKey || event.metaKey ? 'Ctrl+' : '') + (event.shiftKey ? 'Shift+' : '');
  const key = modifiers + event.key.toUpperCase();
  if (/^(Shift\\+[NPR]|Ctrl\\+[ZY]|[0-9])$/.test(key) && window.trame) {
    event.preventDefault();
    window.trame.trigger('key', [key]);
  }
});
"""


class WorkbenchPage:
    """The page of a session. server: of trame; folder: of the session; root: whose files may be opened by path."""

    def __init__(self, server, folder: Path, root: Path | None = None):
        server.enable_module(trame_slicer_module)
        self.server, self.state = server, server.state
        self.session = Session(server, folder)
        self.state.update({"trame__title": TITLE, "theme": "dark", "tab": TABS[0].NAME, "drawer": True})
        self.tabs = {tab.NAME: tab(self.session) for tab in TABS}
        self._root = root
        self.state.update({"has_root": root is not None, "path": ""})
        server.trigger("opened")(self.opened)
        server.trigger("open_path")(self.open_path)
        server.trigger("key")(self.key)
        self.session.images_of = self.images_of
        self.state.change("tab")(lambda tab, **_: self._on_tab(tab))
        self.ui = self._build()
        if self.session.restore():
            for tab in self.tabs.values():
                tab.take_up()

    @told
    def open_paths(self, paths: list[str], apply: bool = False) -> None:
        """Open files or a folder in the tab that is shown; apply: and analyze them at once."""
        self.tabs[self.state.tab].open_paths(paths, apply)

    def images_of(self, tab: str) -> set[str]:
        """IDs of the images that were opened in a tab."""
        return {row["id"] for row in self.state[f"{tab}_images"] or ()}

    @told
    def _on_tab(self, tab: str) -> None:
        """Nothing of another tab lies over this one's image."""
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode", self.session.scene):
            if node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(False)
        lay_over(self.session.scene, None, 0.0)
        self.tabs[tab].activate()

    @told
    def open_path(self, tab: str) -> None:
        """Open the typed path, which must lie under the folder that is allowed here."""
        self.tabs[tab].open_paths([str(path_under(self._root, str(self.state.path)))])

    @told
    def key(self, name: str) -> None:
        """A key was pressed that the shown tab may know."""
        tab = self.tabs[self.state.tab]
        if name in tab.KEYS:
            tab.key(name)

    @told
    def opened(self, tab: str, answer: dict) -> None:
        """The gateway has taken an upload, or has refused it: answer holds its path, or the sentence that says why."""
        if answer.get("error"):
            raise UnusableInput(answer["error"])
        uploads = self.session.uploads.resolve()
        path = (self.session.folder / json.loads(answer["upload"])["path"]).resolve()
        if not path.is_relative_to(uploads):
            raise UnusableInput("There is no such upload.")
        self.tabs[tab].open_paths([str(path)])

    def _build(self):
        with VAppLayout(self.server, full_height=True) as layout:
            layout.root.theme = ("theme",)
            client.Style(STYLE)
            add_script()
            client.Script(KEYS_SCRIPT)
            with v3.VAppBar(density="compact", flat=True):
                v3.VAppBarNavIcon(click="drawer = !drawer", **accessible(aria_label="Show or hide the panel"))
                v3.VAppBarTitle(TITLE)
                html.Span(NOTICE, classes="text-caption mr-3 d-none d-md-inline")
                v3.VBtn(
                    icon="mdi-theme-light-dark",
                    click="theme = theme === 'dark' ? 'light' : 'dark'",
                    **accessible(aria_label="Light or dark"),
                )
            with v3.VNavigationDrawer(v_model=("drawer",), width=DRAWER_PX, permanent=("drawer",)):
                with v3.VTabs(v_model=("tab",), density="compact", grow=True):
                    for tab in self.tabs.values():
                        v3.VTab(tab.TITLE, value=tab.NAME)
                self._build_busy()
                for tab in self.tabs.values():
                    with html.Div(v_show=(f"tab === '{tab.NAME}'",), classes="pa-2"):
                        tab.build()
            with v3.VMain(), html.Div(style="width: 100%; height: 100%;"):
                self.session.views.build(layout)
            with v3.VSnackbar(v_model=("message_shown",), timeout=12000, location="bottom"):
                html.Span("{{ message }}", id="message", **accessible(role="alert"))
                with v3.Template(v_slot_actions=True):
                    v3.VBtn("Close", click="message_shown = false", variant="text")
        return layout

    def _build_busy(self) -> None:
        with html.Div(v_if=("busy",), classes="pa-2", **accessible(role="status")):
            v3.VProgressLinear(
                model_value=("busy_percent",),
                height=6,
                color="primary",
                **accessible(aria_label="Progress of what is running"),
            )
            with html.Div(classes="d-flex align-center"):
                html.Span("{{ busy_text }}", classes="text-caption flex-grow-1")
                v3.VBtn("Cancel", click=self.session.cancel, size="small", variant="tonal", id="cancel")
