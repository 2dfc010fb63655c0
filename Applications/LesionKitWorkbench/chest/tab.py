"""CovidLungQuant on the page: Image, Results, Edit, Export; the panel's steps, in its order and its words."""

from __future__ import annotations

import numpy as np
import slicer
from trame.widgets import html
from trame.widgets import vuetify3 as v3

from LesionKitWorkbench.editing.section import TOOLS, EditSection
from LesionKitWorkbench.session.messages import told

from .export import ExportSection
from .results import ResultsSection

NETWORKS = [
    {"title": "ConvLSTM (lesions and volumes)", "value": "convlstm"},
    {"title": "JCS (also a decision and a heat map)", "value": "jcs"},
    {"title": "Multi-task (also a decision)", "value": "multitask"},
    {"title": "All together (the mean of the three)", "value": "ensemble"},
]
SAMPLE_SEED, SAMPLE_SPACING = 7, (1.4, 1.4, 3.0)
SAMPLE_LESIONS = ("ggo", "ggo", "consolidation", "effusion")  # as the desktop's sample


class ChestTab:
    """session: LesionKitWorkbench.session.session.Session."""

    NAME, TITLE = "chest", "CovidLungQuant"
    KEYS = {  # as in the panel, and of Slicer's editor
        "Shift+N": lambda tab: tab.results.step(+1),
        "Shift+P": lambda tab: tab.results.step(-1),
        "Shift+R": lambda tab: tab.edit.review(),
        "Ctrl+Z": lambda tab: tab.edit.undo(),
        "Ctrl+Y": lambda tab: tab.edit.redo(),
        **{str(n): lambda tab, name=name: tab.edit.choose(name) for n, name in enumerate(TOOLS)},
    }

    def __init__(self, session):
        self.session, self.state = session, session.state
        self.logic = session.module("CovidLungQuant").CovidLungQuantLogic()
        self.volume = self.segmentation = None
        self._apply_after_opening = False
        self.results = ResultsSection(session, self.logic, self._on_counts)
        self.edit = EditSection(session, self.logic, self.NAME, session.changed)
        self.export = ExportSection(session, self.logic, lambda: self.segmentation)
        self.state.update({"chest_network": "convlstm", "chest_image": "", "chest_images": [], "chest_image_id": ""})
        self.state.change("chest_image_id")(lambda chest_image_id, **_: self._on_image(chest_image_id))

    def build(self) -> None:
        """The tab's part of the page."""
        with v3.VExpansionPanels(v_model=("chest_open", [0, 1, 2]), multiple=True, variant="accordion"):
            for title, build in (
                ("Image", self._build_image),
                ("Results", self.results.build),
                ("Edit", self.edit.build),
                ("Export", self.export.build),
            ):
                with v3.VExpansionPanel(title=title, eager=True), v3.VExpansionPanelText():
                    build()

    def key(self, name: str) -> None:
        """A key of KEYS was pressed."""
        self.KEYS[name](self)

    # image ------------------------------------------------------------------------------------------------------------

    def _build_image(self) -> None:
        from LesionKitWorkbench.uploads.widgets import build_open

        build_open(self.session, self.NAME)
        with html.Div(classes="d-flex mb-2", style="gap: 4px;"):
            v3.VBtn(
                "Sample: a chest with known lesions",
                click=self.open_sample,
                size="small",
                variant="tonal",
                id="chest-sample",
            )
        v3.VSelect(
            v_model=("chest_image_id",),
            items=("chest_images",),
            item_title="name",
            item_value="id",
            label="Chest CT",
            density="compact",
            hide_details=True,
            classes="mb-2",
            id="chest-image",
        )
        v3.VSelect(
            v_model=("chest_network",),
            items=("chest_networks", NETWORKS),
            label="Network",
            density="compact",
            hide_details=True,
            classes="mb-2",
        )
        v3.VBtn(
            "Apply",
            click=self.apply,
            color="primary",
            block=True,
            id="chest-apply",
            disabled=("busy || !chest_image_id",),
        )

    @told
    def open_paths(self, paths: list[str], apply: bool = False) -> None:
        """Read files or a folder (the first that is given) and show it; apply: and analyze it at once."""
        path = paths[0]

        def work(progress):
            from LesionKitLib.io.dicom.choice import CHEST_CT
            from LesionKitLib.io.images import read_volume_and_header

            progress.report("reading the image", 0.0)
            return read_volume_and_header(path, None, None, CHEST_CT)[0]

        self._apply_after_opening = apply
        self.session.run(work, self._add_volume)

    @told
    def open_sample(self) -> None:
        """A procedural chest, computed on the spot."""

        def work(progress):
            from CovidLungQuantLib.phantoms.chest import make_phantom

            progress.report("making the sample", 0.0)
            return make_phantom(seed=SAMPLE_SEED, spacing=SAMPLE_SPACING, lesions=SAMPLE_LESIONS).volume

        self._apply_after_opening = False
        self.session.run(work, lambda volume: self._add_volume(volume, "ChestPhantom"))

    def _add_volume(self, volume, name: str = "") -> None:
        from LesionKitLib.mrml.sources import remember_source
        from LesionKitLib.mrml.views import set_window

        node = slicer.util.addVolumeFromArray(volume.array, volume.ijk_to_ras, name or volume.name or "Chest CT")
        remember_source(node, volume.source)
        set_window(node, 1500.0, -600.0)
        self._list_images()
        if volume.notes:
            self.session.say(" ".join(volume.notes))
        with self.state:
            self.state.chest_image_id = node.GetID()
        self._on_image(node.GetID())
        if self._apply_after_opening:
            self._apply_after_opening = False
            self.apply()

    def _list_images(self) -> None:
        heatmaps = {self.logic.heatmapFor(node) for node in self.logic.results()}
        nodes = [
            node
            for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", self.session.scene)
            if not node.IsA("vtkMRMLLabelMapVolumeNode") and node not in heatmaps
        ]
        with self.state:
            self.state.chest_images = [{"id": node.GetID(), "name": node.GetName()} for node in nodes]

    @told
    def _on_image(self, node_id: str) -> None:
        """Another image was chosen: show it, and its own result or none."""
        node = self.session.scene.GetNodeByID(node_id) if node_id else None
        if node is None or node is self.volume:
            return
        self.volume = node
        self.session.views.show(node)
        of_it = [result for result in self.logic.results() if self.logic.volumeOf(result) is node]
        self._show(of_it[-1] if of_it else None)

    # the run ----------------------------------------------------------------------------------------------------------

    @told
    def apply(self) -> None:
        """Segment and measure the chosen image."""
        if self.volume is None:
            raise ValueError("Choose a CT volume.")
        volume, existing = self.volume, self.segmentation
        work = self.logic.prepare(volume, self.state.chest_network)

        def deliver(result):
            self._show(self.logic.showResult(result, volume, existing))

        self.session.run(work, deliver)

    def _show(self, segmentation) -> None:
        self.segmentation = segmentation
        self.logic.showOnly(segmentation)
        self.results.show(segmentation)
        self.edit.edit(segmentation, self.volume)
        self.export.show(segmentation)
        self.session.views.render()

    def _on_counts(self) -> None:
        """After an edit was counted."""
        self.edit.note(self.results.labels)
        self.edit.show_state()
        self.session.keep_strokes(self.segmentation, self.results.labels)

    def activate(self) -> None:
        """The tab is shown: its image and its segments come to the views and the editor."""
        if self.volume is not None:
            self.session.views.show(self.volume)
            self._show(self.segmentation)

    def _take_up_strokes(self, segmentation) -> None:
        """Put into the segments what was drawn after the scene was written."""
        from LesionKitLib.mrml.segmentations import segments_of

        kept, volume = self.session.kept_strokes(segmentation), self.logic.volumeOf(segmentation)
        if kept is None or volume is None:
            return
        labels, attributes = kept
        for group, array in zip(self.logic.liveGroups(), labels, strict=True):
            for label in group:
                for segment_id in segments_of(segmentation, label)[:1]:
                    mask = (array == label.value).astype(np.uint8)
                    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, segment_id, volume)
        for name, value in attributes.items():
            segmentation.SetAttribute(name, value)

    def take_up(self) -> None:
        """Show what a kept scene holds."""
        self._list_images()
        results = self.logic.results()
        for result in results:
            self._take_up_strokes(result)
        volume = self.logic.volumeOf(results[-1]) if results else None
        images = self.state.chest_images
        if volume is None and images:
            volume = self.session.scene.GetNodeByID(images[-1]["id"])
        if volume is not None:
            with self.state:
                self.state.chest_image_id = volume.GetID()
            self._on_image(volume.GetID())
