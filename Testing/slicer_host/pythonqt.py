"""PySide6 with the manners of PythonQt, the Qt binding inside 3D Slicer: install() makes the module ``qt``.

What differs between the two, and is changed here on PySide6's own classes (for the whole process):

* a Q_PROPERTY is an attribute: ``label.text`` is a str, ``label.text = "x"`` sets it, ``label.text()`` raises;
* ``sender.connect("signal(args)", callable)``, and three arguments with a receiver's "slot()"; an unknown signal
  raises (PythonQt returns False, which modules overlook);
* ``name`` stands for objectName; ``className()``, ``delete()`` and ``exec_()`` exist;
* enumerators compare equal to integers;
* the static functions of QFileDialog return a str, without the chosen filter;
* ``QComboBox.currentData`` is unusable;
* a widget's tool tip reads back as ``<p>...</p>``, which is Slicer's doing.

PythonQt also refuses new attributes on widgets. PySide6's classes cannot be made to: see audit.py.
"""

from __future__ import annotations

import enum
import os
import re
import sys
import types

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_LOGGING_RULES", "qt.text.font.db=false;qt.qpa.fonts=false")

from PySide6 import QtCore, QtGui, QtWidgets

QObject = QtCore.QObject
SIGNATURE = re.compile(r"\s*(\w+)\s*\((.*)\)\s*")

# Properties that Qt reads by a virtual function. PySide6 looks for an override of it under the same name, so that
# reading the property here would begin again without end.
VIRTUAL = {"sizeHint", "minimumSizeHint"}

# before they are patched
_get_property, _set_property = QObject.property, QObject.setProperty
_connect, _disconnect = QObject.connect, QObject.disconnect


class QtProperty:
    """A Q_PROPERTY as an attribute. On the class itself the method of that name stays, for static functions."""

    def __init__(self, name: str, writable: bool, method):
        self.name, self.writable, self.method = name, writable, method

    def __get__(self, instance, owner):
        if instance is None:
            return self.method.__get__(None, owner) if hasattr(self.method, "__get__") else self.method
        if self.name in VIRTUAL:
            return self.method(instance)
        value = _get_property(instance, self.name)
        if self.name == "toolTip" and isinstance(instance, QtWidgets.QWidget):
            return _word_wrapped(value)
        return value

    def __set__(self, instance, value):
        if not self.writable:
            raise AttributeError(f"Property '{self.name}' of type '{type(instance).__name__}' is not writable")
        if not _set_property(instance, self.name, value):
            raise ValueError(f"Property '{self.name}' of type '{type(instance).__name__}' does not accept {value!r}")


def _word_wrapped(text: str) -> str:
    """A widget's tool tip as Slicer's ctkToolTipTrapper leaves it, so that Qt breaks its lines."""
    return text if not text or text.startswith("<p>") else f"<p>{text}</p>"


class Unusable:
    """An attribute that PythonQt gets wrong."""

    def __init__(self, name: str, instead: str):
        self.message = f"'{name}' is not usable in PythonQt; use {instead}"

    def __get__(self, instance, owner):
        raise AttributeError(self.message)


def install() -> types.ModuleType:
    """Change PySide6 and register the module ``qt``; once per process."""
    if "qt" in sys.modules:
        return sys.modules["qt"]
    qt = types.ModuleType("qt", "PySide6 with PythonQt's manners")
    for module in (QtCore, QtGui, QtWidgets):
        for name in dir(module):
            if name.startswith("Q"):
                setattr(qt, name, getattr(module, name))
    for kind in set(vars(qt).values()):
        if isinstance(kind, type) and issubclass(kind, QObject):
            _give_properties(kind)
    _give_methods()
    _compare_enumerators_with_integers(qt)
    _return_plain_file_names()
    qt.SIGNAL, qt.SLOT = QtCore.SIGNAL, QtCore.SLOT
    sys.modules["qt"] = qt
    return qt


def _give_properties(kind: type) -> None:
    meta = kind.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        described = meta.property(index)
        name = described.name()
        setattr(kind, name, QtProperty(name, described.isWritable(), getattr(kind, name, None)))


def _give_methods() -> None:
    # Shiboken answers obj.connect before the class is asked: restore plain lookup in the classes that do so.
    for kind in (QObject, QtCore.QFile, QtCore.QLibrary, QtCore.QProcess, QtWidgets.QMenu):
        kind.__getattribute__ = _plain_lookup_of_connect(kind.__getattribute__)
    QObject.connect = _by_signature("connect", _connect)
    QObject.disconnect = _by_signature("disconnect", _disconnect)
    QObject.name = QtProperty("objectName", True, None)
    QObject.className = lambda self: self.metaObject().className()
    QObject.delete = lambda self: self.deleteLater()
    for kind in (QtWidgets.QDialog, QtWidgets.QMenu, QtCore.QCoreApplication, QtCore.QEventLoop):
        kind.exec_ = kind.exec
    QtWidgets.QComboBox.currentData = Unusable("currentData", "itemData(currentIndex)")


def _plain_lookup_of_connect(original):
    def lookup(self, name):
        if name in ("connect", "disconnect"):
            return types.MethodType(getattr(type(self), name), self)
        return original(self, name)

    return lookup


def _by_signature(verb: str, original):
    """PythonQt's connect or disconnect: ("signal(args)", callable) or ("signal(args)", receiver, "slot(args)")."""

    def act(sender, signal, receiver, *more):
        if isinstance(signal, QObject):  # the static form, as PySide6 itself uses it
            return original(signal, receiver, *more)
        slot = more[0] if more else None
        match = SIGNATURE.fullmatch(signal) if isinstance(signal, str) else None
        if match is None:
            raise ValueError(f"{verb}: expected 'signal(arguments)', got {signal!r}")
        target = getattr(receiver, SIGNATURE.fullmatch(slot).group(1)) if slot is not None else receiver
        if not callable(target):
            raise TypeError(f"{verb}: {target!r} cannot be called")
        normalized = re.sub(r"\bconst\b|[&\s]", "", signal)
        if normalized in getattr(type(sender), "SIGNALS", ()):  # a stand-in's: Qt knows no vtkMRMLNode*
            getattr(getattr(sender, match.group(1)), verb)(target)
            return True
        if QObject.metaObject(sender).indexOfSignal(normalized) < 0:
            raise ValueError(f"{type(sender).__name__} has no signal {normalized}")
        return bool(original(sender, QtCore.SIGNAL(normalized), target))

    return act


def _compare_enumerators_with_integers(qt: types.ModuleType) -> None:
    for kind in _enumerations(qt):
        kind.__eq__ = _equal
        kind.__ne__ = lambda self, other: not _equal(self, other)
        kind.__hash__ = lambda self: hash(self.value)
        kind.__int__ = lambda self: int(self.value)


def _enumerations(qt: types.ModuleType) -> set[type]:
    owners = [kind for kind in vars(qt).values() if isinstance(kind, type)]
    members = (getattr(owner, name) for owner in owners for name in dir(owner) if name[:1].isupper())
    return {kind for kind in members if isinstance(kind, type) and issubclass(kind, enum.Enum)}


def _equal(one, other) -> bool:
    value = getattr(other, "value", other)
    return isinstance(value, int) and one.value == value


def _return_plain_file_names() -> None:
    dialog = QtWidgets.QFileDialog
    for name in ("getOpenFileName", "getSaveFileName", "getOpenFileNames"):
        original = getattr(dialog, name)
        setattr(dialog, name, staticmethod(lambda *arguments, original=original: original(*arguments)[0]))
