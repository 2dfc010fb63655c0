"""Stand-ins for the widgets that know the scene: the base classes and the node selector."""

from __future__ import annotations

import qt
import slicer
from PySide6.QtCore import Property, Signal

from .standins import Observations, StandIn, stored

CREATE = "+"  # the selector's row that makes a node


class qMRMLWidget(StandIn, qt.QWidget):
    """A widget with a scene."""

    SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)"}
    mrmlSceneChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qSlicerWidget(StandIn, qt.QWidget):
    """A widget with a scene, which it passes on to no child (connect mrmlSceneChanged in the .ui file)."""

    SIGNALS = {"mrmlSceneChanged(vtkMRMLScene*)"}
    mrmlSceneChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(StandIn, qt.QWidget):
    """Chooses a node of the scene: keeps its list in step, and falls back to none or the first node."""

    SIGNALS = {
        "currentNodeChanged(vtkMRMLNode*)",
        "currentNodeChanged(bool)",
        "currentNodeIDChanged(QString)",
        "nodeActivated(vtkMRMLNode*)",
        "nodeAdded(vtkMRMLNode*)",
        "nodeAddedByUser(vtkMRMLNode*)",
    }
    currentNodeChanged, currentNodeIDChanged, nodeActivated = Signal(object), Signal(str), Signal(object)
    nodeAdded, nodeAddedByUser = Signal(object), Signal(object)
    nodeTypes = stored("QStringList", [], "_refresh")
    hideChildNodeTypes = stored("QStringList", [], "_refresh")
    showChildNodeTypes = stored(bool, True, "_refresh")
    showHidden = stored(bool, False, "_refresh")
    noneEnabled = stored(bool, False, "_refresh")
    noneDisplay = stored(str, "None", "_refresh")
    addEnabled = stored(bool, True, "_refresh")
    removeEnabled = stored(bool, True)
    renameEnabled = stored(bool, False)
    editEnabled = stored(bool, False)
    selectNodeUponCreation = stored(bool, True)
    baseName = stored(str, "")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._observations = None, Observations(self)
        self._current_id, self._attributes, self._is_filling = "", [], False
        self._combo = qt.QComboBox(self)
        row = qt.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._combo)
        self._combo.activated.connect(self._on_activated)
        self.enabled = False  # until there is a scene

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        self._observations.clear()
        self._scene = scene
        events = slicer.vtkMRMLScene
        for event in (events.NodeAddedEvent, events.NodeRemovedEvent, events.EndBatchProcessEvent):
            self._observations.add(scene, event, self._on_scene_changed)
        self.enabled = scene is not None
        self._refresh()

    def currentNode(self):
        return self._scene.GetNodeByID(self._current_id) if self._scene and self._current_id else None

    def setCurrentNode(self, node):
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id):
        self._refresh(wanted=node_id or "")

    def setCurrentNodeIndex(self, index):
        self.setCurrentNode(self.nodeFromIndex(index))

    currentNodeID = Property(str, lambda self: self._current_id, lambda self, value: self.setCurrentNodeID(value))

    def nodeCount(self):
        return len(self._nodes())

    def nodeFromIndex(self, index):
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    def addNode(self, node_type=None):
        node = self._scene.AddNewNodeByClass(node_type or self.nodeTypes[0], self.baseName)
        self.nodeAdded.emit(node)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        return node

    def removeCurrentNode(self):
        if self.currentNode() is not None:
            self._scene.RemoveNode(self.currentNode())

    def addAttribute(self, node_type, name, value=None):
        self._attributes.append((node_type, name, value))
        self._refresh()

    def removeAttribute(self, node_type, name):
        self._attributes = [entry for entry in self._attributes if entry[:2] != (node_type, name)]
        self._refresh()

    def _nodes(self):
        if self._scene is None:
            return []
        found = []
        for index in range(self._scene.GetNumberOfNodes()):
            node = self._scene.GetNthNode(index)
            if self._is_offered(node):
                found.append(node)
        return found

    def _is_offered(self, node) -> bool:
        kind = node.GetClassName()
        is_wanted = any(node.IsA(name) if self.showChildNodeTypes else kind == name for name in self.nodeTypes)
        if not is_wanted or kind in self.hideChildNodeTypes or (node.GetHideFromEditors() and not self.showHidden):
            return False
        rules = [entry for entry in self._attributes if node.IsA(entry[0])]
        return all(
            node.GetAttribute(name) is not None if value is None else node.GetAttribute(name) == value
            for _type, name, value in rules
        )

    def _on_scene_changed(self, _scene, _event):
        if not self._scene.IsBatchProcessing():
            self._refresh()

    def _refresh(self, wanted: str | None = None):
        """List the nodes and choose: the wanted one, else the present one, else none or the first."""
        if self._scene is None:
            return
        nodes = self._nodes()
        ids = [node.GetID() for node in nodes]
        chosen = self._current_id if wanted is None else wanted
        if chosen not in ids:
            chosen = ids[0] if ids and not self.noneEnabled and wanted is None else ""
        self._fill(nodes)
        self._combo.currentIndex = self._combo.findData(chosen) if chosen or self.noneEnabled else -1
        if chosen != self._current_id:
            self._current_id = chosen
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(chosen)

    def _fill(self, nodes):
        self._combo.clear()
        if self.noneEnabled:
            self._combo.addItem(self.noneDisplay, "")
        for node in nodes:
            self._combo.addItem(node.GetName(), node.GetID())
        for node_type in self.nodeTypes if self.addEnabled else ():
            self._combo.addItem(f"Create new {self._type_label(node_type)}", CREATE + node_type)

    @staticmethod
    def _type_label(node_type):
        return slicer.mrmlScene.GetTagByClassName(node_type) or node_type

    def _on_activated(self, index):
        data = self._combo.itemData(index)
        if data.startswith(CREATE):
            self.nodeAddedByUser.emit(self.addNode(data.removeprefix(CREATE)))
        else:
            self.setCurrentNodeID(data)
            self.nodeActivated.emit(self.currentNode())
