"""StrokeSynth on the page: segment a stroke and correct it; synthesize one; a quiz on cases nobody has seen."""

from __future__ import annotations

import slicer
from trame.widgets import vuetify3 as v3

from LesionKitWorkbench.editing.section import TOOLS, EditSection
from LesionKitWorkbench.session.messages import told

from .quiz import QuizSection
from .results import ResultsSection
from .synthesis import SynthesisSection


class BrainTab:
    """session: LesionKitWorkbench.session.session.Session."""

    NAME, TITLE = "brain", "StrokeSynth"
    KEYS = {
        "Shift+N": lambda tab: tab.results.step(+1),
        "Shift+P": lambda tab: tab.results.step(-1),
        "Shift+R": lambda tab: tab.edit.review(),
        "Ctrl+Z": lambda tab: tab.edit.undo(),
        "Ctrl+Y": lambda tab: tab.edit.redo(),
        **{str(n): lambda tab, name=name: tab.edit.choose(name) for n, name in enumerate(TOOLS)},
    }

    def __init__(self, session):
        self.session, self.state = session, session.state
        self.logic = session.module("StrokeSynth").StrokeSynthLogic()
        self.volume = self.segmentation = None
        self.edit = EditSection(session, self.logic, self.NAME, session.changed, lungs=False)
        self.results = ResultsSection(session, self.logic, self._on_counts)
        self.synthesis = SynthesisSection(self)
        self.quiz = QuizSection(self)
        self.state.update({"brain_images": [], "brain_image_id": ""})
        self.state.change("brain_image_id")(lambda brain_image_id, **_: self._on_image(brain_image_id))

    def build(self) -> None:
        """The tab's part of the page."""
        with v3.VExpansionPanels(v_model=("brain_open", [0, 1, 2]), multiple=True, variant="accordion"):
            for title, build in (
                ("Image", self._build_image),
                ("Results", self.results.build),
                ("Edit", self.edit.build),
                ("Synthesize", self.synthesis.build),
                ("Quiz", self.quiz.build),
            ):
                with v3.VExpansionPanel(title=title, eager=True), v3.VExpansionPanelText():
                    build()

    def _build_image(self) -> None:
        from LesionKitWorkbench.uploads.widgets import build_open

        build_open(self.session, self.NAME)
        v3.VSelect(
            v_model=("brain_image_id",),
            items=("brain_images",),
            item_title="name",
            item_value="id",
            label="Brain MR",
            density="compact",
            hide_details=True,
            classes="mb-2",
            id="brain-image",
        )
        v3.VBtn(
            "Segment",
            click=self.apply,
            color="primary",
            block=True,
            id="brain-apply",
            disabled=("busy || !brain_image_id",),
        )

    def key(self, name: str) -> None:
        """A key of KEYS was pressed."""
        self.KEYS[name](self)

    @told
    def open_paths(self, paths: list[str], apply: bool = False) -> None:
        """Read files or a folder (the first that is given) and show it."""
        path = paths[0]

        def work(progress):
            from LesionKitLib.io.dicom.choice import BRAIN_MR
            from LesionKitLib.io.images import read_volume_and_header

            progress.report("reading the image", 0.0)
            return read_volume_and_header(path, None, None, BRAIN_MR)[0]

        self.session.run(work, self._add_volume)

    def _add_volume(self, volume) -> None:
        from LesionKitLib.mrml.sources import remember_source

        node = slicer.util.addVolumeFromArray(volume.array, volume.ijk_to_ras, volume.name or "Brain MR")
        remember_source(node, volume.source)
        node.GetDisplayNode().SetAutoWindowLevel(True)
        if volume.notes:
            self.session.say(" ".join(volume.notes))
        self.choose(node)

    def choose(self, node) -> None:
        """Show this image, with its newest result where it has one."""
        self.list_images()
        with self.state:
            self.state.brain_image_id = node.GetID()
        self._on_image(node.GetID())

    def list_images(self) -> None:
        """The brain images of the scene: those that were opened here, and synthesized ones."""
        chest = self.session.images_of("chest")
        nodes = [
            node
            for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", self.session.scene)
            if not node.IsA("vtkMRMLLabelMapVolumeNode") and node.GetID() not in chest
        ]
        with self.state:
            self.state.brain_images = [{"id": node.GetID(), "name": node.GetName()} for node in nodes]

    @told
    def _on_image(self, node_id: str) -> None:
        node = self.session.scene.GetNodeByID(node_id) if node_id else None
        if node is None or node is self.volume:
            return
        self.volume = node
        self.session.views.show(node)
        of_it = [result for result in self.logic.results() if self.logic.volumeOf(result) is node]
        self.show(of_it[-1] if of_it else None)

    @told
    def apply(self) -> None:
        """Segment and measure the chosen image."""
        if self.volume is None:
            raise ValueError("Choose a brain MR.")
        volume, existing = self.volume, self.segmentation
        truth = volume.GetNodeReference(self.logic.SEGMENTATION_ROLE)
        work = self.logic.prepare(volume)

        def deliver(result):
            self.show(self.logic.showResult(result, volume, None if existing is truth else existing))
            if result.notes:
                self.session.say(" ".join(result.notes))

        self.session.run(work, deliver)

    def show(self, segmentation) -> None:
        """A result, or nothing."""
        self.segmentation = segmentation
        self.logic.showOnly(segmentation)
        self.results.show(segmentation)
        self.edit.edit(segmentation, self.volume)
        self.session.views.render()

    def _on_counts(self) -> None:
        self.edit.note(self.results.labels)
        self.edit.show_state()
        self.session.changed()

    def activate(self) -> None:
        """The tab is shown: its image and its segments come to the views and the editor."""
        if self.volume is not None:
            self.session.views.show(self.volume)
            self.show(self.segmentation)

    def take_up(self) -> None:
        """Show what a kept scene holds."""
        self.list_images()
        results = self.logic.results()
        volume = self.logic.volumeOf(results[-1]) if results else None
        if volume is not None:
            self.choose(volume)
