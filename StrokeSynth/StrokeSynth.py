"""StrokeSynth: segments ischemic stroke on brain MR and synthesizes brains with strokes. Slicer's module and logic.

What is segmented and synthesized is in StrokeSynthLib; how it becomes nodes is in LesionKitLib.mrml; the sections of
the panel are in StrokeSynthPanel. All are imported when they are needed, so that Slicer starts as fast with this module
as without it.
"""

import sys
from pathlib import Path
from typing import Annotated, Union

import slicer
from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, Decimals, SingleStep, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

# Slicer may import this file before it knows the folder of LesionKit; installed, all lie in one folder
sys.path.append(str(Path(__file__).resolve().parents[1] / "LesionKit"))
from LesionKitLib.mrml.results import ResultLogic
from LesionKitPanel.module_test import ModuleTest
from LesionKitPanel.module_widget import ResultPanelWidget

HOMEPAGE = "https://github.com/LesionKit/SlicerLesionKit/blob/main/docs"
# Written down here, because importing the libraries at start-up would cost time; a test compares them.
DEVICES = ["auto", "cpu", "cuda", "mps"]
TRANSLATORS = ["pix2pix", "spade", "cyclegan"]
SIDES = ["any", "left", "right"]
LESIONS = ["gan", "drawn", "none"]
MAX_ML = 300.0
READ_TAB, SYNTHESIZE_TAB = 0, 1


class StrokeSynth(ScriptedLoadableModule):
    """What Slicer's module list shows."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("StrokeSynth")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["LesionKit", "Segmentations", "SegmentEditor", "SubjectHierarchy"]
        self.parent.contributors = ["The LesionKit contributors"]
        self.parent.helpText = _(
            "Segments ischemic stroke lesions on brain MR, and synthesizes brain MR with strokes from label maps. "
            '<a href="{home}/tutorial-stroke.md">Tutorial</a>. '
            "<b>Research and education only, not a medical device.</b>"
        ).format(home=HOMEPAGE)
        self.parent.acknowledgementText = _(
            "After M. Platscher, J. Zopes, C. Federau, Image translation for medical image generation: ischemic stroke "
            "lesions, arXiv 2010.02745. It was written and trained anew from the paper."
        )


@parameterNodeWrapper
class StrokeSynthParameterNode:
    """The user's choices, saved with the scene.

    inputVolume: the MR to segment; outputSegmentation: where its result is, or goes. labelsVolume: the label map to
    synthesize from, None for the bundled template; drawnSegmentation: the lesion that the user drew on it. lesion: one
    of LESIONS. minimumMl, maximumMl, side: of a lesion that is drawn by the GAN.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputSegmentation: vtkMRMLSegmentationNode
    device: Annotated[str, Choice(DEVICES)] = "auto"
    labelsVolume: Union[vtkMRMLLabelMapVolumeNode, vtkMRMLScalarVolumeNode, None]  # noqa: UP007 (all Slicer knows)
    drawnSegmentation: vtkMRMLSegmentationNode
    lesion: Annotated[str, Choice(LESIONS)] = "gan"
    translator: Annotated[str, Choice(TRANSLATORS)] = "pix2pix"
    side: Annotated[str, Choice(SIDES)] = "any"
    seed: Annotated[int, WithinRange(0, 999999)] = 0
    minimumMl: Annotated[float, WithinRange(0.0, MAX_ML), Decimals(1), SingleStep(1.0)] = 5.0
    maximumMl: Annotated[float, WithinRange(0.0, MAX_ML), Decimals(1), SingleStep(1.0)] = 100.0
    cases: Annotated[int, WithinRange(1, 100000)] = 10


