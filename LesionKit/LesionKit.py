"""The hidden module that brings LesionKitLib, which the other modules share, into 3D Slicer."""

from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest


class LesionKit(ScriptedLoadableModule):
    """Shows nothing: it exists so that its folder, with LesionKitLib, is installed and importable."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("LesionKit")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = []
        self.parent.contributors = ["The LesionKit contributors"]
        self.parent.hidden = True
        self.parent.helpText = _("What the modules of the LesionKit extension share.")
        self.parent.acknowledgementText = _("For research and education only, not a medical device.")


class LesionKitTest(ScriptedLoadableModuleTest):
    """Run by ctest and by "Reload and Test"; the full tests lie in the folder Testing of the repository."""

    def runTest(self):
        self.test_the_shared_library_is_installed()

    def test_the_shared_library_is_installed(self):
        import numpy as np

        from LesionKitLib.imaging.volume import Volume, affine

        volume = Volume(np.zeros((2, 3, 4)), affine((0.5, 1.0, 4.0)))
        self.assertAlmostEqual(volume.voxel_ml, 0.002)
