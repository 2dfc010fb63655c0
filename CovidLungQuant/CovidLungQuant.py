"""CovidLungQuant: segments and measures pneumonia on chest CT. Slicer's module, panel, logic and self-test.

What the numbers and classes mean is in CovidLungQuantLib; how they become nodes is in LesionKitLib.mrml; the sections
of the panel are in CovidLungQuantPanel. All are imported when they are needed, so that Slicer starts as fast with this
module as without it.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper
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
NETWORKS = ["convlstm", "jcs", "multitask", "ensemble"]
PHANTOM_LESIONS = ("ggo", "ggo", "consolidation", "effusion")
DEVICES = ["auto", "cpu", "cuda", "mps"]


class CovidLungQuant(ScriptedLoadableModule):
    """What Slicer's module list shows."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("CovidLungQuant")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["LesionKit", "Segmentations", "SegmentEditor", "SubjectHierarchy"]
        self.parent.contributors = ["The LesionKit contributors"]
        self.parent.helpText = _(
            "Finds ground-glass opacity, consolidation and pleural effusion on chest CT, shows them as segments that "
            "can be corrected by hand, and measures them per lung and per third of the lung. Choose a CT and press "
            "Apply; correct in the section Edit: all numbers follow. "
            '<a href="{home}/tutorial-covid.md">Tutorial</a>, <a href="{home}/measurements.md">what is measured</a>. '
            "<b>Research and education only, not a medical device.</b>"
        ).format(home=HOMEPAGE)
        self.parent.acknowledgementText = _(
            "The networks follow K. Grodecki, A. Killekar et al., Rapid quantification of COVID-19 pneumonia burden "
            "from computed tomography with convolutional long short-term memory networks, arXiv 2104.00138; "
            "J Med Imaging 2022; 9:054001; Y.-H. Wu et al., JCS: an explainable COVID-19 diagnosis system by joint "
            "classification and segmentation, arXiv 2004.07054; A. Amyar et al., Multi-task deep learning based CT "
            "imaging analysis for COVID-19 pneumonia, Comput Biol Med 2020; 126:104037. The networks were written and "
            "trained anew from the papers."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


# Slicer's own sample CT, under Slicer's license as its developers say (discourse.slicer.org, topic 37731)
CT_CHEST_SHA256 = "4507b664690840abb6cb9af2d919377ffc4ef75b167cb6fd0f747befdb12e38e"
CT_CHEST_URL = f"https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/{CT_CHEST_SHA256}"


def registerSampleData():
    """Offer two chests in the Sample Data module: the phantom, computed on the spot, and a public CT.

    The CT is downloaded, and its checksum compared, only when the user clicks on it.
    """
    import SampleData

    icons = os.path.join(os.path.dirname(__file__), "Resources", "Icons")
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="LesionKit",
        sampleName="ChestCT",
        uris=CT_CHEST_URL,
        fileNames="CT-chest.nrrd",
        nodeNames="ChestCT",
        checksums=f"SHA256:{CT_CHEST_SHA256}",
        thumbnailFileName=os.path.join(icons, "CovidLungQuant.png"),
    )
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="LesionKit",
        sampleName="ChestPhantom",
        uris="",
        nodeNames="ChestPhantom",
        customDownloader=makeSamplePhantom,
        thumbnailFileName=os.path.join(icons, "ChestPhantom.png"),
    )


def makeSamplePhantom(_source=None) -> vtkMRMLScalarVolumeNode:
    """The chest phantom as a volume in the scene, shown with a lung window. Takes some seconds."""
    from LesionKitLib.mrml.views import show_ct

    with slicer.util.tryWithErrorDisplay(_("The phantom could not be made."), waitCursor=True):
        volume = _computed(_samplePhantom)
        node = slicer.util.addVolumeFromArray(volume.array, volume.ijk_to_ras, "ChestPhantom")
        show_ct(node)
    return node


def _samplePhantom():
    from CovidLungQuantLib.phantoms.chest import make_phantom

    return make_phantom(seed=7, spacing=(1.4, 1.4, 3.0), lesions=PHANTOM_LESIONS).volume


