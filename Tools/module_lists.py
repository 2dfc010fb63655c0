"""The files that a module's CMakeLists.txt must list, and the packages that pyproject.toml must list.

``python Tools/module_lists.py`` writes them; Testing/unit/repository/test_repository.py checks that nobody forgot.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOP_CMAKE = ROOT / "CMakeLists.txt"
PYPROJECT = ROOT / "pyproject.toml"
OUTSIDE_SLICER = ("Applications", "Research")  # folders of packages that Slicer does not install


def modules() -> list[str]:
    """Names of the modules that the extension builds, in the order of the top CMakeLists.txt."""
    return re.findall(r"^add_subdirectory\((\w+)\)", TOP_CMAKE.read_text("utf-8"), re.MULTILINE)


def script_files(module: str) -> list[str]:
    """Python files to install, relative to the module's folder, '/' between the parts."""
    folder = ROOT / module
    paths = [path.relative_to(folder) for path in folder.rglob("*.py")]
    return _module_file_first(module, [path.as_posix() for path in paths if path.parts[0] != "Testing"])


def resource_files(module: str) -> list[str]:
    """Everything in the module's folder Resources, relative to the module's folder, '/' between the parts."""
    folder = ROOT / module
    return sorted(path.relative_to(folder).as_posix() for path in (folder / "Resources").rglob("*") if _is_ours(path))


def listed(module: str, variable: str) -> list[str]:
    """The files in ``set(variable ...)`` of the module's CMakeLists.txt."""
    return _set_block(module, variable).group(1).replace("${MODULE_NAME}", module).split()


def library_resources(module: str) -> list[str]:
    """Those of the resource_files that the library needs, also outside Slicer: not the desktop's icons and panels."""
    return [name for name in resource_files(module) if not name.startswith(("Resources/Icons/", "Resources/UI/"))]


def packages() -> list[str]:
    """Names of the packages that a wheel must hold: folders of Python files, and the resources of each library.

    Not the panels: they need 3D Slicer's desktop.
    """
    names = set()
    for folder in (*modules(), *OUTSIDE_SLICER):
        for script in script_files(folder):
            if "/" in script and not script.startswith(f"{folder}Panel/"):
                names.add(script.rpartition("/")[0].replace("/", "."))
    for module in modules():
        if library_resources(module):
            names.add(f"{module}Lib.Resources")
    return sorted(names)


def write_lists() -> None:
    """Bring the lists in the modules' CMakeLists.txt and in pyproject.toml up to date with the files."""
    for module in modules():
        path = ROOT / module / "CMakeLists.txt"
        for variable, files in (
            ("MODULE_PYTHON_SCRIPTS", script_files(module)),
            ("MODULE_PYTHON_RESOURCES", resource_files(module)),
        ):
            lines = "".join(f"  {_with_variable(module, name)}\n" for name in files)
            block = _set_block(module, variable)
            text = block.string[: block.start(1)] + "\n" + lines + "  " + block.string[block.end(1) :]
            path.write_text(text, "utf-8")
    lines = "".join(f'    "{name}",\n' for name in packages())
    text = re.sub(r"(?m)^packages = \[[^\]]*\]", f"packages = [\n{lines}]", PYPROJECT.read_text("utf-8"), count=1)
    PYPROJECT.write_text(text, "utf-8")


def _set_block(module: str, variable: str) -> re.Match:
    text = (ROOT / module / "CMakeLists.txt").read_text("utf-8")
    block = re.search(rf"set\({variable}([^)]*)\)", text)
    if block is None:
        raise LookupError(f"{module}/CMakeLists.txt has no set({variable} ...)")
    return block


def _module_file_first(module: str, names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: (name != f"{module}.py", name))


def _with_variable(module: str, name: str) -> str:
    return re.sub(rf"^(Resources/\w+/)?{module}(?=Lib/|\.)", r"\1${MODULE_NAME}", name)


def _is_ours(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


if __name__ == "__main__":
    write_lists()
