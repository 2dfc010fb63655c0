"""Who may import whom: a lower floor never imports a higher one, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import ast
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
    "torch", "scipy", "highdicom", "SimpleITK", "pydicom", "matplotlib", "PIL", "safetensors", "pandas",
    "pynetdicom", "dicomweb_client", "requests", "jsonschema", "yaml", "prometheus_client",
}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One imported module, by its absolute dotted name; ``early`` when it is imported together with the file."""

    name: str
    line: int
    early: bool


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
    found = [
        Floor(
            "LesionKitLib, the pure part",
            files_below("LesionKit/LesionKitLib", without=("mrml",)),
            frozenset(MODULE_LIBS | DESKTOP | MRML | {"LesionKitCLI"}),
        ),
        Floor(
            "LesionKitLib.mrml",
            files_below("LesionKit/LesionKitLib/mrml"),
            frozenset(DESKTOP | {"LesionKitCLI"}),
        ),
        Floor("LesionKitCLI", files_below("LesionKit/LesionKitCLI"), frozenset(DESKTOP | MRML)),
        Floor(
            "LesionKitPanel",
            files_below("LesionKit/LesionKitPanel"),
            frozenset(MODULE_LIBS | {"LesionKitCLI", "trame", "trame_slicer", "torch"}),
        ),
    ]
    for module in modules():
        if module == "LesionKit":
            continue
        others = MODULE_LIBS - {f"{module}Lib"}
        forbidden = frozenset(others | DESKTOP | MRML | {"LesionKitCLI", module})
        found.append(Floor(f"{module}Lib", files_below(f"{module}/{module}Lib"), forbidden))
        above = frozenset(others | {"LesionKitCLI", "trame", "trame_slicer"})
        found.append(Floor(f"{module}.py", (f"{module}/{module}.py",), above))
        if (ROOT / module / f"{module}Panel").is_dir():
            found.append(Floor(f"{module}Panel", files_below(f"{module}/{module}Panel"), above | {"torch"}))
    return found


def light_files() -> list[str]:
    """Files that 3D Slicer's start or a command's help may import: all but the networks, which are PyTorch's."""
    names = [name for module in modules() for name in files_below(module, without=("Testing",))]
    return [name for name in names if "/networks/" not in name or name.endswith("/__init__.py")]


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
    names = [module_name(file) for file in light_files() if "/mrml/" not in file and "Lib/" in file]
    assert "LesionKitLib.imaging.volume" in names
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(sorted(set(sys.modules) & {HEAVY | DESKTOP | MRML!r}))"
    )
    folders = [str(ROOT / module) for module in modules()]
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
        ("LesionKitLib.imaging.volume.Volume", False),
        ("LesionKitLib.mrml.tables", False),
        ("vtk", False),
        ("pandas", True),
    }


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


def is_network(name: str) -> bool:
    parts = name.split(".")
    return len(parts) > 2 and parts[1] == "networks"


def module_name(file: str) -> str:
    """Dotted name under which the file is imported: its path without the module's folder."""
    parts = Path(file).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parse(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text("utf-8"), filename=file)