def _computed(work):
    """work() on another thread; the application goes on drawing meanwhile, but takes no clicks."""
    from concurrent.futures import ThreadPoolExecutor, wait

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        while not wait([done], timeout=0.02).done:
            _drawEvents()
        return done.result()


def _drawEvents():
    try:
        import qt
    except ImportError:  # an application without windows
        return
    slicer.app.processEvents(qt.QEventLoop.ExcludeUserInputEvents)


@parameterNodeWrapper
class CovidLungQuantParameterNode:
    """The user's choices, saved with the scene.

    inputVolume: the CT. outputSegmentation: where the result is, or goes; None makes a new one. network, device: see
    CovidLungQuantLib.networks.registry and LesionKitLib.models.inference. maskToLungs: the editor paints only inside.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputSegmentation: vtkMRMLSegmentationNode
    network: Annotated[str, Choice(NETWORKS)] = "convlstm"
    device: Annotated[str, Choice(DEVICES)] = "auto"
    maskToLungs: bool = True


class CovidLungQuantWidget(ResultPanelWidget, ScriptedLoadableModuleWidget):
    """The panel: the scene's parameters, and the sections Run, Results, Edit and Export that follow them."""

    def setup(self):
        super().setup()
        from CovidLungQuantPanel.agreement import AgreementSection
        from CovidLungQuantPanel.edit import EditSection
        from CovidLungQuantPanel.follow_up import FollowUpSection
        from CovidLungQuantPanel.results import ResultsSection
        from CovidLungQuantPanel.run import RunSection

        from LesionKitPanel.export import ExportSection
        from LesionKitPanel.parameters import load_ui

        self.ui = load_ui(self, "CovidLungQuant.ui")
        self.logic = CovidLungQuantLogic()
        self.runSection = RunSection(self.ui, self.logic, self._onResult, self._check)
        self.editSection = EditSection(self.ui, self.logic, self.parent)
        self.resultsSection = ResultsSection(self.ui, self.logic, self.editSection.showState)
        self.agreementSection = AgreementSection(self.ui, self.logic)
        self.followUpSection = FollowUpSection(self.ui, self.logic)
        self.exportSection = ExportSection(self.ui, self.logic)
        self.sections = (
            self.runSection, self.resultsSection, self.agreementSection, self.followUpSection, self.editSection,
            self.exportSection,
        )  # fmt: skip
        self.followScene(CovidLungQuantParameterNode, {"network": NETWORKS, "device": DEVICES})

    def _onClose(self):
        for section in (self.runSection, self.followUpSection, self.editSection, self.exportSection):
            section.stop()

    def _onParametersChanged(self):
        parameters = self._parameterNode
        segmentation = parameters.outputSegmentation if parameters else None
        for section in self.sections[1:]:  # all but Run
            section.show(segmentation)
        self.editSection.setMask(parameters.maskToLungs if parameters else False)
        self._check()

    def _check(self):
        self.runSection.check(self._parameterNode)


