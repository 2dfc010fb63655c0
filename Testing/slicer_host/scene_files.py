"""Stand-in for the manager that reads and writes files: scene bundles, for slicer.util.saveScene and loadScene."""

from __future__ import annotations

import qt
import slicer

from .standins import StandIn


class qSlicerCoreIOManager(StandIn, qt.QObject):
    """Only scenes as .mrb; anything else raises."""

    def saveNodes(self, file_type, properties, _messages=None):
        return bool(slicer.mrmlScene.WriteToMRB(_bundle(file_type, properties)))

    def loadNodes(self, file_type, properties, _loaded=None, _messages=None):
        return bool(slicer.mrmlScene.ReadFromMRB(_bundle(file_type, properties), properties.get("clear", False)))


class qSlicerIOManager(qSlicerCoreIOManager):
    """The desktop's; its dialogs are not here."""


def _bundle(file_type: str, properties: dict) -> str:
    path = str(properties["fileName"])
    if file_type != "SceneFile" or not path.endswith(".mrb"):
        raise ValueError(f"The host reads and writes scenes as .mrb only, not {file_type} {path}")
    return path
