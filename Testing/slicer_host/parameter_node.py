"""slicer.parameterNodeWrapper: typed parameters kept in a vtkMRMLScriptedModuleNode, and so saved with the scene.

Slicer's own package is not in slicer-core. Offered are bool, int, float, str, pathlib.Path, enumerations, MRML node
classes, Union and Optional of them; the annotations Default, WithinRange, Minimum, Maximum and Choice (Decimals and
SingleStep act on widgets, see parameter_gui.py). The names and places in the node are Slicer's, so that scenes pass
from one to the other. As in Slicer, ``X | None`` is not understood (Python before 3.14), Optional[X] is.
"""

from __future__ import annotations

import enum
import pathlib
import typing
from dataclasses import dataclass

import slicer
import slicer.util
import vtk

SlicerParameterNamePropertyName = "SlicerParameterName"


# The wrappers and their observers. Held here because VTK lets Python's garbage collector take a callback from an
# observer that is still called, when nothing in Python knows the observed node any more.
_shown: dict = {}
_caching: list = []


@dataclass
class Default:
    value: object


@dataclass
class Decimals:
    value: int


@dataclass
class SingleStep:
    value: float


class Validator:
    """validate raises ValueError for what is not allowed."""


@dataclass
class WithinRange(Validator):
    minimum: float
    maximum: float

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass
class Minimum(Validator):
    minimum: float

    def validate(self, value):
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


@dataclass
class Maximum(Validator):
    maximum: float

    def validate(self, value):
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


@dataclass
class Choice(Validator):
    choices: typing.Sequence

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be one of {self.choices}")


class Scalar:
    """A value that is a text in the node."""

    def __init__(self, accepted, default, from_text, to_text=str):
        self.accepted, self.default, self.from_text, self.to_text = accepted, default, from_text, to_text

    def accepts(self, value) -> bool:
        return isinstance(value, self.accepted)

    def is_in(self, node, name):
        return node.GetParameter(name) != ""

    def read(self, node, name):
        return self.from_text(node.GetParameter(name))

    def write(self, node, name, value):
        node.SetParameter(name, self.to_text(value))

    def remove(self, node, name):
        node.UnsetParameter(name)


class Text(Scalar):
    """A str; the empty one is a value too."""

    def is_in(self, node, name):
        return name in node.GetParameterNames()


class NodeReference:
    """A node of the scene: a node reference beside an empty text that says that a value was given."""

    default = None

    def __init__(self, kind: type):
        self.kind = kind

    def accepts(self, value) -> bool:
        return value is None or isinstance(value, self.kind)

    def is_in(self, node, name):
        return name in node.GetParameterNames()

    def read(self, node, name):
        return node.GetNodeReference(name)

    def write(self, node, name, value):
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def remove(self, node, name):
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class OneOf:
    """Union: the member that holds a value is found by its own name, <name>_<index>."""

    def __init__(self, members):
        self.members = members
        self.default = None if members[-1].accepts(None) and len(members) == 2 else members[0].default

    def accepts(self, value) -> bool:
        return any(member.accepts(value) for member in self.members)

    def _present(self, node, name):
        numbered = enumerate(self.members)
        return next(((member, f"{name}_{i}") for i, member in numbered if member.is_in(node, f"{name}_{i}")), None)

    def is_in(self, node, name):
        return self._present(node, name) is not None

    def read(self, node, name):
        member, own_name = self._present(node, name)
        return member.read(node, own_name)

    def write(self, node, name, value):
        with slicer.util.NodeModify(node):
            self.remove(node, name)
            accepting = [entry for entry in enumerate(self.members) if entry[1].accepts(value)]
            index, member = accepting[-1 if value is None else 0]  # None belongs to Optional's own member
            member.write(node, f"{name}_{index}", value)

    def remove(self, node, name):
        for index, member in enumerate(self.members):
            member.remove(node, f"{name}_{index}")


@dataclass
class Parameter:
    """One typed member of a wrapper class."""

    name: str
    data_type: object  # as written, with its annotations
    storage: object
    validators: list
    default: object

    def read(self, node):
        return self.storage.read(node, self.name) if self.storage.is_in(node, self.name) else self.default

    def write(self, node, value):
        if not self.storage.accepts(value):
            raise TypeError(f"{self.name} must be {self.data_type}, is {value!r}")
        for validator in self.validators:
            validator.validate(value)
        self.storage.write(node, self.name, value)


def parameterNodeWrapper(cls=None):
    """Class decorator: the class's typed members become parameters of the node given to the constructor."""
    return _wrap if cls is None else _wrap(cls)


def isParameterNodeWrapper(class_or_object) -> bool:
    return issubclass(class_or_object if isinstance(class_or_object, type) else type(class_or_object), _Methods)


def splitAnnotations(data_type):
    """(type, annotations) of a type that may be Annotated."""
    if typing.get_origin(data_type) is typing.Annotated:
        return typing.get_args(data_type)[0], typing.get_args(data_type)[1:]
    return data_type, ()