class StrokeSynthWidget(ResultPanelWidget, ScriptedLoadableModuleWidget):
    """The panel: the scene's parameters, the sections that read an image, and in a second tab those that make one."""

    def setup(self):
        super().setup()
        from StrokeSynthPanel.database import DatabaseSection
        from StrokeSynthPanel.edit import EditSection
        from StrokeSynthPanel.experiment import ExperimentSection
        from StrokeSynthPanel.results import ResultsSection
        from StrokeSynthPanel.run import RunSection
        from StrokeSynthPanel.synthesize import SynthesizeSection

        from LesionKitPanel.export import ExportSection
        from LesionKitPanel.parameters import load_ui

        self.ui = load_ui(self, "StrokeSynth.ui")
        self.logic = StrokeSynthLogic()
        self.runSection = RunSection(self.ui, self.logic, self._onResult, self._check)
        self.editSection = EditSection(self.ui, self.logic, self.parent)
        self.resultsSection = ResultsSection(self.ui, self.logic, self.editSection.showState, self._onLabels)
        self.exportSection = ExportSection(self.ui, self.logic)
        self.synthesizeSection = SynthesizeSection(self.ui, self.logic, self._onSynthesized, self._check, self._onDraw)
        self.databaseSection = DatabaseSection(self.ui, self.logic, self._check)
        self.experimentSection = ExperimentSection(self.ui, self.logic)
        self.sections = (
            self.runSection, self.resultsSection, self.editSection, self.exportSection, self.synthesizeSection,
            self.databaseSection, self.experimentSection,
        )  # fmt: skip
        choices = {"device": DEVICES, "translator": TRANSLATORS, "side": SIDES, "lesion": LESIONS}
        self.followScene(StrokeSynthParameterNode, choices)

    def _onClose(self):
        for section in (
            self.runSection, self.editSection, self.exportSection, self.synthesizeSection, self.databaseSection,
            self.experimentSection,
        ):  # fmt: skip
            section.stop()

    def _onParametersChanged(self):
        segmentation = self._parameterNode.outputSegmentation if self._parameterNode else None
        for section in (self.resultsSection, self.editSection, self.exportSection):
            section.show(segmentation)
        self._check()

    def _check(self):
        for section in (self.runSection, self.synthesizeSection, self.databaseSection):
            section.check(self._parameterNode)

    def _onLabels(self, labels):
        self._parameterNode.labelsVolume = labels
        self.ui.synthesizeCollapsibleButton.collapsed = False
        self.ui.tabs.setCurrentIndex(SYNTHESIZE_TAB)

    def _onDraw(self, segmentation, labels):
        self.editSection.edit(segmentation, labels)
        self.ui.editCollapsibleButton.collapsed = False
        self.ui.tabs.setCurrentIndex(READ_TAB)  # where the editor is

    def _onSynthesized(self, volume):
        """The synthesized image may be segmented at once; the result of another image is no place for that."""
        self._parameterNode.inputVolume = volume
        self._parameterNode.outputSegmentation = None


