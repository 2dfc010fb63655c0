"""No stand-in offers a name that the real class lacks: each is compared with the names in the real headers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from slicer_host import host as slicer_host_module

HOST = Path(slicer_host_module.__file__).parent
NEWEST = json.loads((HOST / "slicer-widget-api.json").read_text("utf-8"))["classes"]
ABSENT = json.loads((HOST / "slicer-widget-api-absent.json").read_text("utf-8"))["versions"]
REAL = {  # the names that every one of these Slicers has
    kind: {
        part: sorted(set(names).difference(*(v.get(kind, ()) for v in ABSENT.values())))
        for part, names in parts.items()
    }
    for kind, parts in NEWEST.items()
}

# Real classes that the list lacks, with the names that they are known by
UNLISTED = {
    # the base of a module's panel; Slicer's scripted-module template asks it for isEntered
    "qSlicerAbstractModuleWidget": {"isEntered"},
}
# Names that are real, but neither property, slot, signal nor marked as invokable in the headers
KNOWN = {
    "ctkPathLineEdit": {"Dirs", "Files", "Readable", "Writable", "Executable"},  # enumerators
    "qMRMLTableView": {"mrmlTableNode"},
    "qSlicerCoreApplication": {"testingEnabled"},  # slicer.util calls it
    "qSlicerScriptedLoadableModule": {"widgetRepresentation"},  # slicer.util.getModuleWidget calls it
}
# Made by the host, and private to it: the arguments of a constructor are not compared
OURS = {"SIGNALS", "className", "connect"}


def stand_ins() -> dict[str, type]:
    slicer_host_module.start()
    from slicer_host.standins import CLASSES

    return dict(CLASSES)


def test_every_stand_in_is_listed_with_the_names_of_the_real_class():
    assert set(stand_ins()) - set(REAL) - set(UNLISTED) == set()


@pytest.mark.parametrize("name", sorted(stand_ins()))
def test_a_stand_in_offers_only_names_of_the_real_class(name):
    kind = stand_ins()[name]
    assert offered(kind) - allowed(kind) == set()


@pytest.mark.parametrize("name", sorted(stand_ins()))
def test_a_stand_in_s_signals_are_real_and_can_be_connected(name):
    kind = stand_ins()[name]
    names = {signature.partition("(")[0] for signature in kind.SIGNALS}
    assert names <= allowed(kind, "signals") | base_names(kind)
    assert all(hasattr(kind, signal) for signal in names)


@pytest.mark.parametrize("name", sorted(stand_ins()))
def test_a_stand_in_s_properties_are_properties_of_the_real_class(name):
    from PySide6.QtCore import Property

    kind = stand_ins()[name]
    names = {key for key, value in vars(kind).items() if isinstance(value, Property)}
    assert names <= allowed(kind, "props") | base_names(kind)


def test_there_is_a_list_of_the_oldest_slicer_that_the_readme_names():
    readme = HOST.parents[1].joinpath("README.md").read_text("utf-8")
    (oldest,) = set(re.findall(r"3D Slicer (\d+\.\d+) or later", readme))
    assert any(version.startswith(f"{oldest}.") for version in ABSENT)


@pytest.mark.parametrize("version", sorted(ABSENT))
def test_a_list_of_absent_names_speaks_of_known_names_only(version):
    known = {kind: {name for names in parts.values() for name in names} for kind, parts in NEWEST.items()}
    assert {kind: set(names) - known.get(kind, set()) for kind, names in ABSENT[version].items() if names} == {
        kind: set() for kind in ABSENT[version]
    }


def test_a_made_up_name_is_found():
    from slicer_host.ctk_widgets import ctkPushButton

    class ctkFancyButton(ctkPushButton):
        def sparkle(self):
            """No real button does."""

    from slicer_host.standins import CLASSES

    del CLASSES["ctkFancyButton"]
    assert offered(ctkFancyButton) - allowed(ctkFancyButton) == {"sparkle"}


def offered(kind: type) -> set[str]:
    """Public names that the stand-in itself defines, less those of the Qt class it derives from."""
    return {name for name in vars(kind) if not name.startswith("_")} - OURS - base_names(kind)


def base_names(kind: type) -> set[str]:
    from PySide6.QtCore import QObject

    return {name for base in kind.__mro__ if base.__module__.startswith("PySide6") for name in dir(base)} | set(
        dir(QObject)
    )


def allowed(kind: type, *parts: str) -> set[str]:
    """Names that the real class and its real bases have."""
    names = set()
    for base in stand_in_bases(kind):
        listed = REAL.get(base.__name__, {})
        for part in parts or ("props", "slots", "signals", "invokable"):
            names.update(listed.get(part, ()))
        names |= KNOWN.get(base.__name__, set()) | UNLISTED.get(base.__name__, set())
    return names


def stand_in_bases(kind: type) -> list[type]:
    from slicer_host.standins import StandIn

    return [base for base in kind.__mro__ if issubclass(base, StandIn) and base is not StandIn]
