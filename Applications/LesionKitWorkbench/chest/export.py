"""Export: files of what the segments hold now, and the scene for 3D Slicer, as downloads."""

from __future__ import annotations

import asyncio

from trame.widgets import html
from trame.widgets import vuetify3 as v3

from LesionKitLib.run.background import user_sentence
from LesionKitLib.run.progress import Progress
from LesionKitWorkbench.uploads.archives import zipped

KINDS = {
    "table": "Tables (CSV, JSON)",
    "report": "Report (HTML)",
    "labelmap": "Label maps (NIfTI)",
    "segmentation": "Segmentation (.seg.nrrd)",
}
ARCHIVE, SCENE = "lesionkit-export.zip", "lesionkit-scene.mrb"


class ExportSection:
    """current(): the segmentation that is exported, or None."""

    def __init__(self, session, logic, current):
        self.session, self.logic, self._current = session, logic, current
        session.state.update({"chest_kinds": list(KINDS), "chest_can_export": False})
        session.server.trigger("chest_export")(self.archive)
        session.server.trigger("chest_scene")(self.scene)

    def show(self, segmentation) -> None:
        """What is exported from now on; None: nothing."""
        with self.session.state as state:
            state.chest_can_export = segmentation is not None

    def build(self) -> None:
        """The section's part of the page."""
        for kind, name in KINDS.items():
            v3.VCheckbox(v_model=("chest_kinds",), value=kind, label=name, density="compact", hide_details=True)
        with html.Div(classes="d-flex mt-2", style="gap: 4px;"):
            v3.VBtn(
                "Export",
                id="chest-export",
                size="small",
                color="primary",
                click=f"utils.download('{ARCHIVE}', trigger('chest_export'), 'application/zip')",
                disabled=("!chest_can_export || !chest_kinds.length",),
            )
            v3.VBtn(
                "Scene for 3D Slicer (.mrb)",
                id="chest-scene",
                size="small",
                variant="tonal",
                click=f"utils.download('{SCENE}', trigger('chest_scene'), 'application/octet-stream')",
                disabled=("!chest_image_id",),
            )

    async def archive(self):
        """The chosen files as one zip archive."""
        try:
            folder = self.session.new_folder("files")
            work = self.logic.prepareExport(self._current(), str(folder), list(self.session.state.chest_kinds))
            await asyncio.to_thread(work, Progress())
            content = await asyncio.to_thread(zipped, folder, self.session.exports / ARCHIVE)
            return self.session.server.protocol.addAttachment(content)
        except Exception as error:
            self.session.say(user_sentence(error))
            raise

    async def scene(self):
        """Everything, for 3D Slicer."""
        file = self.session.exports / SCENE
        file.unlink(missing_ok=True)
        if not self.session.scene.WriteToMRB(str(file)):
            self.session.say("The scene could not be written.")
            raise ValueError("The scene could not be written.")
        return self.session.server.protocol.addAttachment(file.read_bytes())