class StrokeSynthLogic(ResultLogic, ScriptedLoadableModuleLogic):
    """Volume node in, segmentation and table out; label map in, image and segmentation out; databases as folders.

    Every error is a ValueError whose message is a sentence for the user, but for MissingResource of
    LesionKitLib.run.errors (no weights or no PyTorch: something can be installed) and Cancelled.
    segment, synthesize: the pipelines, by default those of StrokeSynthLib.
    """

    LABELS_ROLE = "LesionKit.labels"  # from a synthesized image to its label map
    SEGMENTATION_ROLE = "LesionKit.segmentation"  # from a synthesized image to its segmentation
    ROLE_ATTRIBUTE = "LesionKit.StrokeSynth.Role"  # of nodes that are there once in a scene: TEMPLATE, COLORS, ...
    TEMPLATE, COLORS, EXPERIMENT, EXPERIMENT_CHART = "template", "colors", "experiment", "experiment chart"
    RUN_ATTRIBUTE = "LesionKit.StrokeSynth.Run"
    COMPONENTS_ATTRIBUTE = "LesionKit.StrokeSynth.Components"  # of the segmentation: as measured last, as JSON
    LESION_HEADER = ("No.", "Volume (ml)", "Side", "x, y, z (MNI, mm)")

    def __init__(self, segment=None, synthesize=None):
        super().__init__()
        self._segment, self._synthesize = segment, synthesize

    # segmentation

    def process(
        self,
        inputVolume: vtkMRMLScalarVolumeNode,
        segmentation: vtkMRMLSegmentationNode | None = None,
        device: str = "auto",
        progress=None,
    ) -> vtkMRMLSegmentationNode:
        """Segment and measure the stroke of a brain MR; returns the segmentation that holds the result.

        segmentation: an earlier result to renew. It is returned renewed if nobody has edited it; otherwise it stays as
        it is and the result is a new segmentation beside it. Nothing in the scene changes unless the analysis succeeds.
        """
        from LesionKitLib.run.progress import Progress

        result = self.prepare(inputVolume, device)(progress or Progress())
        return self.showResult(result, inputVolume, segmentation)

    def prepare(self, inputVolume: vtkMRMLScalarVolumeNode, device: str = "auto"):
        """The analysis as a function of a Progress, which touches no node and may run on another thread."""
        if self._segment is None:
            from StrokeSynthLib.pipeline import segment_stroke

            self._segment = segment_stroke
        pipeline, volume = self._segment, self.volumeFor(inputVolume)
        return lambda progress: pipeline(volume, device=device, progress=progress, tissues=True)

    def showResult(
        self, result, inputVolume: vtkMRMLScalarVolumeNode, segmentation: vtkMRMLSegmentationNode | None = None
    ) -> vtkMRMLSegmentationNode:
        """Turn a StrokeResult into nodes (as process does at its end)."""
        import numpy as np

        from LesionKitLib.mrml.segmentations import Layer
        from StrokeSynthLib.labels import BRAIN, LESION, TISSUES

        lesion = np.where(result.lesion > 0, LESION.value, 0).astype(np.uint8)
        layers = [Layer(result.brain, (BRAIN,), filled=False), Layer(lesion, (LESION,))]
        if result.tissues is not None:
            layers.append(Layer(result.tissues, TISSUES, filled=False))
        algorithm = f"LesionKit {result.network} {result.version}".rstrip()
        run = {key: getattr(result, key) for key in ("network", "version", "device", "seconds", "notes")}
        run["to_image"] = np.asarray(result.to_image).tolist()

        def fill(node):
            node.SetDescription(" ".join(result.notes))
            _hideTissues(node)
            self.showMeasurements(result.measurements, node, inputVolume)

        return self.writeResult(layers, inputVolume, algorithm, run, segmentation, fill)

    def measure(self, segmentation: vtkMRMLSegmentationNode, inputVolume: vtkMRMLScalarVolumeNode) -> dict:
        """Measure what the segments hold now, edited or not, and refill the table; returns the measurements."""
        from LesionKitLib.mrml.segmentations import read_labels, refresh_algorithm_types
        from StrokeSynthLib.measurement.measurements import measure

        if segmentation is None:
            raise ValueError(_("No segmentation is chosen."))
        brain, lesion = (read_labels(segmentation, inputVolume, group) for group in self.liveGroups())
        refresh_algorithm_types(segmentation)
        measurements = measure(self.volumeFor(inputVolume), lesion, brain, self._toImage(segmentation))
        self.showMeasurements(measurements, segmentation, inputVolume)
        return measurements

    def prepareExport(self, segmentation: vtkMRMLSegmentationNode, folder: str, kinds):
        """Writing files of what the segments hold now as a function of a Progress, which touches no node.

        kinds: of KINDS in StrokeSynthLib.results.files. The function returns the names of the files.
        """
        from LesionKitLib.mrml.editing import editing_summary, exported_tags
        from StrokeSynthLib.labels import BRAIN, LESION, TISSUES
        from StrokeSynthLib.results.files import export_files

        labels = self._labelsNow(segmentation)
        run, editing = self.runOf(segmentation), editing_summary(segmentation)
        tags = {label.key: exported_tags(segmentation, label) for label in (BRAIN, LESION, *TISSUES)}

        def work(progress):
            progress.report("measuring", 0.0)
            result = _resultNow(*labels, run)
            progress.report("writing files", 0.3)
            return export_files(result, folder, kinds, tags, editing)

        return work

    def lesionRows(self, segmentation: vtkMRMLSegmentationNode) -> list[tuple]:
        """(cells, RAS mm) of each component as measured last, the largest first."""
        import json

        import numpy as np

        to_image, rows = self._toImage(segmentation), []
        for number, component in enumerate(json.loads(segmentation.GetAttribute(self.COMPONENTS_ATTRIBUTE) or "[]"), 1):
            ras = (to_image @ np.array([*component["center_mni"], 1.0]))[:3]
            center = ", ".join(f"{mm:.0f}" for mm in component["center_mni"])
            rows.append(((number, f"{component['ml']:.2f}", component["side"], center), [float(mm) for mm in ras]))
        return rows

    def lesionPlaces(self, segmentation: vtkMRMLSegmentationNode) -> list[tuple]:
        """(text, RAS mm) of each component as measured last, the largest first."""
        rows = self.lesionRows(segmentation)
        return [(_("{ml} ml, {side}").format(ml=cells[1], side=cells[2]), ras) for cells, ras in rows]

    def updateLesions(self, segmentation: vtkMRMLSegmentationNode) -> None:
        """Measure the components that the segments hold now."""
        self.measure(segmentation, self.needVolumeOf(segmentation))

    def _labelsNow(self, segmentation) -> tuple:
        """(Volume, brain, lesion, tissues or None) of what the segments hold now."""
        from LesionKitLib.mrml.segmentations import read_labels, refresh_algorithm_types
        from StrokeSynthLib.labels import TISSUES

        volume = self.needVolumeOf(segmentation)
        brain, lesion = (read_labels(segmentation, volume, group) for group in self.liveGroups())
        tissues = read_labels(segmentation, volume, TISSUES)
        refresh_algorithm_types(segmentation)
        return self.volumeFor(volume), brain > 0, lesion > 0, tissues if tissues.any() else None

    # what LesionKitLib.mrml.live_measurements asks for, to measure while a person edits

    def liveGroups(self) -> tuple:
        """The brain, and the lesion inside it."""
        from StrokeSynthLib.labels import BRAIN, LESION

        return (BRAIN,), (LESION,)

    def newLiveCounts(self, segmentation, inputVolume: vtkMRMLScalarVolumeNode, original: tuple | None):
        """Counts that are kept up to date, by the segmentation's own alignment; original: (brain, lesion) or None."""
        from StrokeSynthLib.measurement.live import LiveCounts

        return LiveCounts(self.volumeFor(inputVolume), self._toImage(segmentation), original)

    def givenBack(self, before: tuple, now: tuple):
        """Brain that painting lesion over it has removed; Slicer's editor overwrites other segments."""
        import numpy as np

        if np.array_equal(before[1], now[1]):  # the brain was edited itself
            return None
        lost = (before[0] > 0) & (now[0] == 0) & (now[1] > 0)
        voxels = np.argwhere(lost)
        return (voxels, before[0][lost]) if len(voxels) else None

    def showMeasurements(self, measurements: dict, segmentation, inputVolume) -> None:
        """Refill the segmentation's table, or make it."""
        import json

        from StrokeSynthLib.measurement.measurements import to_rows

        components = measurements["components"]
        segmentation.SetAttribute(self.COMPONENTS_ATTRIBUTE, json.dumps(components))
        _names, rows = to_rows(measurements)
        header = ["Component", "Volume (ml)", "Side", "x (mm)", "y (mm)", "z (mm)"]
        # a center is written as text, because the row of all components has none
        cells = [[str(component), round(ml, 2), side, *map(str, center)] for component, ml, side, *center in rows]
        self.writeTable(header, cells, segmentation, self.TABLE_ROLE, "measurements")

    def showComparison(self, rows: list[dict], segmentation, inputVolume) -> None:
        """Refill the table that compares AI with corrected, or make it."""
        from StrokeSynthLib.results.table_rows import comparison_table

        self.writeTable(*comparison_table(rows), segmentation, self.COMPARISON_ROLE, "AI and corrected")

    # synthesis

    def synthesize(self, labelsNode=None, lesion="gan", progress=None, **choices):
        """An image with its segmentation in the scene; see prepareSynthesis. Returns the volume node."""
        from LesionKitLib.run.progress import Progress

        return self.showSynthesis(self.prepareSynthesis(labelsNode, lesion, **choices)(progress or Progress()))

    def prepareSynthesis(
        self,
        labelsNode: vtkMRMLVolumeNode | None = None,
        lesion: str | vtkMRMLSegmentationNode = "gan",
        translator: str = "pix2pix",
        seed: int = 0,
        volumeMl: tuple[float, float] = (5.0, 100.0),
        side: str = "any",
        device: str = "auto",
    ):
        """The synthesis as a function of a Progress, which touches no node and may run on another thread.

        labelsNode: a label map volume, None for the bundled template. lesion: "gan", "none", or a segmentation whose
        segments (all, or those of the lesion's class where there are any) are drawn in.
        """
        if self._synthesize is None:
            from StrokeSynthLib.synthesis.synthesis import synthesize

            self._synthesize = synthesize
        pipeline = self._synthesize
        labels = self.labelsFrom(labelsNode) if labelsNode is not None else None
        if isinstance(lesion, str):
            drawn = None if lesion == "none" else lesion
        else:
            drawn = self.drawnLesion(lesion, labelsNode)
        return lambda progress: pipeline(labels, drawn, translator, seed, tuple(volumeMl), side, device, progress)

    def labelsFrom(self, node: vtkMRMLVolumeNode):
        """A Volume of a label map node, or of a scalar volume that holds labels."""
        from LesionKitLib.imaging.volume import Volume
        from LesionKitLib.mrml.volumes import local_ijk_to_ras
        from LesionKitLib.run.errors import UnusableInput

        if node.GetImageData() is None or node.GetImageData().GetNumberOfScalarComponents() != 1:
            raise UnusableInput(_("The label map holds no labels."))
        return Volume(slicer.util.arrayFromVolume(node).copy(), local_ijk_to_ras(node), node.GetName() or "")

    def templateNode(self):
        """The bundled template's labels as a label map in the scene, to draw a lesion on; the same node every time."""
        from StrokeSynthLib.segmentation.template import load_template

        node = self._only("vtkMRMLLabelMapVolumeNode", self.TEMPLATE)
        if node is None:
            node = self._addLabelMap(load_template().labels, _("StrokeSynth template labels"))
            node.SetAttribute(self.ROLE_ATTRIBUTE, self.TEMPLATE)
        return node

    def labelMapOf(self, segmentation: vtkMRMLSegmentationNode) -> vtkMRMLVolumeNode:
        """A label map of a result's tissues and lesion as they are now, to synthesize from; a new node every time."""
        from LesionKitLib.mrml.segmentations import read_labels
        from LesionKitLib.mrml.subject_hierarchy import place_under
        from StrokeSynthLib.labels import LABELS

        volume = self.needVolumeOf(segmentation)
        labels = read_labels(segmentation, volume, LABELS)
        if not labels.any():
            raise ValueError(_("This result holds no tissue; press Segment again."))
        name = slicer.mrmlScene.GenerateUniqueName(_("{name} labels").format(name=volume.GetName()))
        node = self._addLabelMap(self.volumeFor(volume).with_array(labels), name)
        place_under(node, volume)
        return node

    def showLabels(self, labelsNode: vtkMRMLVolumeNode) -> None:
        """The labels in the slice views, so that a person sees what to draw on."""
        from LesionKitLib.mrml.views import show_volume

        show_volume(labelsNode)

    def newDrawing(self, labelsNode: vtkMRMLVolumeNode) -> vtkMRMLSegmentationNode:
        """A segmentation on the labels' grid with an empty segment for the lesion that a person will draw."""
        from LesionKitLib.mrml.segmentations import terminology_entry
        from StrokeSynthLib.labels import LESION

        name = slicer.mrmlScene.GenerateUniqueName(_("Drawn stroke lesion"))
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(labelsNode)
        color = [channel / 255 for channel in LESION.color]
        segmentId = node.GetSegmentation().AddEmptySegment(LESION.key, LESION.name, color)
        segment = node.GetSegmentation().GetSegment(segmentId)
        segment.SetTag("TerminologyEntry", terminology_entry(LESION))
        segment.SetTag("DICOM.SegmentAlgorithmType", "MANUAL")
        return node

    def drawnLesion(self, segmentation: vtkMRMLSegmentationNode, labelsNode: vtkMRMLVolumeNode | None):
        """The lesion that a person drew, as a Volume on the labels' grid."""
        import numpy as np

        from LesionKitLib.mrml.segmentations import segment_mask, segments_of
        from StrokeSynthLib.labels import LESION

        if segmentation is None:
            raise ValueError(_("Draw a lesion first, or choose the segmentation that holds it."))
        reference = labelsNode if labelsNode is not None else self.templateNode()
        content = segmentation.GetSegmentation()
        ids = segments_of(segmentation, LESION) or list(content.GetSegmentIDs())
        if not ids:
            raise ValueError(_("The segmentation holds no segment to take as a lesion."))
        if len(ids) > 1 and not segments_of(segmentation, LESION):
            names = ", ".join(f"'{content.GetSegment(segmentId).GetName()}'" for segmentId in ids)
            text = _("The segmentation holds several segments and none of them is a stroke lesion: {names}.")
            raise ValueError(text.format(names=names))
        volume = self.labelsFrom(reference)
        mask = np.zeros(volume.array.shape, bool)
        for segmentId in ids:
            mask |= segment_mask(segmentation, segmentId, reference)
        return volume.with_array(mask.astype(np.uint8))

    def showSynthesis(self, result, drawing=None) -> vtkMRMLScalarVolumeNode:
        """Turn a Synthesis into a volume, its label map and its segmentation; shows the volume with it alone.

        drawing: the segmentation that the lesion was drawn in, if it was; it would lie over the synthesized one.
        """
        import numpy as np

        from LesionKitLib.mrml.nodes import new_nodes_removed_on_error
        from LesionKitLib.mrml.segmentations import Layer
        from LesionKitLib.mrml.subject_hierarchy import place_under
        from LesionKitLib.mrml.views import show_ct
        from StrokeSynthLib.labels import LESION, TISSUES

        mask = result.lesion_mask
        tissue = np.where(mask, 0, result.labels.array).astype(np.uint8)
        lesion = np.where(mask, LESION.value, 0).astype(np.uint8)
        layers = [Layer(tissue, TISSUES, filled=False), Layer(lesion, (LESION,))]
        algorithm = f"LesionKit {result.lesion.network if result.lesion else result.translator}"
        name = _("Synthetic FLAIR, seed {seed}").format(seed=result.seed)
        with new_nodes_removed_on_error(slicer.mrmlScene):
            volume = slicer.util.addVolumeFromArray(result.image.array, result.image.ijk_to_ras, name)
            labels = self._addLabelMap(result.labels, f"{name} labels")
            segmentation = self.writeResult(layers, volume, algorithm, result.summary(), None, _hideTissues)
            _outlineLesion(segmentation)
            volume.SetNodeReferenceID(self.LABELS_ROLE, labels.GetID())
            volume.SetNodeReferenceID(self.SEGMENTATION_ROLE, segmentation.GetID())
            place_under(labels, volume)
        self.showOnly(segmentation, drawing)
        show_ct(volume, window=700.0, level=420.0)
        return volume

    def labelsOf(self, volume: vtkMRMLScalarVolumeNode | None) -> vtkMRMLVolumeNode | None:
        """The label map that an image was synthesized from, or None."""
        return volume.GetNodeReference(self.LABELS_ROLE) if volume is not None else None

    def diceWithTruth(self, segmentation, volume: vtkMRMLScalarVolumeNode) -> float | None:
        """Dice of the lesion now with the one that a synthesized image was made with; None for any other image."""
        from LesionKitLib.mrml.segmentations import read_labels
        from StrokeSynthLib.labels import LESION

        truth = volume.GetNodeReference(self.SEGMENTATION_ROLE)
        if truth is None or truth is segmentation:
            return None
        found, real = (read_labels(node, volume, (LESION,)) > 0 for node in (segmentation, truth))
        total = int(found.sum()) + int(real.sum())
        return 2 * int((found & real).sum()) / total if total else None

    def compare(self, volume: vtkMRMLScalarVolumeNode, labelsShare: float) -> None:
        """Before and after: lay the label map over the synthesized image; 0 shows the image, 1 the labels."""
        from LesionKitLib.mrml.views import lay_over

        labels = self.labelsOf(volume)
        lay_over(slicer.mrmlScene, labels if labelsShare > 0 else None, labelsShare)

    # database and experiment

    def prepareDatabase(self, folder: str, cases: int, translator: str, seed: int, volumeMl, side: str, device: str):
        """Making a database as a function of a Progress; touches no node."""
        from StrokeSynthLib.synthesis.database import DatabaseSetting, make_database

        setting = DatabaseSetting(seed, translator, tuple(volumeMl), side)
        more = {} if self._synthesize is None else {"make": self._synthesize}
        return lambda progress: make_database(folder, cases, setting, device=device, progress=progress, **more)

    def showExperiment(self, folder: str) -> tuple:
        """Table node and chart node of a finished ``lesionkit stroke experiment``; the same nodes when shown again."""
        import json
        from pathlib import Path

        from LesionKitLib.mrml.charts import series_of, table_of, write_bar_chart
        from LesionKitLib.mrml.tables import write_table
        from StrokeSynthLib.results.experiment_table import COLORS, JSON, arm_title, table_for_people

        try:
            rows = json.loads((Path(folder) / JSON).read_text(encoding="utf-8"))["rows"]
            header, cells = table_for_people(rows)
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(_("This folder holds no finished experiment ({name}).").format(name=JSON)) from None
        if not rows:
            raise ValueError(_("The experiment's table is empty."))
        scene, name = slicer.mrmlScene, _("Stroke experiment")
        table = write_table(scene, header, cells, name, self._only("vtkMRMLTableNode", self.EXPERIMENT))
        table.SetAttribute(self.ROLE_ATTRIBUTE, self.EXPERIMENT)
        sizes = list(dict.fromkeys(row["size"] for row in rows))
        arms = list(dict.fromkeys(row["arm"] for row in rows))
        dice = {(row["size"], row["arm"]): row["dice"] for row in rows}
        series = {arm_title(arm): [dice.get((size, arm)) for size in sizes] for arm in arms}
        title = f"{name} chart"
        old = self._only("vtkMRMLPlotChartNode", self.EXPERIMENT_CHART)
        if old is not None:  # it may have other arms
            for node in (*series_of(old), table_of(old), old):
                scene.RemoveNode(node)
        labels = [str(size) for size in sizes]
        colors = [tuple(bytes.fromhex(COLORS.get(arm, "#888888")[1:])) for arm in arms]
        chart = write_bar_chart(scene, labels, series, title, _("Dice"), colors)
        chart.SetAttribute(self.ROLE_ATTRIBUTE, self.EXPERIMENT_CHART)
        chart.SetYAxisRangeAuto(False)
        chart.SetYAxisRange(0.0, 1.0)
        return table, chart

    # helpers

    def _toImage(self, segmentation):
        import numpy as np

        return np.array(self.runOf(segmentation).get("to_image") or np.eye(4))

    def _only(self, kind: str, role: str):
        """The scene's node of this class that has this role, or None; its name is the user's affair."""
        nodes = slicer.util.getNodesByClass(kind)
        return next((node for node in nodes if node.GetAttribute(self.ROLE_ATTRIBUTE) == role), None)

    def _addLabelMap(self, labels, name: str):
        """A vtkMRMLLabelMapVolumeNode of a Volume of labels."""
        node = slicer.util.addVolumeFromArray(labels.array, labels.ijk_to_ras, name, "vtkMRMLLabelMapVolumeNode")
        node.GetDisplayNode().SetAndObserveColorNodeID(self._labelColors().GetID())
        return node

    def _labelColors(self):
        """The color table of our labels; the same node every time."""
        from StrokeSynthLib.labels import LABELS

        node = self._only("vtkMRMLColorTableNode", self.COLORS)
        if node is None:
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", _("StrokeSynth colors"))
            node.SetAttribute(self.ROLE_ATTRIBUTE, self.COLORS)
            node.SetTypeToUser()
            node.SetNumberOfColors(len(LABELS) + 1)
            node.SetColor(0, "background", 0.0, 0.0, 0.0, 0.0)
            for label in LABELS:
                node.SetColor(label.value, label.name, *(channel / 255 for channel in label.color), 1.0)
        return node


