"""Reads .ui files with the stand-ins in the place of Slicer's widgets, and refuses what the real widgets lack."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import qt
from PySide6 import QtCore, QtUiTools

from .standins import CLASSES


class QUiLoader(QtUiTools.QUiLoader):
    """Stands for qt.QUiLoader; load takes an open file, as there.

    Raises ValueError for a widget without stand-in and for a property that its widget lacks. Connections between
    widgets are made in Python: C++ knows no vtkMRMLScene*.
    """

    _alive: list = []  # Python halves of the widgets: Qt would keep only the C++ halves

    def createWidget(self, class_name, parent=None, name=""):
        if class_name in CLASSES:
            widget = CLASSES[class_name](parent)
            widget.setObjectName(name)
        elif class_name.startswith(("ctk", "q")):
            raise ValueError(f"There is no stand-in for {class_name}")
        else:
            widget = super().createWidget(class_name, parent, name)
        self._alive.append(widget)
        return widget

    def load(self, file, parent=None):
        root = ElementTree.fromstring(bytes(file.readAll().data()))
        unknown = [name for name in _class_names(root) if name.startswith(("ctk", "q")) and name not in CLASSES]
        if unknown:
            raise ValueError(f"There is no stand-in for {', '.join(unknown)}")
        connections, enumerators = _take_connections(root), _take_enumerators(root)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        top = super().load(buffer, parent)
        if top is None:
            return None
        widgets = {widget.objectName: widget for widget in [top, *top.findChildren(qt.QObject)]}
        for name in set(widgets) & set(vars(top)):
            delattr(top, name)  # see StandIn.__setattr__
        _check_properties(root, widgets)
        for name, property_name, value in enumerators:
            widgets[name].setProperty(property_name, value)
        for sender, signal, receiver, slot in connections:
            widgets[sender].connect(signal, widgets[receiver], slot)
        return top


def _class_names(root) -> list[str]:
    return sorted({element.get("class") for element in root.iter("widget")})


def _take_connections(root) -> list[tuple[str, ...]]:
    found = []
    for group in root.findall("connections"):
        for entry in group:
            found.append(tuple(entry.findtext(part) for part in ("sender", "signal", "receiver", "slot")))
        root.remove(group)
    return found


def _take_enumerators(root) -> list[tuple[str, str, int]]:
    """(widget, property, value) of the properties whose values are a stand-in's enumerators, such as
    ctkPathLineEdit::Dirs, which Qt cannot read."""
    found = []
    for element in root.iter("widget"):
        for described in element.findall("property"):
            text = described.findtext("set") or described.findtext("enum") or ""
            parts = [part.split("::") for part in text.split("|")]
            if parts[0][0] in CLASSES:
                value = sum(getattr(CLASSES[part[0]], part[-1]) for part in parts)
                found.append((element.get("name"), described.get("name"), value))
                element.remove(described)
    return found


def _check_properties(root, widgets) -> None:
    for element in root.iter("widget"):
        widget = widgets[element.get("name")]
        meta = widget.metaObject()
        for described in element.findall("property"):
            is_dynamic = described.get("stdset") == "0"
            if not is_dynamic and meta.indexOfProperty(described.get("name")) < 0:
                raise ValueError(f"{element.get('class')} has no property {described.get('name')}")