class _Methods:
    """What every wrapper can do besides its parameters."""

    def __init__(self, parameterNode):
        self.parameterNode = parameterNode
        self._guis, self._next_gui, self._is_updating = {}, 0, False
        self._values, self._writing = {}, set()
        for parameter in self.allParameters.values():
            if not parameter.storage.is_in(parameterNode, parameter.name):
                parameter.write(parameterNode, parameter.default)
        self._read_all()
        _caching.append((self, parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, self._read_all)))

    def _read_all(self, _node=None, _event=None):
        """As in Slicer, values are read when the node tells of a change, and given from memory until the next."""
        for name, parameter in self.allParameters.items():
            if name not in self._writing:
                self._values[name] = parameter.read(self.parameterNode)

    def __setattr__(self, name, value):
        # Slicer lets a mistyped name pass and keeps it nowhere
        if not name.startswith("_") and name != "parameterNode" and name not in self.allParameters:
            raise AttributeError(f"'{type(self).__name__}' has no parameter '{name}'")
        super().__setattr__(name, value)

    def default(self, name):
        return Default(self.allParameters[name].default)

    @classmethod
    def dataType(cls, name):
        return cls.allParameters[name].data_type

    def getValue(self, name):
        return self._values[name]

    def setValue(self, name, value):
        self._writing.add(name)
        try:
            with slicer.util.NodeModify(self.parameterNode):
                self.allParameters[name].write(self.parameterNode, value)
                self._values[name] = self.allParameters[name].read(self.parameterNode)
        finally:
            self._writing.discard(name)

    def connectGui(self, gui) -> None:
        """Bind every widget that has a property SlicerParameterName. Returns nothing: in Slicer, neither."""
        if getattr(gui, "isWidgetType", lambda: False)():
            import qt

            widgets = gui.findChildren(qt.QWidget)
        else:
            widgets = vars(gui).values()
        names = {widget: widget.property(SlicerParameterNamePropertyName) for widget in widgets}
        self.connectParametersToGui({name: widget for widget, name in names.items() if name})

    def connectParametersToGui(self, mapping) -> int:
        """Bind widgets by the names of their parameters; returns the tag for disconnectGui."""
        from .parameter_gui import Connector

        unknown = sorted(set(mapping) - set(self.allParameters))
        if unknown:
            raise ValueError(f"Cannot find a parameter with the name {unknown[0]}")
        connectors = {name: Connector(widget, self.dataType(name)) for name, widget in mapping.items()}
        tag, self._next_gui = self._next_gui, self._next_gui + 1
        self._guis[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.listen(lambda name=name, connector=connector: self._on_widget_changed(name, connector))
        if self not in _shown:
            _shown[self] = self.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update_gui)
        return tag

    def disconnectGui(self, tag) -> None:
        """Unbind what connectParametersToGui bound; a tag that is not known, such as None, does nothing."""
        for connector in self._guis.pop(tag, {}).values():
            connector.silence()

    def _on_widget_changed(self, name, connector):
        if not self._is_updating:
            with slicer.util.NodeModify(self.parameterNode):
                self.setValue(name, connector.read())

    def _update_gui(self, _node=None, _event=None):
        if self._is_updating:
            return
        self._is_updating = True
        try:
            connectors = [entry for gui in self._guis.values() for entry in gui.items() if entry[1].is_alive()]
            for name, connector in connectors:
                connector.write(self.getValue(name))
        finally:
            self._is_updating = False
        if not connectors:  # the panel is gone
            self.RemoveObserver(_shown.pop(self))

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, was_modifying):
        return self.parameterNode.EndModify(was_modifying)

    def Modified(self):
        self.parameterNode.Modified()


def _wrap(cls):
    parameters = {}
    for name, data_type in typing.get_type_hints(cls, include_extras=True).items():
        if hasattr(_Methods, name) or name in ("parameterNode", "allParameters"):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        parameters[name] = _make_parameter(name, data_type, getattr(cls, name, None))
    members = {"allParameters": parameters, "__module__": cls.__module__, "__doc__": cls.__doc__}
    for name in parameters:
        members[name] = property(
            lambda self, name=name: self.getValue(name), lambda self, value, name=name: self.setValue(name, value)
        )
    return type(cls.__name__, (_Methods, cls), members)


def _make_parameter(name, data_type, given) -> Parameter:
    kind, annotations = splitAnnotations(data_type)
    storage = _storage(kind)
    default = next((entry.value for entry in annotations if isinstance(entry, Default)), storage.default)
    validators = [entry for entry in annotations if isinstance(entry, Validator)]
    return Parameter(name, data_type, storage, validators, default if given is None else given)


def _storage(kind):
    if kind is bool:
        return Scalar(bool, False, lambda text: text == "True")
    if kind is int:
        return Scalar(int, 0, int)
    if kind is float:
        return Scalar((int, float), 0.0, float)
    if kind is str:
        return Text(str, "", str)
    if kind is type(None):
        return Scalar(type(None), None, lambda text: None, lambda value: "True")
    if isinstance(kind, type) and issubclass(kind, pathlib.PurePath):
        return Text(kind, kind(), kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return Scalar(kind, next(iter(kind)), lambda text: kind[text], lambda value: value.name)
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeReference(kind)
    if typing.get_origin(kind) is typing.Union:
        return OneOf([_storage(splitAnnotations(member)[0]) for member in typing.get_args(kind)])
    raise TypeError(f"Unable to create serializer for type: {kind}")