def _resultNow(volume, brain, lesion, tissues, run: dict):
    """A StrokeResult of labels as they are now; run: how the result was made."""
    import numpy as np

    from StrokeSynthLib.measurement.measurements import measure
    from StrokeSynthLib.results.result import StrokeResult

    to_image = np.array(run.get("to_image") or np.eye(4))
    return StrokeResult(
        volume,
        lesion.astype(np.uint8),
        brain.astype(np.uint8),
        tissues,
        run.get("network") or _("drawn by hand"),
        run.get("version") or "",
        run.get("device") or "",
        run.get("seconds") or {},
        measure(volume, lesion, brain, to_image, tissues),
        to_image,
        tuple(run.get("notes") or ()),
    )


def _hideTissues(segmentation) -> None:
    """Tissue segments are there to be used; over the image only lesion and brain are shown."""
    from LesionKitLib.mrml.segmentations import segments_of
    from StrokeSynthLib.labels import TISSUES

    display = segmentation.GetDisplayNode()
    for tissue in TISSUES if display is not None else ():
        for segmentId in segments_of(segmentation, tissue):
            display.SetSegmentVisibility(segmentId, False)


def _outlineLesion(segmentation) -> None:
    """The lesion of a synthesized image is outlined, so that its grays can be seen."""
    from LesionKitLib.mrml.segmentations import segments_of
    from StrokeSynthLib.labels import LESION

    display = segmentation.GetDisplayNode()
    for segmentId in segments_of(segmentation, LESION) if display is not None else ():
        display.SetSegmentVisibility2DFill(segmentId, False)


