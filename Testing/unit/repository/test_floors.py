"""Who may import whom: a lower floor never imports a higher one, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from module_lists import ROOT, modules

MODULE_LIBS = {"CovidLungQuantLib", "StrokeSynthLib", "BodyPartRouterLib"}
DESKTOP = {"qt", "ctk", "PythonQt", "PySide6", "PyQt5", "PyQt6", "qtpy", "trame", "trame_slicer", "trame_vtk"}
MRML = {"slicer", "slicer_core", "vtk", "vtkmodules", "LesionKitLib.mrml"}
HEAVY = {
    "torch", "scipy", "highdicom", "SimpleITK", "nibabel", "pydicom", "matplotlib", "PIL", "safetensors", "pandas",
    "jinja2", "reportlab", "pyarrow", "fsspec", "pynetdicom", "dicomweb_client", "requests", "jsonschema", "yaml",
    "prometheus_client", "onnx", "onnxruntime", "ray",
}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One imported module, by its absolute dotted name; ``early`` when it is imported together with the file."""

    name: str
    line: int
    early: bool


# In each library the lower rooms first: a room imports itself and rooms before it, never those behind it.
ROOMS = {
    "LesionKitLib": ("run", "imaging", "correction", "io", "models", "report", "mrml"),
    "CovidLungQuantLib": (
        "labels", "networks", "segmentation", "classification", "phantoms", "measurement", "results", "followup",
        "pipeline",
    ),
    "StrokeSynthLib": ("labels", "networks", "segmentation", "measurement", "synthesis", "results", "pipeline"),
    "BodyPartRouterLib": ("labels", "networks", "reading", "classification", "routing", "results", "service"),
    "LesionKitResearch": (
        "datasets", "augmentation", "networks", "losses", "calibration", "evaluation", "correction", "training",
        "experiments",
    ),
}  # fmt: skip
FOLDERS = (*modules(), "Applications", "Research")


@dataclass(frozen=True)
class Floor:
    """Files (relative to the repository) and the modules that they must not import."""

    name: str
    files: tuple[str, ...]
    forbidden: frozenset[str]