class CovidLungQuantLogic(ResultLogic, ScriptedLoadableModuleLogic):
    """Volume node in, segmentation node, table and chart out.

    Every error is a ValueError whose message is a sentence for the user, but for MissingResource of
    LesionKitLib.run.errors (no weights or no PyTorch: something can be installed) and Cancelled.
    analyze: the pipeline, by default CovidLungQuantLib.pipeline.analyze.
    """

    RUN_ATTRIBUTE = "LesionKit.CovidLungQuant.Run"
    FINDINGS_ATTRIBUTE = "LesionKit.Findings"  # of the segmentation: its lesions one by one, as JSON
    HEATMAP_ROLE = "LesionKit.heatmap"
    AGREEMENT_ROLE = "LesionKit.agreement"
    FOLLOW_UP_ROLE = "LesionKit.followUp"  # table of the lesions' changes since an earlier examination
    EARLIER_ROLE = "LesionKit.earlier"  # the segmentation that a result was compared with
    FOLLOW_UP_ATTRIBUTE = "LesionKit.FollowUp"  # of the segmentation: the outcome of that comparison, as JSON

    def __init__(self, analyze=None):
        super().__init__()
        self._analyze = analyze

    def process(
        self,
        inputVolume: vtkMRMLScalarVolumeNode,
        segmentation: vtkMRMLSegmentationNode | None = None,
        network: str = "convlstm",
        device: str = "auto",
        progress=None,
    ) -> vtkMRMLSegmentationNode:
        """Segment and measure a chest CT; returns the segmentation that holds the result. See tableFor for the table.

        segmentation: an earlier result to renew. It is returned renewed if nobody has edited it; otherwise it stays as
        it is and the result is a new segmentation beside it (LesionKitLib.mrml.segmentations). None: a new one.
        progress: LesionKitLib.run.progress.Progress. Nothing in the scene changes unless the analysis succeeds.
        """
        result = self.prepare(inputVolume, network, device)(progress)
        return self.showResult(result, inputVolume, segmentation)

    def prepare(self, inputVolume: vtkMRMLScalarVolumeNode, network: str = "convlstm", device: str = "auto"):
        """The analysis as a function of a Progress, which touches no node and may run on another thread."""
        if self._analyze is None:
            from CovidLungQuantLib.pipeline import analyze

            self._analyze = analyze
        pipeline, volume = self._analyze, self.volumeFor(inputVolume)
        return lambda progress: pipeline(volume, network=network, device=device, progress=progress)

    def showResult(
        self, result, inputVolume: vtkMRMLScalarVolumeNode, segmentation: vtkMRMLSegmentationNode | None = None
    ) -> vtkMRMLSegmentationNode:
        """Turn a CovidResult into nodes (as process does at its end)."""
        import json

        from CovidLungQuantLib.labels import LESIONS, LUNGS
        from LesionKitLib.mrml.segmentations import Layer

        layers = [Layer(result.lungs, LUNGS, filled=False), Layer(result.lesions, LESIONS)]
        algorithm = f"LesionKit {result.network} {result.version}"
        run = {key: getattr(result, key) for key in ("network", "version", "device", "seconds", "decision", "notes")}

        def fill(node):
            node.SetDescription(" ".join(result.notes))
            node.SetAttribute(self.FINDINGS_ATTRIBUTE, json.dumps([finding.row() for finding in result.findings]))
            self._forgetFollowUp(node)  # of what an earlier run had found
            self.showMeasurements(result.measurements, node, inputVolume)
            self._showHeatmap(result.heatmap, node, inputVolume)

        return self.writeResult(layers, inputVolume, algorithm, run, segmentation, fill)

    def measure(self, segmentation: vtkMRMLSegmentationNode, inputVolume: vtkMRMLScalarVolumeNode) -> dict:
        """Measure what the segments hold now, edited or not, and refill table and chart; returns the measurements.

        Segments count by their class: the ones written here, and any other with the same terminology. A voxel in
        several lesion segments counts once, as the last of ground-glass opacity, consolidation, effusion. Lesion drawn
        outside the lungs counts as lung too. Raises ValueError when there is no lung.
        """
        from CovidLungQuantLib.measurement.measurements import measure

        measurements = measure(*self.labelsFor(segmentation, inputVolume))
        self.showMeasurements(measurements, segmentation, inputVolume)
        return measurements

    def labelsFor(self, segmentation: vtkMRMLSegmentationNode, inputVolume: vtkMRMLScalarVolumeNode) -> tuple:
        """(Volume, lungs, lesions) as measured: HU within the pipeline's limits, lesions inside the lungs."""
        import numpy as np

        from CovidLungQuantLib.labels import LESIONS, LUNGS, lungs_with_lesions
        from CovidLungQuantLib.segmentation.input_check import HU_LIMITS
        from LesionKitLib.mrml.segmentations import read_labels, refresh_algorithm_types

        if segmentation is None:
            raise ValueError(_("No segmentation is chosen."))
        volume = self.volumeFor(inputVolume)
        lungs = read_labels(segmentation, inputVolume, LUNGS)
        lesions = read_labels(segmentation, inputVolume, LESIONS)
        if not lungs.any():
            raise ValueError(
                _("The segmentation holds no lung in this volume, so there is nothing to measure against.")
            )
        refresh_algorithm_types(segmentation)
        volume = volume.with_array(np.clip(volume.array, *HU_LIMITS))  # as the pipeline does, so that numbers agree
        return volume, lungs_with_lesions(lungs, lesions, volume.spacing), lesions

    def prepareExport(self, segmentation: vtkMRMLSegmentationNode, folder: str, kinds):
        """Writing files of what the segments hold now as a function of a Progress, which touches no node.

        kinds: of KINDS in CovidLungQuantLib.results.files. The function returns the names of the files.
        """
        from CovidLungQuantLib.labels import LESIONS, LUNGS
        from CovidLungQuantLib.results.files import export_files
        from LesionKitLib.mrml.editing import editing_summary, exported_tags

        labels = self.labelsFor(segmentation, self.needVolumeOf(segmentation))
        run, editing = self.runOf(segmentation), editing_summary(segmentation)
        tags = {label.key: exported_tags(segmentation, label) for label in (*LUNGS, *LESIONS)}

        def work(progress):
            progress.report("measuring", 0.0)
            result = _resultNow(labels, run)
            progress.report("writing files", 0.3)
            return export_files(result, folder, kinds, tags, editing)

        return work

    def decisionFor(self, segmentation: vtkMRMLSegmentationNode) -> dict | None:
        """What the run decided (CovidLungQuantLib.classification.decision.decide), or None."""
        return self.runOf(segmentation).get("decision")

    def findingsFor(self, segmentation: vtkMRMLSegmentationNode) -> list[dict]:
        """The lesions one by one as last looked for: rows of CovidLungQuantLib.measurement.findings.Finding."""
        import json

        return json.loads(segmentation.GetAttribute(self.FINDINGS_ATTRIBUTE) or "[]")

    def updateLesions(self, segmentation: vtkMRMLSegmentationNode) -> None:
        """Look for the lesions that the segments hold now, edited or not, and remember them."""
        import json

        from CovidLungQuantLib.measurement.findings import list_findings

        findings = list_findings(*self.labelsFor(segmentation, self.needVolumeOf(segmentation)))
        rows = json.dumps([finding.row() for finding in findings])
        segmentation.SetAttribute(self.FINDINGS_ATTRIBUTE, rows)

    @property
    def LESION_HEADER(self) -> tuple[str, ...]:
        """Of the table of lesions."""
        from CovidLungQuantLib.measurement.findings import HEADER

        return HEADER

    def lesionRows(self, segmentation: vtkMRMLSegmentationNode) -> list[tuple]:
        """(cells, RAS mm) of each lesion as last looked for."""
        from CovidLungQuantLib.measurement.findings import finding_rows

        findings = self.findingsFor(segmentation)
        places = [finding["ras"] for finding in findings]
        return list(zip(finding_rows(findings), places, strict=True))

    def lesionPlaces(self, segmentation: vtkMRMLSegmentationNode) -> list[tuple]:
        """(text, RAS mm) of each lesion that the segments hold now, the largest first."""
        from CovidLungQuantLib.labels import LESIONS
        from LesionKitLib.imaging.lesion_components import lesion_components

        volume, _lungs, lesions = self.labelsFor(segmentation, self.needVolumeOf(segmentation))
        names = {label.value: label.name for label in LESIONS}
        found = lesion_components(volume, lesions)
        return [(_("{name}, {ml:.1f} ml").format(name=names[one.label], ml=one.ml), one.ras) for one in found]

    def compareWithTruth(self, segmentation: vtkMRMLSegmentationNode, truth: vtkMRMLSegmentationNode) -> dict:
        """Make, or renew, the segmentation of found, missed and false positive lesion; returns its volumes and Dice.

        truth: a segmentation with lesion segments, such as an expert's or a phantom's, on the same CT.
        """
        from CovidLungQuantLib.labels import LESIONS
        from CovidLungQuantLib.measurement.agreement import OUTCOMES, compare, summary
        from LesionKitLib.mrml.segmentations import Layer, read_labels, write_segmentation

        inputVolume = self.needVolumeOf(segmentation)
        wanted = read_labels(truth, inputVolume, LESIONS)
        if not wanted.any():
            raise ValueError(_("The chosen segmentation holds no lesion, so there is nothing to compare with."))
        outcome = compare(wanted, read_labels(segmentation, inputVolume, LESIONS))
        existing = segmentation.GetNodeReference(self.AGREEMENT_ROLE)
        node = write_segmentation([Layer(outcome, OUTCOMES)], inputVolume, "LesionKit comparison", existing)
        node.SetName(f"{segmentation.GetName()} against ground truth")
        self.attach(segmentation, self.AGREEMENT_ROLE, node)
        return summary(outcome, self.volumeFor(inputVolume).voxel_ml)

    # follow-up

    def prepareFollowUp(self, segmentations: list, folder: str = ""):
        """Comparing results of one patient, in any order, as a function of a Progress, which touches no node.

        What the segments hold now is compared. folder: where the files of CovidLungQuantLib.followup.files go, too; "":
        nowhere. The function returns (FollowUp, segmentations in the order of its examinations, names of files).
        """
        from CovidLungQuantLib.followup.comparison import compare_examinations, notes_on_patients
        from CovidLungQuantLib.followup.files import write_followup
        from LesionKitLib.mrml.sources import source_of

        if len(set(segmentations)) < 2:
            raise ValueError(_("Choose another result to compare with."))
        volumes = [self.needVolumeOf(segmentation) for segmentation in segmentations]
        labels = [self.labelsFor(*pair) for pair in zip(segmentations, volumes, strict=True)]
        runs = [self.runOf(segmentation) for segmentation in segmentations]
        sources = [source_of(volume, identify=True) for volume in volumes]
        notes = tuple(notes_on_patients(source.patient_id for source in sources if source is not None))

        def work(progress):
            progress.report("measuring", 0.0)
            results = [_resultNow(*made) for made in zip(labels, runs, strict=True)]
            followup = compare_examinations(results, progress.part(0.2, 0.8), notes)
            order = [next(n for n, result in enumerate(results) if result is one) for one in followup.examinations]
            progress.report("writing files", 0.8)
            names = write_followup(followup, folder) if folder else []
            return followup, [segmentations[n] for n in order], names

        return work

    def showFollowUp(self, followup, ordered: list, segmentation: vtkMRMLSegmentationNode) -> None:
        """Write to the result that was compared what changed since the examination before it (the first one: until the
        next).

        ordered: the segmentations in the order of the examinations, as prepareFollowUp's function gives them.
        """
        import json

        from CovidLungQuantLib.followup.change_table import CHANGE_HEADER, change_rows, outcome_of

        interval = max(ordered.index(segmentation) - 1, 0)
        changes = [change.document() for change in followup.intervals[interval].changes]
        earlier, later = ordered[interval : interval + 2]
        other = earlier if later is segmentation else later
        self.writeTable(CHANGE_HEADER, change_rows(changes), segmentation, self.FOLLOW_UP_ROLE, "follow-up")
        segmentation.SetNodeReferenceID(self.EARLIER_ROLE, other.GetID())
        state = {
            "outcome": outcome_of(followup),
            "notes": list(followup.notes),
            "changes": changes,
            "is_later": later is segmentation,
        }
        segmentation.SetAttribute(self.FOLLOW_UP_ATTRIBUTE, json.dumps(state))

    def followUpFor(self, segmentation: vtkMRMLSegmentationNode) -> dict | None:
        """outcome (a sentence), notes, changes (LesionChange.document) and is_later (whether this result is the later
        one) as last compared, or None."""
        import json

        return json.loads(segmentation.GetAttribute(self.FOLLOW_UP_ATTRIBUTE) or "null")

    def followUpRows(self, segmentation: vtkMRMLSegmentationNode) -> tuple[tuple, list[tuple]]:
        """Header, and (cells, (whether it is in the earlier image only, RAS mm)) of each lesion as last compared."""
        from CovidLungQuantLib.followup.change_table import CHANGE_HEADER, change_cells

        changes = (self.followUpFor(segmentation) or {}).get("changes", [])
        places = [(change["status"] == "gone", change["ras"]) for change in changes]
        cells = change_cells(changes)
        return CHANGE_HEADER[: len(cells[0])] if cells else CHANGE_HEADER, list(zip(cells, places, strict=True))

    def showFollowUpLesion(self, segmentation: vtkMRMLSegmentationNode, gone: bool, ras) -> None:
        """Show a lesion of the comparison in the image that holds it: the later one, the earlier when it is gone."""
        from LesionKitLib.mrml.views import jump_to, show_volume

        state = self.followUpFor(segmentation) or {}
        other = segmentation.GetNodeReference(self.EARLIER_ROLE)
        own_image = state.get("is_later", True) != gone
        shown = segmentation if own_image or other is None else other
        volume = self.volumeOf(shown)
        if volume is not None:
            show_volume(volume)
        self.showOnly(shown)
        jump_to(segmentation.GetScene(), ras)

    def _forgetFollowUp(self, segmentation) -> None:
        table = segmentation.GetNodeReference(self.FOLLOW_UP_ROLE)
        if table is not None:
            segmentation.GetScene().RemoveNode(table)
        segmentation.RemoveNodeReferenceIDs(self.EARLIER_ROLE)
        segmentation.RemoveAttribute(self.FOLLOW_UP_ATTRIBUTE)

    def heatmapFor(self, segmentation: vtkMRMLSegmentationNode) -> vtkMRMLScalarVolumeNode | None:
        """The network's heat map as a volume, or None where the network gives none."""
        return segmentation.GetNodeReference(self.HEATMAP_ROLE)

    # what LesionKitLib.mrml.live_measurements asks for, to measure while a person edits

    def liveGroups(self) -> tuple:
        """Classes that exclude each other: the lungs, and the lesions inside them."""
        from CovidLungQuantLib.labels import LESIONS, LUNGS

        return LUNGS, LESIONS

    def newLiveCounts(self, segmentation, inputVolume: vtkMRMLScalarVolumeNode, original: tuple | None):
        """Counts of this CT that are kept up to date; original: (lungs, lesions) of the network, or None."""
        from CovidLungQuantLib.measurement.live import LiveCounts

        return LiveCounts(self.volumeFor(inputVolume), original)

    def givenBack(self, before: tuple, now: tuple):
        """Lung that painting lesion over it has removed; Slicer's editor overwrites other segments."""
        from CovidLungQuantLib.measurement.live import overwritten_lung

        return overwritten_lung(before, now)

    # nodes

    def showMeasurements(self, measurements: dict, segmentation, inputVolume) -> None:
        """Refill the segmentation's table and chart, or make them."""
        from CovidLungQuantLib.measurement.measurements import to_rows
        from CovidLungQuantLib.results.table_rows import BARS, third_bars

        self.writeTable(*to_rows(measurements), segmentation, self.TABLE_ROLE, "measurements")
        colors = [color for _title, color in BARS.values()]
        self.writeChart(*third_bars(measurements), segmentation, _("% of the lung third"), colors)

    def showComparison(self, rows: list[dict], segmentation, inputVolume) -> None:
        """Refill the table that compares AI with corrected, or make it. rows: of CovidLungQuantLib.measurement.live."""
        from CovidLungQuantLib.results.table_rows import comparison_table

        self.writeTable(*comparison_table(rows), segmentation, self.COMPARISON_ROLE, "AI and corrected")

    def _showHeatmap(self, heatmap, segmentation, inputVolume) -> None:
        from LesionKitLib.mrml.overlays import write_overlay

        existing = self.heatmapFor(segmentation)
        if heatmap is None:
            if existing is not None:  # of an earlier run with another network
                segmentation.GetScene().RemoveNode(existing)
            return
        name = f"{segmentation.GetName()} heat map"
        node = write_overlay(
            heatmap, inputVolume, name, "vtkMRMLColorTableNodeFileColdToHotRainbow.txt", existing, top=100
        )
        self.attach(segmentation, self.HEATMAP_ROLE, node)