class StrokeSynthTest(ModuleTest, ScriptedLoadableModuleTest):
    """Runs in Slicer (ctest, or Reload and Test), and on the test host, with a stand-in for the networks."""

    module = "StrokeSynth"
    tests = ("test_a_synthesized_brain_comes_with_its_segmentation",)
    panelTests = (
        "test_strokes_are_undone_and_redone_and_the_brain_stays_whole",
        "test_two_images_and_labels_come_back_with_a_saved_scene",
        "test_an_image_under_a_transform_is_edited_on_its_grid",
        "test_closing_the_scene_during_a_drawing_and_a_run_is_safe",
    )

    def test_a_synthesized_brain_comes_with_its_segmentation(self):
        from StrokeSynthLib.labels import LESION

        labels = _testLabels()
        logic = StrokeSynthLogic(synthesize=_synthesizeStandIn)
        self.delayDisplay("Synthesizing")
        node = logic.synthesize()
        segmentation = node.GetNodeReference(logic.SEGMENTATION_ROLE)
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, LESION.key, node)
        self.assertEqual(int((mask > 0).sum()), int((labels == LESION.value).sum()))

    def test_strokes_are_undone_and_redone_and_the_brain_stays_whole(self):
        panel, widget, node = self.applied()
        labels, masks = _testLabels(), []
        for k in (3, 4, 5):
            mask = (labels > 0) & False
            mask[k, 2:10, 7:12] = True
            masks.append(mask)
        panel.strokesAreUndoneAndRedone(widget, "lesion", masks)
        panel.applyMargin(widget, "lesion", 4.0)
        panel.stroke(widget, "lesion", labels > -1, erase=True)
        found = widget.logic.measure(widget._parameterNode.outputSegmentation, node)
        self.assertEqual(found["lesion_ml"], 0)
        self.assertAlmostEqual(found["brain_ml"], (labels > 0).sum() * 0.008, delta=1e-6)

    def test_two_images_and_labels_come_back_with_a_saved_scene(self):
        panel, widget, node = self.applied()
        widget.ui.useLabelsButton.click()
        labels = widget._parameterNode.labelsVolume
        self.assertIsNotNone(labels)
        panel.press(widget.ui.synthesizeButton, widget.synthesizeSection)
        self.assertIsNot(widget._parameterNode.inputVolume, node)
        panel.press(widget.ui.applyButton, widget.runSection)
        panel.settle(widget)
        image, headline = widget.ui.imageLabel.text, widget.ui.headlineLabel.text
        self.delayDisplay("Saving and loading the scene")
        panel.reloadScene()
        panel.settle(widget)
        self.assertEqual((widget.ui.imageLabel.text, widget.ui.headlineLabel.text), (image, headline))
        self.assertEqual(widget._parameterNode.labelsVolume.GetName(), "Phantom MR labels")

    def test_an_image_under_a_transform_is_edited_on_its_grid(self):
        import numpy as np

        panel, widget, node = self.applied(turn=True)
        segmentation = widget._parameterNode.outputSegmentation
        labels = _testLabels()
        mask = np.zeros(labels.shape, bool)
        mask[5, 2:4, 8:11] = True
        panel.stroke(widget, "lesion", mask)
        _volume, _brain, lesion, _tissues = widget.logic._labelsNow(segmentation)
        self.assertTrue((lesion == (mask | (labels == labels.max()))).all(), "labels moved with the stroke")

    def test_closing_the_scene_during_a_drawing_and_a_run_is_safe(self):
        panel, widget, _node = self.applied()
        widget.ui.useLabelsButton.click()
        widget._parameterNode.lesion = "drawn"
        widget.ui.drawButton.click()
        slicer.mrmlScene.Clear(False)
        slicer.app.processEvents()
        self.assertIsNone(widget.ui.segmentEditorWidget.segmentationNode())

        panel, widget, _node = self.applied()
        endless, started = panel.endless()
        panel.replace(widget.logic, "_segment", endless)
        widget.ui.applyButton.click()
        panel.waitWhile(lambda: not started)
        slicer.mrmlScene.Clear(False)
        slicer.app.processEvents()
        self.assertFalse(widget.runSection.apply.running)
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"), [])

    def applied(self, turn=False):
        """(what a user does, the panel, its image): Apply was pressed, the lesion known beforehand."""
        from LesionKitLib.imaging.volume import affine

        node = slicer.util.addVolumeFromArray(_testLabels().astype("int16") * 100, affine((2.0, 2.0, 2.0)))
        node.SetName("Phantom MR")
        panel = self.panelTest()
        if turn:
            panel.turned(node)
        widget = panel.openPanel()
        panel.replace(widget.logic, "_segment", _segmentStandIn)
        panel.replace(widget.logic, "_synthesize", _synthesizeStandIn)
        widget._parameterNode.inputVolume = node
        self.delayDisplay("Applying")
        panel.press(widget.ui.applyButton, widget.runSection)
        panel.settle(widget)
        self.assertIsNotNone(widget._parameterNode.outputSegmentation)
        self.assertTrue(widget.ui.headlineLabel.text.startswith("Stroke"))
        return panel, widget, node


