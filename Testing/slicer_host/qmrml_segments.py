"""Stand-ins for the widgets that edit and list segments. They hold a real editor node, and real undo; nobody paints."""

from __future__ import annotations

import qt
import slicer
import vtk
from PySide6 import QtCore
from PySide6.QtCore import Property, Signal

from .qmrml_widgets import qMRMLWidget
from .standins import Observations, stored

EFFECTS = (
    "Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Fill between slices",
    "Margin", "Hollow", "Smoothing", "Scissors", "Islands", "Logical operators", "Mask volume",
)  # fmt: skip


EFFECT_PX = 36


class qMRMLSegmentsTableView(qMRMLWidget):
    """Lists the segments: visible or not, color, name."""

    SIGNALS = {"selectionChanged(QItemSelection,QItemSelection)", "segmentAboutToBeModified(QString)"}
    selectionChanged, segmentAboutToBeModified = Signal(object, object), Signal(str)
    headerVisible = stored(bool, True)
    readOnly = stored(bool, False)
    visibilityColumnVisible = stored(bool, True)
    colorColumnVisible = stored(bool, True)
    opacityColumnVisible = stored(bool, True)
    statusColumnVisible = stored(bool, False)
    layerColumnVisible = stored(bool, False)
    filterBarVisible = stored(bool, False)
    jumpToSelectedSegmentEnabled = stored(bool, False)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node, self._ids, self._observations = None, [], Observations(self)
        self._list = qt.QListWidget(self)
        self._list.setSelectionMode(qt.QAbstractItemView.ExtendedSelection)
        self._list.minimumHeight = 110
        column = qt.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._list)
        self._list.itemSelectionChanged.connect(lambda: self.selectionChanged.emit(None, None))

    def segmentationNode(self):
        return self._node

    def setSegmentationNode(self, node):
        self._node = node
        self._observations.clear()
        self._observations.add(node, vtk.vtkCommand.AnyEvent, self._on_modified)
        self._fill()

    def selectedSegmentIDs(self):
        return tuple(self._ids[self._list.row(item)] for item in self._list.selectedItems())

    def setSelectedSegmentIDs(self, ids):
        """Without selectionChanged, which tells of a person's clicks."""
        blocked = self._list.blockSignals(True)
        for row, segment_id in enumerate(self._ids):
            self._list.item(row).setSelected(segment_id in ids)
        self._list.blockSignals(blocked)

    def clearSelection(self):
        self._list.clearSelection()

    segmentCount = Property(int, lambda self: len(self._ids))

    def _on_modified(self, _node, _event):
        self._fill()

    def _fill(self):
        selected = self.selectedSegmentIDs()
        segmentation = self._node.GetSegmentation() if self._node is not None else None
        self._ids = list(segmentation.GetSegmentIDs()) if segmentation is not None else []
        blocked = self._list.blockSignals(True)
        self._list.clear()
        for segment_id in self._ids:
            segment = segmentation.GetSegment(segment_id)
            square = qt.QPixmap(14, 14)
            square.fill(qt.QColor.fromRgbF(*segment.GetColor()))
            item = qt.QListWidgetItem(qt.QIcon(square), segment.GetName())
            self._list.addItem(item)
            item.setSelected(segment_id in selected)
        self._list.blockSignals(blocked)


