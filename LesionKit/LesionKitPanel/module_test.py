"""What the self-tests of the modules share: which are run, before and after each, and the steps of a user."""

from __future__ import annotations

import slicer


class ModuleTest:
    """A mixin, before ScriptedLoadableModuleTest. module: its name.

    tests: names of the methods that need slicer-core alone; panelTests: of those that need the module's panel.
    """

    module = ""
    tests: tuple[str, ...] = ()
    panelTests: tuple[str, ...] = ()

    def setUp(self):
        slicer.mrmlScene.Clear()

    def tearDown(self):
        self.panelTest().restoreAll()

    def runTest(self):
        names = self.tests + (self.panelTests if self.panelTest().hasPanel() else ())
        for name in names:
            self.setUp()
            try:
                getattr(self, name)()
            finally:
                self.tearDown()
        self.setUp()

    def panelTest(self):
        """The steps of a user, whose assertions are this test's."""
        from .selftest import PanelTest

        return PanelTest(self.module)
