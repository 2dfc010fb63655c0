"""BodyPartRouter on the page: open X-rays, see class and probability, correct, see where rules would send them."""

from __future__ import annotations

import asyncio
import base64
import shutil
from pathlib import Path

from trame.widgets import html
from trame.widgets import vuetify3 as v3

from LesionKitLib.run.background import user_sentence
from LesionKitLib.run.progress import Progress
from LesionKitWorkbench.session.messages import told
from LesionKitWorkbench.uploads.archives import zipped
from LesionKitWorkbench.uploads.widgets import build_open
from LesionKitWorkbench.views.accessible import accessible

CORRECTIONS, SORTED = "corrections.csv", "sorted-x-rays.zip"
NO_PICTURE = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="


class XrayTab:
    """session: LesionKitWorkbench.session.session.Session."""

    NAME, TITLE = "xray", "BodyPartRouter"
    KEYS: dict = {}

    def __init__(self, session):
        self.session, self.state = session, session.state
        self.logic = session.module("BodyPartRouter").BodyPartRouterLogic()
        self._examined: list = []
        self._shown = -1
        titles = [{"value": label, "title": name} for label, name in self.logic.classTitles().items()]
        self.state.update(
            {
                "xray_rows": [],
                "xray_classes": titles,
                "xray_heatmap": False,
                "xray_summary": "No X-ray is open.",
                "xray_has_corrections": False,
            }
        )
        self.state.change("xray_heatmap")(lambda **_: self._set_heatmap())
        session.server.trigger("xray_corrections")(self.corrections)
        session.server.trigger("xray_sorted")(self.sorted_copies)

    # commands ---------------------------------------------------------------------------------------------------------

    @told
    def open_paths(self, paths: list[str], apply: bool = True) -> None:
        """Classify files, or all files in folders; they come in beside those that are open."""
        work = self.logic.prepareFiles([Path(path) for path in paths])
        self.session.run(work, self._add)

    @told
    def correct(self, index: int, label: str) -> None:
        """A person gives an image its class."""
        self.logic.correct(self._examined[index], label, str(self._corrections_file))
        rows = [dict(row) for row in self.state.xray_rows]
        rows[index]["corrected"] = label
        with self.state as state:
            state.xray_rows, state.xray_has_corrections = rows, True

    @told
    def show(self, index: int) -> None:
        """The image in the views, with its heat map where that is wanted."""
        one = self._examined[index]
        if one.error:
            raise ValueError(one.error)
        self._shown = index
        node = self.logic.show(one)
        self.session.views.show_picture(node)
        self._set_heatmap()

    @told
    def clear(self) -> None:
        """Let go of all images."""
        self._examined, self._shown = [], -1
        self.logic.removeThumbnails()
        with self.state as state:
            state.xray_rows, state.xray_summary = [], "No X-ray is open."

    async def corrections(self):
        """The list of what was corrected."""
        return self.session.server.protocol.addAttachment(self._corrections_file.read_bytes())

    async def sorted_copies(self):
        """Copies of the images in a folder for each class, corrections first, as one archive."""
        try:
            folder = self.session.new_folder("sorted")
            rules = self.logic.rulesFor("", str(folder))
            await asyncio.to_thread(self.logic.prepareRoute(self._examined, rules), Progress())
            for one, row in zip(self._examined, self.state.xray_rows, strict=True):
                if row["corrected"] and row["corrected"] != row["class"]:
                    await asyncio.to_thread(_sort_by_hand, one.path, folder, row)
            content = await asyncio.to_thread(zipped, folder, self.session.exports / SORTED)
            return self.session.server.protocol.addAttachment(content)
        except Exception as error:
            self.session.say(user_sentence(error))
            raise

    def activate(self) -> None:
        """The tab is shown."""
        if 0 <= self._shown < len(self._examined):
            self.show(self._shown)

    def take_up(self) -> None:
        """X-rays are not kept with a session; they are opened anew."""

    # state ------------------------------------------------------------------------------------------------------------

    @property
    def _corrections_file(self) -> Path:
        return self.session.exports / CORRECTIONS

    def _add(self, examined: list) -> None:
        planned = self.logic.plan(examined, self.logic.rulesFor("", str(self.session.exports / "sorted")))
        rows = []
        for one, routed in zip(examined, planned, strict=True):
            record = self.logic.recordOf(one, routed)
            rows.append(
                {
                    "n": len(self._examined) + len(rows),
                    "name": Path(record["path"]).name,
                    "picture": _picture(one.thumbnail),
                    "class": record["class"] or "",
                    "title": self.logic.classTitles().get(record["class"], "unknown"),
                    "probability": "–" if record["probability"] is None else f"{100 * record['probability']:.0f} %",
                    "held": bool(record["held"]),
                    "reason": record["reason"] or "",
                    "agrees": {True: "as the header says", False: "not as the header says", None: ""}[record["agrees"]],
                    "destination": Path(record["destination"]).parent.name if record["destination"] else "stays",
                    "corrected": "",
                }
            )
        self._examined += examined
        everything = [*self.state.xray_rows, *rows]
        held = sum(row["held"] for row in everything)
        with self.state as state:
            state.xray_rows = everything
            state.xray_summary = f"{len(everything)} images, {held} held for a person to look at."
        if examined and not examined[0].error:
            self.show(rows[0]["n"])

    @told
    def _set_heatmap(self) -> None:
        from LesionKitLib.mrml.views import lay_over

        if not 0 <= self._shown < len(self._examined):
            return
        wanted = bool(self.state.xray_heatmap)
        heatmap = self.logic.showHeatmap(self._examined[self._shown]) if wanted else None
        lay_over(self.session.scene, heatmap, opacity=0.4)
        self.session.views.render()

    # the page ---------------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """The tab's part of the page."""
        build_open(self.session, self.NAME)
        html.Div("{{ xray_summary }}", classes="text-caption", id="xray-summary")
        v3.VCheckbox(v_model=("xray_heatmap",), label="Heat map of the class", density="compact", hide_details=True)
        with (
            html.Div(
                style="max-height: 60vh; overflow: auto;",
                **accessible(role="region", aria_label="X-rays", tabindex="0"),
            ),
            html.Div(v_for="row in xray_rows", key="row.n", classes="d-flex pa-1", style="gap: 8px;"),
        ):
            html.Img(
                src=("row.picture",),
                style="width: 64px; height: 64px; object-fit: contain; cursor: pointer; background: #000;",
                click=(self.show, "[row.n]"),
                **accessible(alt=("row.name",), role="button", tabindex="0"),
            )
            with html.Div(classes="flex-grow-1", style="min-width: 0;"):
                html.Div("{{ row.name }}", classes="text-caption text-truncate")
                html.Div("{{ row.title }}, {{ row.probability }} {{ row.held ? '(held)' : '→ ' + row.destination }}")
                html.Div("{{ row.reason || row.agrees }}", classes="text-caption")
                v3.VSelect(
                    model_value=("row.corrected || row.class",),
                    items=("xray_classes",),
                    label="Class",
                    density="compact",
                    hide_details=True,
                    update_modelValue=(self.correct, "[row.n, $event]"),
                )
        with html.Div(classes="d-flex flex-wrap mt-2", style="gap: 4px;"):
            v3.VBtn(
                "Sorted copies (.zip)",
                id="xray-sorted",
                size="small",
                color="primary",
                disabled=("!xray_rows.length || busy",),
                click=f"utils.download('{SORTED}', trigger('xray_sorted'), 'application/zip')",
            )
            v3.VBtn(
                "Corrections (.csv)",
                size="small",
                variant="tonal",
                disabled=("!xray_has_corrections",),
                click=f"utils.download('{CORRECTIONS}', trigger('xray_corrections'), 'text/csv')",
            )
            v3.VBtn("Clear", click=self.clear, size="small", variant="text", disabled=("!xray_rows.length",))


def _picture(thumbnail) -> str:
    """A data address of a small PNG, or of nothing."""
    if not thumbnail:
        return NO_PICTURE
    return "data:image/png;base64," + base64.b64encode(Path(thumbnail).read_bytes()).decode()


def _sort_by_hand(path: Path, folder: Path, row: dict) -> None:
    """Move the copy of a corrected image to its class; what was held gets one."""
    target = folder / row["corrected"]
    target.mkdir(exist_ok=True)
    was = folder / row["class"] / path.name
    if row["class"] and was.is_file():
        was.replace(target / path.name)
    else:
        shutil.copyfile(path, target / path.name)
