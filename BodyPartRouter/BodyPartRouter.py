"""BodyPartRouter: tells the body part of X-rays and sends them where they belong. Slicer's module, panel, logic, test.

What is known about images and rules is in BodyPartRouterLib; the sections of the panel are in BodyPartRouterPanel. All
are imported when they are needed, so that Slicer starts as fast with this module as without it.
"""

import sys
from pathlib import Path
from typing import Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode
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

from LesionKitPanel.module_test import ModuleTest
from LesionKitPanel.module_widget import PanelWidget

HOMEPAGE = "https://github.com/LesionKit/SlicerLesionKit/blob/main/docs"
# Written down here, because importing the libraries at start-up would cost time; a test compares them.
NETWORKS = ["efficientnet-lite0", "light"]
DEVICES = ["auto", "cpu", "cuda", "mps"]
SOURCES = ["loaded", "folder", "database"]


class BodyPartRouter(ScriptedLoadableModule):
    """What Slicer's module list shows."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("BodyPartRouter")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Informatics")]
        self.parent.dependencies = ["LesionKit", "Volumes", "SubjectHierarchy"]
        self.parent.contributors = ["The LesionKit contributors"]
        self.parent.helpText = _(
            "Tells whether an X-ray shows the abdomen, an adult's or a child's chest, the spine or something else, "
            "compares that with the header, and sends the images where rules say. What it is not sure of it leaves to "
            "a person. Choose a loaded image, a folder or the selection of the DICOM module and press Classify. "
            '<a href="{home}/tutorial-router.md">Tutorial</a>, <a href="{home}/router-rules.md">rules</a>. '
            "<b>Research and education only, not a medical device.</b>"
        ).format(home=HOMEPAGE)
        self.parent.acknowledgementText = _(
            "The idea follows H. H. Pham, D. V. Do, H. Q. Nguyen, DICOM Imaging Router: an open deep learning framework"
            " for classification of body parts from DICOM X-ray scans, arXiv 2108.06490. It was written anew."
        )


@parameterNodeWrapper
class BodyPartRouterParameterNode:
    """The user's choices, saved with the scene.

    source: one of SOURCES. threshold: a class less probable than this is left to a person.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    source: Annotated[str, Choice(SOURCES)] = "loaded"
    network: Annotated[str, Choice(NETWORKS)] = "efficientnet-lite0"
    device: Annotated[str, Choice(DEVICES)] = "auto"
    threshold: Annotated[float, WithinRange(0.0, 1.0), Decimals(2), SingleStep(0.05)] = 0.0


class BodyPartRouterWidget(PanelWidget, ScriptedLoadableModuleWidget):
    """The panel: the scene's parameters, and the sections Run, Results and Route that follow them."""

    def setup(self):
        super().setup()
        from BodyPartRouterPanel.entries import Entries
        from BodyPartRouterPanel.results import ResultsSection
        from BodyPartRouterPanel.route import RouteSection
        from BodyPartRouterPanel.run import RunSection

        from LesionKitPanel.parameters import load_ui

        self.ui = load_ui(self, "BodyPartRouter.ui")
        self.logic = BodyPartRouterLogic()
        self.entries = Entries(self._onEntriesChanged)
        self.runSection = RunSection(self.ui, self.logic, self.entries.replace, self._onRun)
        self.resultsSection = ResultsSection(self.ui, self.logic, self.entries)
        self.routeSection = RouteSection(self.ui, self.logic, self.entries)
        self.sections = (self.runSection, self.resultsSection, self.routeSection)
        self.followScene(BodyPartRouterParameterNode, {"network": NETWORKS, "device": DEVICES, "source": SOURCES})

    def _onClose(self):
        self.runSection.stop()
        self.routeSection.stop()
        self.entries.clear()

    def _onParametersChanged(self):
        self.runSection.show(self._parameterNode)
        if self._parameterNode is not None:
            self.entries.set_threshold(self._parameterNode.threshold)

    def _onEntriesChanged(self):
        if len(self.sections):
            self.resultsSection.show()
            self.routeSection.check()

    def _onRun(self):
        """A run of the network has begun or ended."""
        self.resultsSection.setNetwork(self._parameterNode.network if self._parameterNode else "")
        self.routeSection.setBusy(self.runSection.apply.running)