def _testLabels():
    """A box of white matter with a box of lesion in it, uint8 [k, j, i]."""
    import numpy as np

    from StrokeSynthLib.labels import LESION, WHITE

    labels = np.zeros((10, 12, 14), np.uint8)
    labels[2:8, 2:10, 2:12] = WHITE.value
    labels[4:6, 4:7, 4:7] = LESION.value
    return labels


def _segmentStandIn(volume, device="auto", progress=None, tissues=False):
    """In the place of the network: the lesion and brain of _testLabels."""
    import numpy as np

    from StrokeSynthLib.labels import LESION, WHITE
    from StrokeSynthLib.measurement.measurements import measure
    from StrokeSynthLib.results.result import StrokeResult

    labels = _testLabels()
    brain, lesion = (labels > 0).astype(np.uint8), (labels == LESION.value).astype(np.uint8)
    kinds = np.where(labels > 0, WHITE.value, 0).astype(np.uint8)
    found = measure(volume, lesion, brain, np.eye(4), kinds)
    return StrokeResult(volume, lesion, brain, kinds, "stand-in", "0", "none", {}, found, np.eye(4))


def _synthesizeStandIn(labels=None, *_arguments):
    """In the place of the networks: gray values in proportion to the labels."""
    import numpy as np

    from LesionKitLib.imaging.volume import Volume, affine
    from StrokeSynthLib.synthesis.synthesis import Synthesis

    semantic = labels if labels is not None else Volume(_testLabels(), affine((2.0, 2.0, 2.0)))
    return Synthesis(semantic.with_array((semantic.array * 100).astype(np.int16)), semantic, "stand-in 0", 1)