def files_below(folder: str, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Python files in the folder, relative to the repository, less those in the named folders."""
    names = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(name for name in names if not name.startswith(tuple(f"{folder}/{part}/" for part in without)))


def floors() -> list[Floor]:
    above_slicer = {"LesionKitCLI", "LesionKitCohort", "LesionKitResearch"}
    found = [
        Floor(
            "LesionKitLib, the pure part",
            files_below("LesionKit/LesionKitLib", without=("mrml",)),
            frozenset(MODULE_LIBS | DESKTOP | MRML | above_slicer),
        ),
        Floor(
            "LesionKitLib.mrml",
            files_below("LesionKit/LesionKitLib/mrml"),
            frozenset(MODULE_LIBS | DESKTOP | above_slicer),
        ),
        # 3D Slicer's grow-cut is a peer that corrections are compared with
        Floor(
            "LesionKitResearch",
            tuple(name for name in files_below("Research") if not name.endswith("/slicer_grow_cut.py")),
            frozenset(DESKTOP | MRML | {"LesionKitCLI"}),
        ),
        Floor("LesionKitCLI", files_below("Applications/LesionKitCLI"), frozenset(DESKTOP | MRML)),
        # the page: the logics, MRML and trame; no Qt and no desktop
        Floor(
            "LesionKitWorkbench",
            files_below("Applications/LesionKitWorkbench"),
            frozenset(DESKTOP - {"trame", "trame_slicer"} | {"LesionKitResearch", "LesionKitPanel"}),
        ),
        Floor("LesionKitCohort", files_below("Applications/LesionKitCohort"), frozenset(DESKTOP | MRML)),
        Floor(
            "LesionKitPanel",
            files_below("LesionKit/LesionKitPanel"),
            frozenset(MODULE_LIBS | above_slicer | {"trame", "trame_slicer", "torch"}),
        ),
    ]
    for module in modules():
        if module == "LesionKit":
            continue
        others = MODULE_LIBS - {f"{module}Lib"}
        forbidden = frozenset(others | DESKTOP | MRML | above_slicer | {module})
        found.append(Floor(f"{module}Lib", files_below(f"{module}/{module}Lib"), forbidden))
        above = frozenset(others | above_slicer | {"trame", "trame_slicer"})
        found.append(Floor(f"{module}.py", (f"{module}/{module}.py",), above))
        if (ROOT / module / f"{module}Panel").is_dir():
            found.append(Floor(f"{module}Panel", files_below(f"{module}/{module}Panel"), above | {"torch"}))
    return found


def light_files() -> list[str]:
    """Files that 3D Slicer's start or a command's help may import: all but the networks, which are PyTorch's."""
    names = [name for folder in FOLDERS for name in files_below(folder, without=("Testing",))]
    return [name for name in names if not is_torch_file(name)]


def is_torch_file(name: str) -> bool:
    """Networks, encoders and losses; whoever wants one imports it inside a function."""
    rooms, file = Path(name).parts[:-1], Path(name).name
    return bool({"networks", "encoders", "losses"} & set(rooms)) and file not in (
        "__init__.py",
        "registry.py",
        "shapes.py",
    )


@pytest.mark.parametrize("floor", floors(), ids=lambda floor: floor.name)
def test_a_floor_imports_nothing_from_above_it(floor):
    assert floor.files
    found = [
        f"{file}:{imported.line} imports {imported.name}"
        for file in floor.files
        for imported in imports_of(file)
        if is_in(imported.name, floor.forbidden)
    ]
    assert found == []


@pytest.mark.parametrize("library", ROOMS)
def test_a_room_imports_only_rooms_before_it(library):
    rooms = ROOMS[library]
    names = {name for name in module_names() if name.startswith(f"{library}.")}
    assert {room_of(name) for name in names} <= set(rooms)
    upward = [
        f"{name} imports {other}"
        for name in sorted(names)
        for other in sorted(first_party_imports(name))
        if other.startswith(f"{library}.") and rooms.index(room_of(other)) > rooms.index(room_of(name))
    ]
    assert upward == []


def test_no_files_import_each_other_in_a_circle():
    graph = {name: first_party_imports(name) for name in module_names()}
    assert len(graph) > 200
    assert circles(graph) == []


def test_a_circle_of_imports_is_found_wherever_it_begins():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [("b", "c")]


@pytest.mark.parametrize("file", light_files())
def test_nothing_heavy_is_imported_at_file_scope(file):
    found = [
        f"{file}:{imported.line} imports {imported.name}"
        for imported in imports_of(file)
        if imported.early and (is_in(imported.name, HEAVY) or is_network(imported.name))
    ]
    assert found == []


@pytest.mark.parametrize("module", [name for name in modules() if name != "LesionKit"])
def test_a_logic_knows_nothing_of_qt(module):
    tree = parse(f"{module}/{module}.py")
    logics = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Logic")]
    assert logics
    for logic in logics:
        names = {node.id for node in ast.walk(logic) if isinstance(node, ast.Name)}
        assert names.isdisjoint(DESKTOP)
        assert [found for found in imports_in(logic, "") if is_in(found.name, DESKTOP)] == []


def test_importing_the_libs_does_not_import_torch():
    """Nor anything else that is heavy: every light file of the libraries, imported in a fresh interpreter."""
    apart = ("/mrml/", "Applications/LesionKitWorkbench/")  # MRML and trame are what they are about
    light = [file for file in light_files() if is_library(file) and not any(part in file for part in apart)]
    names = [module_name(file) for file in light]
    names.remove("LesionKitCLI.__main__")
    assert "LesionKitLib.imaging.volume" in names
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(sorted(set(sys.modules) & {HEAVY | DESKTOP | MRML!r}))"
    )
    folders = [str(ROOT / folder) for folder in FOLDERS]
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {folders!r}\n{code}"], capture_output=True, text=True
    )
    assert (run.stdout.strip(), run.stderr, run.returncode) == ("[]", "", 0)


