"""CovidLungQuant: segments and measures pneumonia on chest CT. Slicer's module, panel, logic and self-test.

What the numbers and classes mean is in CovidLungQuantLib; how they become nodes is in LesionKitLib.mrml. Both are
imported when they are needed, so that Slicer starts as fast with this module as without it.
"""

from __future__ import annotations

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class CovidLungQuant(ScriptedLoadableModule):
    """What Slicer's module list shows."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("CovidLungQuant")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "SubjectHierarchy"]
        self.parent.contributors = ["LesionKit contributors"]
        self.parent.helpText = _(
            "Finds ground-glass opacity, consolidation and pleural effusion on chest CT, shows them as segments that "
            "can be corrected by hand, and measures them per lung and per third of the lung. "
            "<b>Research and education only, not a medical device.</b>"
        )
        self.parent.acknowledgementText = _(
            "The network follows K. Grodecki, A. Killekar et al., Rapid quantification of COVID-19 pneumonia burden "
            "from computed tomography with convolutional long short-term memory networks, arXiv 2104.00138; "
            "J Med Imaging 2022; 9:054001. It was written and trained anew from the paper."
        )


class CovidLungQuantWidget(ScriptedLoadableModuleWidget):
    """The panel: choose a volume, apply. The result is shown by Slicer's own segmentation display and tables."""

    def setup(self):
        super().setup()
        import ctk
        import qt

        self.logic = CovidLungQuantLogic()
        self._segmentation = None

        inputs = ctk.ctkCollapsibleButton()
        inputs.text = _("Inputs")
        self.layout.addWidget(inputs)
        form = qt.QFormLayout(inputs)

        self.inputSelector = slicer.qMRMLNodeComboBox()
        self.inputSelector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        self.inputSelector.showChildNodeTypes = False
        self.inputSelector.addEnabled = False
        self.inputSelector.removeEnabled = False
        self.inputSelector.noneEnabled = True
        self.inputSelector.setToolTip(_("A chest CT in Hounsfield units."))
        self.inputSelector.setMRMLScene(slicer.mrmlScene)
        form.addRow(_("CT volume:"), self.inputSelector)

        self.applyButton = qt.QPushButton(_("Apply"))
        self.layout.addWidget(self.applyButton)
        self.statusLabel = qt.QLabel(_("Research and education only, not a medical device."))
        self.statusLabel.wordWrap = True
        self.layout.addWidget(self.statusLabel)
        self.layout.addStretch(1)

        self.inputSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._checkCanApply)
        self.applyButton.connect("clicked(bool)", self.onApplyButton)
        self._checkCanApply()

    def _checkCanApply(self, _node=None):
        ready = self.inputSelector.currentNode() is not None
        self.applyButton.enabled = ready
        self.applyButton.toolTip = _("Segment and measure the volume.") if ready else _("Choose a CT volume.")

    def onApplyButton(self, _checked=False):
        with slicer.util.tryWithErrorDisplay(_("The volume could not be analysed."), waitCursor=True):
            self._segmentation = self.logic.process(self.inputSelector.currentNode(), self._previous())
            self.statusLabel.text = _("Done: {name}").format(name=self._segmentation.GetName())

    def _previous(self) -> vtkMRMLSegmentationNode | None:
        """The panel's last result if the user has not deleted it."""
        node = self._segmentation
        return node if node is not None and slicer.mrmlScene.IsNodePresent(node) else None


