"""slicer.ScriptedLoadableModule as far as logics need it; the wheel of slicer-core leaves Slicer's own file out."""

from __future__ import annotations

import unittest

import slicer


class ScriptedLoadableModule:
    """What a desktop lists in its module menu; nothing here makes one."""


class ScriptedLoadableModuleWidget:
    """A panel of the desktop; nothing here makes one."""


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A self-test of the desktop; nothing here runs one."""


class ScriptedLoadableModuleLogic:
    """Same names as in Slicer; the parameter node is one of the scene."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        """The scene's parameter node of this module, made when there is none."""
        found = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if found is not None:
            return found
        node = slicer.vtkMRMLScriptedModuleNode()
        node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(self.moduleName)
        return slicer.mrmlScene.AddNode(node)