def test_imports_are_found_wherever_they_stand():
    source = (
        "import os.path\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    import torch\n"
        "try:\n"
        "    from scipy import ndimage\n"
        "except ImportError:\n"
        "    pass\n"
        "def work():\n"
        "    import slicer\n"
        "    from ..volume import Volume\n"
        "    from . import tables\n"
        "    importlib.import_module('vtk')\n"
        "class Node:\n"
        "    import pandas\n"
    )
    found = {(name.name, name.early) for name in imports_in(ast.parse(source), "LesionKitLib.mrml")}
    assert found == {
        ("os.path", True),
        ("typing.TYPE_CHECKING", True),
        ("torch", False),
        ("scipy.ndimage", True),
        ("slicer", False),
        ("LesionKitLib.volume.Volume", False),
        ("LesionKitLib.mrml.tables", False),
        ("vtk", False),
        ("pandas", True),
    }


@functools.lru_cache(maxsize=1)
def module_names() -> dict[str, str]:
    """Dotted name -> file of everything that is written in Python and not a test or a tool."""
    files = [name for folder in FOLDERS for name in files_below(folder, without=("Testing",))]
    return {module_name(file): file for file in files}


@functools.cache
def first_party_imports(name: str) -> frozenset[str]:
    """Dotted names of our own files that a file imports, early or late."""
    known, found = module_names(), set()
    for imported in imports_of(known[name]):
        parts = imported.name.split(".")
        names = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        found.update([candidate for candidate in names if candidate in known][:1])
    return frozenset(found - {name})


def room_of(name: str) -> str:
    return name.split(".")[1]


def circles(graph: dict[str, set[str]]) -> list[tuple[str, ...]]:
    """Groups of names that reach each other, sorted (the strongly connected components with more than one name)."""
    reached = {name: _reached(graph, name) for name in graph}
    groups = {
        tuple(sorted({name} | {other for other in reached[name] if name in reached.get(other, ())})) for name in graph
    }
    return sorted(group for group in groups if len(group) > 1)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    found, waiting = set(), [start]
    while waiting:
        for name in graph.get(waiting.pop(), ()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found


def imports_of(file: str) -> list[Import]:
    package = module_name(file) if file.endswith("/__init__.py") else module_name(file).rpartition(".")[0]
    return imports_in(parse(file), package)


def imports_in(tree: ast.AST, package: str, early: bool = True) -> list[Import]:
    """All imports below the node, with relative names resolved against the package."""
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, early) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, package)
            found += [Import(f"{base}.{alias.name}", node.lineno, early) for alias in node.names]
        elif isinstance(node, ast.Call) and is_dynamic_import(node):
            found.append(Import(node.args[0].value, node.lineno, early))
        inside_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        found += imports_in(node, package, early and not inside_function and not is_for_type_checkers(node))
    return found


def absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join(parts + ([node.module] if node.module else []))


def is_dynamic_import(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", None))
    is_constant = bool(call.args) and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    return name in ("import_module", "__import__") and is_constant


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def is_in(name: str, forbidden: set[str] | frozenset[str]) -> bool:
    return any(name == other or name.startswith(f"{other}.") for other in forbidden)


def is_library(file: str) -> bool:
    return "Lib/" in file or file.startswith(("Applications/", "Research/"))


def is_network(name: str) -> bool:
    parts = name.split(".")
    return bool({"networks", "encoders", "losses"} & set(parts[:-1])) and not {"registry", "shapes"} & set(parts)


def module_name(file: str) -> str:
    """Dotted name under which the file is imported: its path without the module's folder."""
    parts = Path(file).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parse(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text("utf-8"), filename=file)