class Effect:
    """The chosen effect. Of all effects only Margin can be applied here, with the editor's C++ logic."""

    def __init__(self, editor, name: str):
        self.name, self._editor, self._parameters = name, editor, {}

    def setParameter(self, name, value):
        self._parameters[name] = str(value)

    def self(self):
        """The Python half of a scripted effect."""
        return self

    def onApply(self):
        if self.name != "Margin":
            raise ValueError(f"The effect {self.name} cannot be applied on the host")
        from .editing import grow

        grow(self._editor, float(self._parameters["MarginSizeMm"]))


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """The Segment Editor: its node, its choices, undo and redo. Effects can be chosen, but do nothing."""

    SIGNALS = {
        "currentSegmentIDChanged(QString)",
        "segmentationNodeChanged(vtkMRMLSegmentationNode*)",
        "sourceVolumeNodeChanged(vtkMRMLVolumeNode*)",
    }
    currentSegmentIDChanged = Signal(str)
    segmentationNodeChanged, sourceVolumeNodeChanged = Signal(object), Signal(object)
    segmentationNodeSelectorVisible = stored(bool, True)
    sourceVolumeNodeSelectorVisible = stored(bool, True)
    switchToSegmentationsButtonVisible = stored(bool, True)
    addRemoveSegmentButtonsVisible = stored(bool, True, "_show_parts")
    show3DButtonVisible = stored(bool, True, "_show_parts")
    specifyGeometryButtonVisible = stored(bool, True)
    maskingSectionVisible = stored(bool, True, "_show_parts")
    unorderedEffectsVisible = stored(bool, True)
    autoShowSourceVolumeNode = stored(bool, True)
    jumpToSelectedSegmentEnabled = stored(bool, False)
    undoEnabled = stored(bool, True)
    readOnly = stored(bool, False)
    maximumNumberOfUndoStates = stored(int, 10, "_limit_undo")
    effectColumnCount = stored(int, 2)
    defaultTerminologyEntry = stored(str, "")
    defaultTerminologyEntrySettingsKey = stored(str, "")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._editor = self._segmentation = self._volume = self._interaction = None
        self._order, self._has_shortcuts, self._observes_views = (), False, False
        self._observations, self._scene_observations = Observations(self), Observations(self)
        self._offered = None  # what the selector of the image shows
        self._history = slicer.vtkSegmentationHistory()
        self._limit_undo()
        self._build()

    # --- what is edited ---

    def setMRMLScene(self, scene):
        super().setMRMLScene(scene)
        self._scene_observations.clear()
        self._scene_observations.add(scene, slicer.vtkMRMLScene.NodeRemovedEvent, self._on_node_removed)

    def _on_node_removed(self, scene, _event):
        """The selector of the image, hidden or not, goes on to another image when its own is removed."""
        if self._offered is not None and not scene.IsNodePresent(self._offered):
            self._offered = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if self._offered is not None and self._segmentation is None:
                QtCore.qCritical("setSourceVolumeNode failed: need to set segment editor and segmentation nodes first")

    def mrmlSegmentEditorNode(self):
        return self._editor

    def setMRMLSegmentEditorNode(self, node):
        if node is self._editor:
            return
        self._editor = node
        self._observations.clear()
        self._observations.add(node, vtk.vtkCommand.ModifiedEvent, self._on_editor_modified)
        self.updateWidgetFromMRML()

    def updateWidgetFromMRML(self):
        """Take segmentation, volume and segment from the editor's node."""
        editor = self._editor
        segmentation = editor.GetSegmentationNode() if editor is not None else None
        volume = editor.GetSourceVolumeNode() if editor is not None else None
        if segmentation is not self._segmentation:
            self._segmentation = segmentation
            self._history.RemoveAllStates()
            self._history.SetSegmentation(segmentation.GetSegmentation() if segmentation is not None else None)
            self._table.setSegmentationNode(segmentation)
            self._choose_first_segment()
            self.segmentationNodeChanged.emit(segmentation)
        if volume is not self._volume:
            self._volume = self._offered = volume
            self.sourceVolumeNodeChanged.emit(volume)
        for name, button in self._buttons.items():
            button.checked = name == self._effect_name()
        self._show_parts()

    def segmentationNode(self):
        return self._segmentation

    def segmentationNodeID(self):
        return self._segmentation.GetID() if self._segmentation is not None else ""

    def setSegmentationNode(self, node):
        self._need_editor().SetAndObserveSegmentationNode(node)
        self.updateWidgetFromMRML()

    def setSegmentationNodeID(self, node_id):
        self.setSegmentationNode(self.mrmlScene().GetNodeByID(node_id))

    def sourceVolumeNode(self):
        return self._volume

    def sourceVolumeNodeID(self):
        return self._volume.GetID() if self._volume is not None else ""

    def setSourceVolumeNode(self, node):
        """As in Slicer, to no effect before a segmentation is set."""
        if self._segmentation is None:
            if node is None:
                return
            raise ValueError("Set the segmentation before the source volume.")
        self._need_editor().SetAndObserveSourceVolumeNode(node)
        self.updateWidgetFromMRML()

    def setSourceVolumeNodeID(self, node_id):
        self.setSourceVolumeNode(self.mrmlScene().GetNodeByID(node_id))

    def currentSegmentID(self):
        return self._editor.GetSelectedSegmentID() or "" if self._editor is not None else ""

    def setCurrentSegmentID(self, segment_id):
        """Also what the keys Q and W do: currentSegmentIDChanged does not come, as in Slicer."""
        if segment_id != self.currentSegmentID():
            self._need_editor().SetSelectedSegmentID(segment_id)
            self._table.setSelectedSegmentIDs([segment_id])

    def _on_row_clicked(self, _selected=None, _deselected=None):
        ids = self._table.selectedSegmentIDs()
        if ids and ids[0] != self.currentSegmentID():
            self._need_editor().SetSelectedSegmentID(ids[0])
            self.currentSegmentIDChanged.emit(ids[0])

    def selectNextSegment(self):
        self.selectSegmentAtOffset(1)

    def selectPreviousSegment(self):
        self.selectSegmentAtOffset(-1)

    def selectSegmentAtOffset(self, offset):
        ids = list(self._segmentation.GetSegmentation().GetSegmentIDs()) if self._segmentation is not None else []
        if ids:
            now = ids.index(self.currentSegmentID()) if self.currentSegmentID() in ids else 0
            self.setCurrentSegmentID(ids[(now + offset) % len(ids)])

    # --- effects ---

    def activeEffect(self):
        name = self._effect_name()
        return Effect(self, name) if name else None

    def availableEffectNames(self):
        return EFFECTS

    def setActiveEffectByName(self, name):
        if name and name not in EFFECTS:
            raise ValueError(f"There is no effect {name}")
        self._need_editor().SetActiveEffectName(name)

    def effectNameOrder(self):
        return self._order

    def setEffectNameOrder(self, names):
        self._order = tuple(names)
        self._show_parts()

    # --- undo ---

    def saveStateForUndo(self):
        if self._segmentation is not None and self.undoEnabled:
            self._history.SaveState()

    def undo(self):
        self._history.RestorePreviousState()

    def redo(self):
        self._history.RestoreNextState()

    # --- the surroundings ---

    def installKeyboardShortcuts(self, parent=None):
        self._has_shortcuts = True

    def uninstallKeyboardShortcuts(self):
        self._has_shortcuts = False

    def setupViewObservations(self):
        self._observes_views = True

    def removeViewObservations(self):
        self._observes_views = False

    def interactionNode(self):
        return self._interaction

    def setInteractionNode(self, node):
        self._interaction = node

    def updateEffectList(self):
        """The effects are always the same here."""

    def _need_editor(self):
        if self._editor is None:
            raise ValueError("Set the segment editor node first.")
        return self._editor

    def _effect_name(self):
        return self._editor.GetActiveEffectName() or "" if self._editor is not None else ""

    def _on_editor_modified(self, _node, _event):
        self.updateWidgetFromMRML()

    def _choose_first_segment(self):
        segmentation = self._segmentation.GetSegmentation() if self._segmentation is not None else None
        ids = list(segmentation.GetSegmentIDs()) if segmentation is not None else []
        if self._editor is not None and self.currentSegmentID() not in ids:
            self.setCurrentSegmentID(ids[0] if ids else "")

    def _limit_undo(self):
        self._history.SetMaximumNumberOfStates(self.maximumNumberOfUndoStates)

    def _build(self):
        column = qt.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._segment_buttons = qt.QWidget(self)
        row = qt.QHBoxLayout(self._segment_buttons)
        row.setContentsMargins(0, 0, 0, 0)
        self._add, self._remove, self._show_3d = (qt.QPushButton(text) for text in ("Add", "Remove", "Show 3D"))
        for button in (self._add, self._remove, self._show_3d):
            row.addWidget(button)
        self._table = qMRMLSegmentsTableView(self)
        self._table.selectionChanged.connect(self._on_row_clicked)
        self._effects = qt.QWidget(self)
        self._grid = qt.QGridLayout(self._effects)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._buttons = {}
        for name in EFFECTS:
            button = qt.QToolButton(self._effects)
            button.text, button.toolTip, button.checkable = name, name, True
            button.setMinimumWidth(EFFECT_PX)  # a picture in Slicer: what it is called asks for no room
            button.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
            button.connect("clicked()", lambda name=name: self._on_effect_clicked(name))
            self._buttons[name] = button
        self._undo_row = qt.QWidget(self)
        row = qt.QHBoxLayout(self._undo_row)
        row.setContentsMargins(0, 0, 0, 0)
        for text, action in (("Undo", self.undo), ("Redo", self.redo)):
            button = qt.QPushButton(text)
            button.connect("clicked()", action)
            row.addWidget(button)
        self._masking = qt.QLabel("Masking: everywhere")
        for part in (self._segment_buttons, self._table, self._effects, self._undo_row, self._masking):
            column.addWidget(part)
        self._show_parts()

    def _on_effect_clicked(self, name):
        self.setActiveEffectByName("" if self._effect_name() == name else name)

    def _show_parts(self):
        self._add.visible = self._remove.visible = self.addRemoveSegmentButtonsVisible
        self._show_3d.visible = self.show3DButtonVisible
        self._masking.visible = self.maskingSectionVisible
        self._effects.enabled = self._segmentation is not None and self._volume is not None
        shown = [name for name in self._order if name in self._buttons]
        if self.unorderedEffectsVisible:
            shown += [name for name in EFFECTS if name not in shown]
        for name, button in self._buttons.items():
            self._grid.removeWidget(button)
            button.visible = name in shown
        for index, name in enumerate(shown):
            self._grid.addWidget(self._buttons[name], *divmod(index, self.effectColumnCount))
        modes = {value: name for name, value in vars(slicer.vtkMRMLSegmentationNode).items() if name.startswith("Edit")}
        mode = modes.get(self._editor.GetMaskMode(), "") if self._editor is not None else ""
        self._masking.text = f"Editable area: {mode.removeprefix('EditAllowed').lower() or 'everywhere'}"
