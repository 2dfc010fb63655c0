"""StrokeSynth: segments ischemic stroke on brain MR and synthesises brains with strokes. Slicer's module and logic.

What is segmented and synthesised is in StrokeSynthLib; how it becomes nodes is in LesionKitLib.mrml. Both are imported
when they are needed, so that Slicer starts as fast with this module as without it.
"""

from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

HOMEPAGE = "https://github.com/LesionKit/SlicerLesionKit/blob/main/docs"


class StrokeSynth(ScriptedLoadableModule):
    """What Slicer's module list shows."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("StrokeSynth")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "SegmentEditor", "SubjectHierarchy"]
        self.parent.contributors = ["LesionKit contributors"]
        self.parent.helpText = _(
            "Segments ischemic stroke lesions on brain MR, and synthesises brain MR with strokes from label maps. "
            '<a href="{home}/tutorial-stroke.md">Tutorial</a>. '
            "<b>Research and education only, not a medical device.</b>"
        ).format(home=HOMEPAGE)
        self.parent.acknowledgementText = _(
            "After M. Platscher, J. Zopes, C. Federau, Image translation for medical image generation: ischemic stroke "
            "lesions, arXiv 2010.02745. It was written and trained anew from the paper."
        )


class StrokeSynthWidget(ScriptedLoadableModuleWidget):
    """The panel."""


class StrokeSynthLogic(ScriptedLoadableModuleLogic):
    """Volume node in, segmentation and volume nodes out."""


class StrokeSynthTest(ScriptedLoadableModuleTest):
    """Runs in Slicer (ctest, or Reload and Test) and on slicer-core alone."""

    def runTest(self):
        self.test_the_library_is_installed()

    def test_the_library_is_installed(self):
        from StrokeSynthLib.labels import LESION

        self.assertEqual(LESION.key, "lesion")