class BodyPartRouterLogic(ScriptedLoadableModuleLogic):
    """Files or a volume node in, what they show and where they go out; images and heat maps as nodes.

    Every error is a ValueError whose message is a sentence for the user, but for MissingResource of
    LesionKitLib.run.errors (no weights or no PyTorch: something can be installed) and Cancelled. No file of the user's
    is changed but for those that rules move. loadClassifier(network, device): by default the function load_classifier
    of BodyPartRouterLib.classification.classifier.
    """

    FILE_ATTRIBUTE = "LesionKit.Router.File"  # of a volume that was shown: its file
    HEATMAP_ROLE = "LesionKit.heatmap"

    def __init__(self, loadClassifier=None):
        super().__init__()
        self._loadClassifier = loadClassifier
        self._classifiers = {}  # of the worker's thread: (network, device) -> classifier
        self._explainers = {}  # of the main thread, which explains while the worker may be classifying
        self._last = None  # (network, device) of the last run
        self._thumbnails = None  # a temporary folder

    def process(self, inputs, network="efficientnet-lite0", device="auto", progress=None) -> list:
        """Examine files, or all files in folders: a list of BodyPartRouterLib.routing.examination.Examined."""
        from LesionKitLib.run.progress import Progress

        return self.prepareFiles(inputs, network, device)(progress or Progress())

    def prepareFiles(self, inputs, network="efficientnet-lite0", device="auto"):
        """The examination as a function of a Progress, which touches no node and may run on another thread."""
        from BodyPartRouterLib.routing.examination import examine
        from BodyPartRouterLib.routing.find_files import find_files

        paths = find_files(inputs)

        def work(progress):
            classifier = self._classifier(network, device, progress)
            return list(examine(paths, classifier, (), progress, thumbnail=self._saveThumbnail))

        return work

    def prepareVolume(self, volumeNode, network="efficientnet-lite0", device="auto"):
        """As prepareFiles, of an image in the scene: its file where there is one, otherwise its pixels."""
        from BodyPartRouterLib.routing.examination import examine_pixels

        path = self.fileOf(volumeNode)
        if path is not None:
            return self.prepareFiles([path], network, device)
        # the node's ID, because names are not unique, and its name for people
        xray, name = self.xrayOf(volumeNode), f"{volumeNode.GetID()}/{volumeNode.GetName().replace('/', '_')}"

        def work(progress):
            return [examine_pixels(name, xray, self._classifier(network, device, progress), self._saveThumbnail)]

        return work

    def fileOf(self, volumeNode) -> Path | None:
        """The file that a volume was loaded from, if it is still there."""
        uids = (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split()
        database = getattr(slicer, "dicomDatabase", None)
        names = [database.fileForInstance(uids[0])] if uids and database is not None else []
        storage = volumeNode.GetStorageNode()
        names += [storage.GetFileName()] if storage is not None else []
        return next((Path(name) for name in names if name and Path(name).is_file()), None)

    def xrayOf(self, volumeNode):
        """An Xray of the node's own pixels, black to white over their range."""
        import numpy as np

        from BodyPartRouterLib.reading.xray import Xray
        from LesionKitLib.run.errors import UnusableInput

        if volumeNode is None or volumeNode.GetImageData() is None:
            raise UnusableInput(_("The volume holds no image."))
        array = slicer.util.arrayFromVolume(volumeNode)
        if array.ndim == 4:  # colors
            array = array.mean(axis=-1)
        if len(array) != 1:
            raise UnusableInput(_("This is a volume of {n} slices, not an X-ray.").format(n=len(array)))
        pixels = array[0].astype(np.float32)
        low, high = float(pixels.min()), float(pixels.max())
        if high <= low:
            raise UnusableInput(_("The image is of one gray value."))
        note = _("The pixels of the scene were taken, because the image has no file.")
        return Xray((pixels - low) / (high - low), notes=(note,))

    # rules and routing

    def rulesFor(self, rulesPath: str, folder: str, move: bool = False):
        """Of a rules file (relative folders below ``folder`` if given), or a folder for each class below ``folder``."""
        from BodyPartRouterLib.routing.configuration.rules import folder_rules, into_folder
        from BodyPartRouterLib.routing.configuration.rules_file import load_rules

        if not rulesPath:
            if not folder:
                raise ValueError(_("Choose rules, or a folder to sort into."))
            return folder_rules(folder, move)
        rules = load_rules(rulesPath)
        return into_folder(rules, folder, move) if folder else rules

    def plan(self, examined, rules, progress=None) -> list:
        """The dry run: a Routed for each image; nothing is changed. May run on another thread."""
        planned = []
        for one in examined:
            if progress is not None:
                progress.report("planning", len(planned) / len(examined))
            planned.append(self._planOne(one, rules))
        return planned

    def prepareRoute(self, examined, rules):
        """Planning and delivering as a function of a Progress; gives the Routed with what became of each."""
        from BodyPartRouterLib.routing.route_files import carry_out

        return lambda progress: carry_out(self.plan(examined, rules, progress), rules, progress=progress)

    def _planOne(self, examined, rules):
        from dataclasses import replace

        from BodyPartRouterLib.reading.xray_file import read_values
        from BodyPartRouterLib.routing.route_files import plan_one

        wanted = rules.keywords - set(examined.values)
        if wanted and not examined.in_memory:  # the rules were chosen after the images were examined
            examined = replace(examined, values={**examined.values, **read_values(examined.path, wanted)})
        return plan_one(examined, rules)

    def recordOf(self, examined, routed=None) -> dict:
        """What the table shows of an image, as ``lesionkit route --json`` tells it."""
        from BodyPartRouterLib.routing.plan import to_record

        return routed.record if routed is not None else to_record(examined, None, None)

    def moduleOf(self, routed) -> str:
        """The module that an image's rule names, or ""."""
        deliveries = routed.plan.deliveries if routed is not None and routed.plan is not None else ()
        return next((delivery.target for delivery in deliveries if delivery.kind == "open"), "")

    def classTitles(self) -> dict[str, str]:
        """Class -> its name for people."""
        from BodyPartRouterLib.labels import CLASSES, title

        return {label: title(label) for label in CLASSES}

    def correct(self, examined, label: str, path: str, network: str = "") -> None:
        """Write down the class that a person gave an image."""
        from BodyPartRouterLib.routing.corrections import write_correction

        write_correction(path, examined, label, network)

    # nodes

    def show(self, examined):
        """The image as a volume in the views; the same node when it was shown before."""
        from LesionKitLib.mrml.views import show_ct, show_volume

        node = self._nodeOf(examined)
        if examined.in_memory:
            show_volume(node)
        else:
            show_ct(node, window=1.0, level=0.5)
        return node

    def showHeatmap(self, examined, label: str | None = None):
        """Grad-CAM of a class (default: the likeliest) over the image, as a volume on its grid."""
        from LesionKitLib.mrml.overlays import write_overlay

        if self._last is None:
            raise ValueError(_("Classify the image first."))
        node = self.show(examined)
        array = self._explainer().explain(self._xray(examined), label)
        existing = node.GetNodeReference(self.HEATMAP_ROLE)
        name, colors = f"{node.GetName()} heat map", "vtkMRMLColorTableNodeFileColdToHotRainbow.txt"
        heatmap = write_overlay(array[None], node, name, colors, existing)
        node.SetNodeReferenceID(self.HEATMAP_ROLE, heatmap.GetID())
        return heatmap

    def openIn(self, examined, module: str):
        """Load what another module needs: the whole series of a CT or MR, otherwise the image."""
        if module not in ("CovidLungQuant", "StrokeSynth"):
            return self.show(examined)
        from LesionKitLib.io.images import read_volume

        volume = read_volume(examined.path)
        return slicer.util.addVolumeFromArray(volume.array, volume.ijk_to_ras, examined.path.stem)

    def _nodeOf(self, examined):
        import numpy as np

        if examined.in_memory:
            return self._loadedNode(examined)
        key = str(examined.path)
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
            if node.GetAttribute(self.FILE_ATTRIBUTE) == key:
                return node
        xray = self._xray(examined)
        pixels, matrix = np.ascontiguousarray(xray.pixels[None]), _radiographMatrix(examined.path, xray.spacing)
        node = slicer.util.addVolumeFromArray(pixels, matrix, examined.path.stem)
        node.SetAttribute(self.FILE_ATTRIBUTE, key)
        return node

    def _loadedNode(self, examined):
        """The node of the scene that was examined."""
        node = slicer.mrmlScene.GetNodeByID(examined.path.parts[0])
        if node is None:
            raise ValueError(_("The image is no longer in the scene."))
        return node

    def _xray(self, examined):
        from BodyPartRouterLib.reading.xray_file import read_xray

        return self.xrayOf(self._loadedNode(examined)) if examined.in_memory else read_xray(examined.path)

    def _explainer(self):
        if self._last not in self._explainers:
            self._explainers[self._last] = self._load(*self._last)
        return self._explainers[self._last]

    def _load(self, network, device):
        if self._loadClassifier is None:
            from BodyPartRouterLib.classification.classifier import load_classifier

            self._loadClassifier = load_classifier
        return self._loadClassifier(network, device)

    # on the worker's thread

    def _classifier(self, network, device, progress):
        key = network, device
        if key not in self._classifiers:
            progress.report("loading the network", 0.0)
            self._classifiers[key] = self._load(network, device)
        self._last = key
        return self._classifiers[key]

    def _saveThumbnail(self, xray) -> str:
        """A small PNG in a temporary folder."""
        import tempfile
        import uuid

        from PIL import Image

        from BodyPartRouterLib.reading.thumbnail import thumbnail

        if self._thumbnails is None:
            self._thumbnails = tempfile.mkdtemp(prefix="BodyPartRouter-", dir=slicer.app.temporaryPath)
        path = Path(self._thumbnails, f"{uuid.uuid4().hex}.png")
        Image.fromarray(thumbnail(xray, 64)).save(path)
        return str(path)

    def removeThumbnails(self) -> None:
        """They show patients; nothing of them stays behind."""
        import shutil

        if self._thumbnails is not None:
            shutil.rmtree(self._thumbnails, ignore_errors=True)
            self._thumbnails = None


def _radiographMatrix(path, spacing):
    """4 x 4 from pixels to mm that shows an X-ray as it is looked at: the patient's left at the right, head up.

    PatientOrientation (DICOM PS3.3 C.7.6.1.1.1) names the directions of rows and columns; without it L\\F is taken.
    """
    import numpy as np

    from BodyPartRouterLib.reading.xray_file import read_values

    rows, columns = spacing or (1.0, 1.0)
    told = read_values(path, ["PatientOrientation"]).get("PatientOrientation", ())
    along_row, along_column = (told[0][:1], told[1][:1]) if len(told) == 2 else ("L", "F")
    x = columns if along_row == "R" else -columns
    y = rows if along_column == "H" else -rows
    return np.diag([x, y, np.sign(x * y), 1.0])  # a right-handed grid, whatever is mirrored


class BodyPartRouterTest(ModuleTest, ScriptedLoadableModuleTest):
    """Runs in Slicer (ctest, or Reload and Test) and on slicer-core alone, with a stand-in for the network."""

    module = "BodyPartRouter"
    tests = ("test_an_image_is_examined_routed_and_explained",)
    panelTests = (
        "test_a_folder_is_classified_planned_and_shown",
        "test_two_loaded_images_and_a_saved_scene",
        "test_closing_the_scene_during_a_run_is_safe",
    )

    def test_an_image_is_examined_routed_and_explained(self):
        import tempfile

        import numpy as np
        from PIL import Image

        with tempfile.TemporaryDirectory(dir=slicer.app.temporaryPath) as folder:
            gradient = np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (48, 1))
            path = Path(folder, "image.png")
            Image.fromarray(gradient).save(path)
            logic = BodyPartRouterLogic(loadClassifier=lambda network, device: StandInClassifier())
            self.delayDisplay("Examining an image")
            (examined,) = logic.process([path])
            self.assertEqual(examined.label, "spine")
            rules = logic.rulesFor("", str(Path(folder, "sorted")))
            (planned,) = logic.plan([examined], rules)
            self.assertIn("spine", planned.destination)
            heatmap = logic.showHeatmap(examined)
            self.assertEqual(heatmap.GetImageData().GetDimensions(), (64, 48, 1))
            logic.removeThumbnails()
        self.delayDisplay("Done")

    def test_a_folder_is_classified_planned_and_shown(self):
        import tempfile

        with tempfile.TemporaryDirectory(dir=slicer.app.temporaryPath) as folder:
            for name in ("a", "b"):
                _writePicture(Path(folder, "in", f"{name}.png"))
            panel, widget = self.opened()
            widget._parameterNode.source = "folder"
            widget.ui.folderPathLineEdit.currentPath = str(Path(folder, "in"))
            self.delayDisplay("Classifying a folder")
            panel.press(widget.ui.applyButton, widget.runSection)
            table = widget.ui.imagesTableWidget
            self.assertEqual(table.rowCount, 2)
            widget.ui.targetPathLineEdit.currentPath = str(Path(folder, "sorted"))
            panel.press(widget.ui.planButton, widget.routeSection)
            self.assertFalse(Path(folder, "sorted").exists())
            table.selectRow(0)
            slicer.app.processEvents()
            widget.ui.showButton.click()
            widget.ui.heatmapCheckBox.checked = True
            self.assertEqual(len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")), 2)
            widget.ui.heatmapCheckBox.checked = False
            panel.press(widget.ui.routeButton, widget.routeSection)
            self.assertEqual(len(list(Path(folder, "sorted").rglob("*.png"))), 2)
            widget.logic.removeThumbnails()

    def test_two_loaded_images_and_a_saved_scene(self):
        import numpy as np

        pixels = np.tile(np.linspace(0, 255, 64, dtype=np.int16), (48, 1))[None]
        nodes = [slicer.util.addVolumeFromArray(pixels, name="AP // chest") for _ in range(2)]
        panel, widget = self.opened()
        widget._parameterNode.inputVolume = nodes[1]
        panel.press(widget.ui.applyButton, widget.runSection)
        self.assertIs(widget.logic.show(widget.entries.all[0].raw), nodes[1])
        self.delayDisplay("Saving and loading the scene")
        widget._parameterNode.threshold = 0.25
        panel.reloadScene()
        self.assertEqual(widget._parameterNode.threshold, 0.25)
        self.assertIsNotNone(widget._parameterNode.inputVolume)
        self.assertEqual(widget.entries.all, [])

    def test_closing_the_scene_during_a_run_is_safe(self):
        import tempfile
        import threading

        gate, began = threading.Event(), threading.Event()

        class Waiting(StandInClassifier):
            def predict(self, xrays, progress=None):
                began.set()
                gate.wait(10)
                return super().predict(xrays, progress)

        with tempfile.TemporaryDirectory(dir=slicer.app.temporaryPath) as folder:
            _writePicture(Path(folder, "in", "a.png"))
            panel, widget = self.opened(Waiting)
            widget._parameterNode.source = "folder"
            widget.ui.folderPathLineEdit.currentPath = str(Path(folder, "in"))
            widget.ui.applyButton.click()
            panel.waitWhile(lambda: not began.is_set())
            slicer.mrmlScene.Clear(False)
            gate.set()
            slicer.app.processEvents()
            self.assertFalse(widget.runSection.apply.running)
            self.assertEqual(widget.entries.all, [])
            widget.runSection.apply.runner.stop(5.0)

    def opened(self, kind=None):
        """(what a user does, the panel) with a stand-in for the network."""
        panel = self.panelTest()
        widget = panel.openPanel()
        panel.replace(widget.logic, "_classifiers", {})
        panel.replace(widget.logic, "_explainers", {})
        panel.replace(widget.logic, "_loadClassifier", lambda network, device: (kind or StandInClassifier)())
        return panel, widget


def _writePicture(path) -> None:
    """A gradient as PNG."""
    import numpy as np
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (48, 1))).save(path)


class StandInClassifier:
    """Takes every image for a spine."""

    network, name, version = "light", "stand-in", "0"

    def predict(self, xrays, progress=None):
        from BodyPartRouterLib.classification.prediction import Prediction
        from BodyPartRouterLib.labels import CLASSES

        return [Prediction("spine", 1.0, {name: float(name == "spine") for name in CLASSES}, False) for _x in xrays]

    def explain(self, xray, label=None):
        return xray.pixels