class CovidLungQuantLogic(ScriptedLoadableModuleLogic):
    """Volume node in, segmentation node and table node out.

    Every error is a ValueError whose message is a sentence for the user, but for LesionKitLib.errors.MissingResource
    (no weights or no PyTorch: something can be installed) and Cancelled.
    analyse: the pipeline, by default CovidLungQuantLib.pipeline.analyse.
    """

    TABLE_ROLE = "LesionKit.measurements"  # node reference from the segmentation to its table

    def __init__(self, analyse=None):
        super().__init__()
        self._analyse = analyse

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
        progress: LesionKitLib.progress.Progress. Nothing in the scene changes unless the analysis succeeds.
        """
        volume = self.volumeFor(inputVolume)
        result = self._pipeline()(volume, network=network, device=device, progress=progress)
        return self.showResult(result, inputVolume, segmentation)

    def volumeFor(self, inputVolume: vtkMRMLScalarVolumeNode):
        """The LesionKitLib Volume to analyse; main thread."""
        from LesionKitLib.mrml.volumes import volume_from_node

        return volume_from_node(inputVolume)

    def showResult(
        self, result, inputVolume: vtkMRMLScalarVolumeNode, segmentation: vtkMRMLSegmentationNode | None = None
    ) -> vtkMRMLSegmentationNode:
        """Turn a CovidResult into nodes (as process does at its end); main thread."""
        from CovidLungQuantLib.labels import LESIONS, LUNGS
        from LesionKitLib.mrml.hierarchy import place_beside
        from LesionKitLib.mrml.segmentations import Layer, write_segmentation

        layers = [Layer(result.lungs, LUNGS, filled=False), Layer(result.lesions, LESIONS)]
        algorithm = f"LesionKit {result.network} {result.version}"
        segmentation = write_segmentation(layers, inputVolume, algorithm, segmentation)
        segmentation.SetDescription(" ".join(result.notes))
        place_beside(segmentation, inputVolume)
        self._writeTable(result.measurements, segmentation, inputVolume)
        return segmentation

    def measure(self, segmentation: vtkMRMLSegmentationNode, inputVolume: vtkMRMLScalarVolumeNode) -> dict:
        """Measure what the segments hold now, edited or not, and refill the table; returns the measurements.

        Segments count by their class: the ones written here, and any other with the same terminology. A voxel in
        several lesion segments counts once, as the last of ground-glass opacity, consolidation, effusion. Lesion drawn
        outside the lungs counts as lung too. Raises ValueError when there is no lung.
        """
        import numpy as np

        from CovidLungQuantLib.input_check import HU_LIMITS
        from CovidLungQuantLib.labels import LESIONS, LUNGS, lungs_with_lesions
        from CovidLungQuantLib.measurements import measure
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
        volume = volume.with_array(np.clip(volume.array, *HU_LIMITS))  # as the pipeline does, so that numbers agree
        measurements = measure(volume, lungs_with_lesions(lungs, lesions, volume.spacing), lesions)
        refresh_algorithm_types(segmentation)
        self._writeTable(measurements, segmentation, inputVolume)
        return measurements

    def tableFor(self, segmentation: vtkMRMLSegmentationNode) -> vtkMRMLTableNode | None:
        """The table of measurements that belongs to a segmentation, or None."""
        return segmentation.GetNodeReference(self.TABLE_ROLE)

    def _writeTable(self, measurements: dict, segmentation, inputVolume) -> None:
        from CovidLungQuantLib.measurements import to_rows
        from LesionKitLib.mrml.hierarchy import place_beside
        from LesionKitLib.mrml.tables import write_table

        header, rows = to_rows(measurements)
        existing = self.tableFor(segmentation)
        name = f"{segmentation.GetName()} measurements"
        table = write_table(segmentation.GetScene(), header, rows, name, existing)
        if existing is None:
            segmentation.SetNodeReferenceID(self.TABLE_ROLE, table.GetID())
            place_beside(table, inputVolume)

    def _pipeline(self):
        if self._analyse is None:
            from CovidLungQuantLib.pipeline import analyse

            self._analyse = analyse
        return self._analyse


class CovidLungQuantTest(ScriptedLoadableModuleTest):
    """Runs in Slicer (ctest, or Reload and Test) and on slicer-core alone.

    analyse: set it to run without the bundled network.
    """

    analyse = None

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_phantom_is_segmented_and_measured()

    def test_phantom_is_segmented_and_measured(self):
        from CovidLungQuantLib.phantom import make_phantom

        self.delayDisplay("Making a phantom")
        phantom = make_phantom(seed=1, spacing=(3.0, 3.0, 5.0))
        node = slicer.util.addVolumeFromArray(phantom.volume.array, phantom.volume.ijk_to_ras, "Phantom CT")
        logic = CovidLungQuantLogic(analyse=type(self).analyse)

        self.delayDisplay("Segmenting it")
        segmentation = logic.process(node)

        self.assertEqual(segmentation.GetSegmentation().GetNumberOfSegments(), 5)
        self.assertEqual(logic.tableFor(segmentation).GetNumberOfRows(), 12)
        total = logic.measure(segmentation, node)["total"]
        truth = phantom.truth_ml
        self.assertAlmostEqual(total["lung_ml"], truth["lung_ml"], delta=0.2 * truth["lung_ml"])
        self.assertGreater(total["ggo_ml"] + total["high_opacity_ml"], 0)
        self.delayDisplay("Done")