def _resultNow(labels: tuple, run: dict):
    """A CovidResult of (Volume, lungs, lesions) as they are now; run: how the result was made."""
    from CovidLungQuantLib.measurement.findings import list_findings
    from CovidLungQuantLib.measurement.measurements import measure
    from CovidLungQuantLib.results.result import CovidResult

    return CovidResult(
        *labels,
        run.get("network") or _("drawn by hand"),
        run.get("version") or "",
        run.get("device") or "",
        run.get("seconds") or {},
        measure(*labels),
        decision=run.get("decision"),
        notes=tuple(run.get("notes") or ()),
        findings=tuple(list_findings(*labels)),
    )


class CovidLungQuantTest(ModuleTest, ScriptedLoadableModuleTest):
    """Runs in Slicer (ctest, or Reload and Test), and on the test host.

    analyze: set it to run without the bundled network. Without PyTorch the network is left out as well.
    """

    analyze = None

    module = "CovidLungQuant"
    tests = ("test_phantom_is_segmented_and_measured",)
    panelTests = (
        "test_strokes_are_undone_and_redone_and_margin_leaves_the_lungs",
        "test_two_images_come_back_with_a_saved_scene",
        "test_a_ct_under_a_transform_is_edited_on_its_grid",
        "test_closing_the_scene_during_a_run_is_safe",
    )

    def test_phantom_is_segmented_and_measured(self):
        phantom, node = self.makePhantom()
        logic = CovidLungQuantLogic(analyze=self.pipelineFor(phantom))

        self.delayDisplay("Segmenting it")
        segmentation = logic.process(node)

        self.assertEqual(segmentation.GetSegmentation().GetNumberOfSegments(), 5)
        self.assertEqual(logic.tableFor(segmentation).GetNumberOfRows(), 12)
        self.assertEqual(logic.chartFor(segmentation).GetNumberOfPlotSeriesNodes(), 2)
        total = logic.measure(segmentation, node)["total"]
        truth = phantom.truth_ml
        self.assertAlmostEqual(total["lung_ml"], truth["lung_ml"], delta=0.2 * truth["lung_ml"])
        self.assertGreater(total["ggo_ml"] + total["high_opacity_ml"], 0)

    def test_strokes_are_undone_and_redone_and_margin_leaves_the_lungs(self):
        panel, widget, phantom, _node = self.applied()
        lungs = phantom.lungs > 0
        masks = []
        for k in _fullest(lungs, 3):
            mask = (phantom.lesions == 0) & lungs
            mask[[n for n in range(len(mask)) if n != k]] = False
            masks.append(mask)
        panel.strokesAreUndoneAndRedone(widget, "ggo", masks)

        self.delayDisplay("Margin, then taking the lesion away again")
        logic, segmentation = widget.logic, widget._parameterNode.outputSegmentation
        inputVolume = logic.volumeOf(segmentation)
        before = logic.measure(segmentation, inputVolume)["total"]["lung_ml"]
        panel.applyMargin(widget, "consolidation", 6.0)
        for segmentId in ("ggo", "consolidation", "effusion"):
            panel.stroke(widget, segmentId, lungs | True, erase=True)
        after = logic.measure(segmentation, inputVolume)["total"]["lung_ml"]
        self.assertAlmostEqual(after, before, delta=0.02 * before, msg="the lungs have lost volume")

    def test_two_images_come_back_with_a_saved_scene(self):
        panel, widget, _phantom, node = self.applied()
        first = widget._parameterNode.outputSegmentation
        other = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(node), name="Second CT")
        other.CopyOrientation(node)
        widget._parameterNode.inputVolume = other
        panel.press(widget.ui.applyButton, widget.runSection)
        panel.settle(widget)
        self.assertEqual(widget.ui.imageLabel.text, "Second CT")
        self.assertFalse(first.GetDisplayNode().GetVisibility(), "both results lie over each other")
        headline = widget.ui.headlineLabel.text

        self.delayDisplay("Saving and loading the scene")
        panel.reloadScene()
        panel.settle(widget)
        self.assertEqual(widget._parameterNode.inputVolume.GetName(), "Second CT")
        self.assertEqual((widget.ui.imageLabel.text, widget.ui.headlineLabel.text), ("Second CT", headline))

    def test_a_ct_under_a_transform_is_edited_on_its_grid(self):
        import numpy as np

        panel, widget, phantom, node = self.applied(turn=True)
        segmentation = widget._parameterNode.outputSegmentation
        mask = np.zeros(phantom.lungs.shape, bool)
        (k,) = _fullest(phantom.lungs > 0, 1)
        mask[k] = phantom.lungs[k] > 0
        panel.stroke(widget, "ggo", mask)
        _volume, _lungs, lesions = widget.logic.labelsFor(segmentation, node)
        self.assertTrue((lesions[k][mask[k] & (phantom.lesions[k] == 0)] == 1).all())
        self.assertTrue((lesions[: k - 1] == phantom.lesions[: k - 1]).all(), "labels moved with the stroke")

    def test_closing_the_scene_during_a_run_is_safe(self):
        panel, widget, _phantom, _node = self.applied()
        endless, started = panel.endless()
        panel.replace(widget.logic, "_analyze", endless)
        widget.ui.applyButton.click()
        panel.waitWhile(lambda: not started)
        self.assertEqual(widget.ui.applyButton.text, _("Cancel"))
        slicer.mrmlScene.Clear(False)
        slicer.app.processEvents()
        self.assertFalse(widget.runSection.apply.running)
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"), [])

    def applied(self, turn=False):
        """(what a user does, the panel, the phantom, its CT): Apply was pressed, its lesions known beforehand."""
        phantom, node = self.makePhantom()
        panel = self.panelTest()
        if turn:
            panel.turned(node)
        widget = panel.openPanel()
        panel.replace(widget.logic, "_analyze", _truthOf(phantom))
        widget._parameterNode.inputVolume = node
        self.delayDisplay("Applying")
        panel.press(widget.ui.applyButton, widget.runSection)
        panel.settle(widget)
        self.assertIsNotNone(widget._parameterNode.outputSegmentation)
        self.assertTrue(widget.ui.headlineLabel.text.startswith("Burden"))
        return panel, widget, phantom, node

    def makePhantom(self):
        """A coarse phantom, and its CT in the scene."""
        from CovidLungQuantLib.phantoms.chest import make_phantom

        self.delayDisplay("Making a phantom")
        phantom = make_phantom(seed=1, spacing=(3.0, 3.0, 5.0))
        node = slicer.util.addVolumeFromArray(phantom.volume.array, phantom.volume.ijk_to_ras, "Phantom CT")
        return phantom, node

    def pipelineFor(self, phantom):
        """None for the bundled network; where PyTorch is not installed, one that predicts the phantom's truth."""
        from LesionKitLib.run.requirements import missing_packages

        if type(self).analyze is not None or not missing_packages():
            return type(self).analyze
        return _truthOf(phantom)


def _truthOf(phantom):
    """A pipeline that predicts the phantom's own labels."""

    def pipeline(volume, network="convlstm", device="auto", progress=None):
        from CovidLungQuantLib.measurement.findings import list_findings
        from CovidLungQuantLib.measurement.measurements import measure
        from CovidLungQuantLib.results.result import CovidResult

        labels = volume, phantom.lungs, phantom.lesions
        findings = tuple(list_findings(*labels))
        return CovidResult(*labels, network, "0", "none", {}, measure(*labels), findings=findings)

    return pipeline


def _fullest(mask, count: int) -> list[int]:
    """Indices k of the slices with most voxels, one beside the other."""
    middle = int(mask.sum((1, 2)).argmax())
    return list(range(middle, middle + count))
