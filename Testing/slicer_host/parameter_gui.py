"""Which widget can show which type of parameter, and how: the pairs that Slicer knows, and no other."""

from __future__ import annotations

import enum
import pathlib
import typing

import ctk
import qt
import shiboken6
import slicer

from .parameter_node import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange, splitAnnotations


class Connector:
    """One widget and the parameter type that it shows. Raises RuntimeError where Slicer does."""

    def __init__(self, widget, data_type):
        self.widget = widget
        self.kind, self.annotations = splitAnnotations(data_type)
        self._slot = None
        prepare = self._preparations().get(type(widget))
        if prepare is None or not prepare():
            raise RuntimeError(f"Unable to create GUI connector from datatype '{data_type}' to '{type(widget)}'")

    def listen(self, callback):
        self._slot = lambda *_: callback()
        self._signal.connect(self._slot)

    def is_alive(self) -> bool:
        """Whether the widget is still there: nobody disconnects a panel that goes away."""
        return shiboken6.isValid(self.widget)

    def silence(self):
        self._signal.disconnect(self._slot)

    def _preparations(self):
        return {
            qt.QCheckBox: self._checked,
            qt.QPushButton: self._toggled,
            qt.QSlider: self._integer,
            qt.QSpinBox: self._integer,
            qt.QDoubleSpinBox: self._number,
            ctk.ctkSliderWidget: self._number,
            qt.QComboBox: self._chosen,
            qt.QLineEdit: self._text,
            qt.QTextEdit: self._plain_text,
            ctk.ctkPathLineEdit: self._path,
            ctk.ctkDirectoryButton: self._folder,
            slicer.qMRMLNodeComboBox: self._node,
        }

    def _bind(self, signal, attribute, from_widget=lambda value: value, to_widget=lambda value: value) -> bool:
        self._signal = signal
        self.read = lambda: from_widget(getattr(self.widget, attribute))
        self.write = lambda value: setattr(self.widget, attribute, to_widget(value))
        return True

    def _checked(self):
        return self.kind is bool and self._bind(self.widget.stateChanged, "checked")

    def _toggled(self):
        self.widget.checkable = True
        return self.kind is bool and self._bind(self.widget.toggled, "checked")

    def _integer(self):
        if self.kind is not int:
            return False
        low, high = self._limits(-(2**31), 2**31 - 1)
        self.widget.setRange(low, high)
        return self._bind(self.widget.valueChanged, "value")

    def _number(self):
        if self.kind is not float:
            return False
        decimals, step = self._annotation(Decimals), self._annotation(SingleStep)
        if decimals:
            self.widget.decimals = decimals.value
        if step:
            self.widget.singleStep = step.value
        self.widget.minimum, self.widget.maximum = self._limits(float("-inf"), float("inf"))
        return self._bind(self.widget.valueChanged, "value")

    def _limits(self, lowest, highest):
        within, low, high = (self._annotation(kind) for kind in (WithinRange, Minimum, Maximum))
        if within:
            return within.minimum, within.maximum
        if type(self.widget) in (qt.QSlider, ctk.ctkSliderWidget) and not (low and high):
            raise RuntimeError("A slider cannot show a number that has no limits.")
        return low.minimum if low else lowest, high.maximum if high else highest

    def _chosen(self):
        if isinstance(self.kind, type) and issubclass(self.kind, enum.Enum):
            choices = list(self.kind)
            labels = [getattr(self.kind, "label", lambda member: member.name)(member) for member in choices]
        elif self.kind in (int, float, str, bool):
            if self._annotation(Choice) is None:
                raise RuntimeError("A combo box needs the annotation Choice.")
            choices = list(self._annotation(Choice).choices)
            labels = [str(choice) for choice in choices]
        else:
            return False
        self.widget.clear()
        self.widget.addItems(labels)
        return self._bind(self.widget.currentIndexChanged, "currentIndex", choices.__getitem__, choices.index)

    def _text(self):
        return self.kind is str and self._bind(self.widget.textChanged, "text")

    def _plain_text(self):
        return self.kind is str and self._bind(self.widget.textChanged, "plainText")

    def _path(self):
        return self._is_path() and self._bind(self.widget.currentPathChanged, "currentPath", self.kind, str)

    def _folder(self):
        return self._is_path() and self._bind(self.widget.directoryChanged, "directory", self.kind, str)

    def _is_path(self):
        return isinstance(self.kind, type) and issubclass(self.kind, pathlib.PurePath)

    def _node(self):
        is_union = typing.get_origin(self.kind) is typing.Union
        kinds = [splitAnnotations(kind)[0] for kind in typing.get_args(self.kind)] if is_union else [self.kind]
        kinds = [kind for kind in kinds if kind is not type(None)]
        if not all(isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode) for kind in kinds):
            return False
        # Slicer, too, makes a node to ask for its class name: an abstract class raises TypeError
        self.widget.nodeTypes = [kind().GetClassName() for kind in kinds]
        self._signal = self.widget.currentNodeChanged
        self.read, self.write = self.widget.currentNode, self.widget.setCurrentNode
        return True

    def _annotation(self, kind):
        return next((entry for entry in self.annotations if isinstance(entry, kind)), None)
