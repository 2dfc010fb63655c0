"""The manifests, lists and limits of the repository agree with each other and with the files."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from make_model_cards import license_text
from module_lists import ROOT, library_resources, listed, modules, packages, resource_files, script_files

import LesionKitLib
from LesionKitCLI.shared.extras import EXTRAS
from LesionKitCLI.shared.installed_models import installed_models

MEGABYTE = 1_000_000
ONE_MODEL_MB, ALL_MODELS_MB = 10, 40

# Joined here so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("pypi", "python", "org"),
        ("download", "pytorch", "org"),
        ("deb", "debian", "org"),
        ("registry", "npmjs", "org"),
        ("anaconda", "org"),
    )
]
MACHINE_PATHS = re.compile(r"(?<![\w./-])/(?:{})/".format("|".join(("work", "root", "tmp", "home", "Users", "opt"))))
UNFINISHED = re.compile(r"\b(?:{})\b".format("|".join(("TO" + "DO", "FIX" + "ME", "raise NotImplemented" + "Error"))))

# Slicer's Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json: names, their types, and what must be there
CATALOG_TYPES = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "dicom_support_rule": str,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
CATALOG_REQUIRED = {"$schema", "category", "scm_url"}


@pytest.mark.parametrize("module", modules())
def test_a_module_lists_exactly_the_scripts_that_it_has(module):
    assert_same(listed(module, "MODULE_PYTHON_SCRIPTS"), script_files(module), f"{module}/CMakeLists.txt")


@pytest.mark.parametrize("module", modules())
def test_a_module_lists_exactly_the_resources_that_it_has(module):
    assert_same(listed(module, "MODULE_PYTHON_RESOURCES"), resource_files(module), f"{module}/CMakeLists.txt")


@pytest.mark.parametrize("module", modules())
def test_a_module_is_built_tested_and_has_its_icon(module):
    text = read(f"{module}/CMakeLists.txt")
    assert f"set(MODULE_NAME {module})" in text
    assert "slicerMacroBuildScriptedModule(" in text and "WITH_GENERIC_TESTS" in text
    assert "slicer_add_python_unittest(SCRIPT ${MODULE_NAME}.py)" in text
    assert f"class {module}Test(" in read(f"{module}/{module}.py")
    assert f"Resources/Icons/{module}.png" in resource_files(module)


def test_every_test_for_the_desktop_is_registered():
    for folder in ROOT.glob("*/Testing/Python"):
        registered = re.findall(r"(?m)^slicer_add_python_unittest\(SCRIPT ([\w.]+)\)", read(folder / "CMakeLists.txt"))
        assert_same(registered, sorted(path.name for path in folder.glob("*.py")), f"{folder}/CMakeLists.txt")


def test_every_module_folder_is_built():
    with_module_file = [path.parent.name for path in ROOT.glob("*/*.py") if path.stem == path.parent.name]
    assert_same(modules(), sorted(with_module_file, key=modules().index), "CMakeLists.txt")


@pytest.mark.parametrize("icon", ["LesionKit.png", *(f"{name}/Resources/Icons/{name}.png" for name in modules())])
def test_icons_are_square_and_large_enough(icon):
    from PIL import Image

    with Image.open(ROOT / icon) as image:
        assert image.width == image.height >= 128


def test_a_wheel_holds_every_package():
    project = read_pyproject()
    assert_same(project["tool"]["setuptools"]["packages"], packages(), "pyproject.toml")


def test_a_wheel_holds_what_the_libraries_read():
    setuptools = read_pyproject()["tool"]["setuptools"]
    for module in modules():
        needed = library_resources(module)
        if not needed:
            continue
        package = f"{module}Lib.Resources"
        folder = ROOT / setuptools["package-dir"][package]
        packed = {path for pattern in setuptools["package-data"][package] for path in folder.glob(pattern)}
        assert {ROOT / module / name for name in needed} <= packed


def test_pins_are_exact_and_cover_every_dependency():
    project = read_pyproject()["project"]
    extras = project["optional-dependencies"]
    pinned = pinned_names("demo.txt")
    # after "make demo" every command of the documentation runs
    commands = [extra for extra in extras if extra not in ("test", "slicer", "bench")]
    assert required_names([*project["dependencies"], *(name for extra in commands for name in extras[extra])]) <= pinned
    pinned |= pinned_names("test.txt")
    assert required_names(extras["test"] + extras["slicer"]) <= pinned
    assert required_names(extras["bench"]) <= pinned_names("bench.txt")


def test_make_lock_and_the_readme_name_every_extra_of_the_commands():
    extras = read_pyproject()["project"]["optional-dependencies"]
    commands = {extra for extra in extras if extra not in ("test", "slicer", "bench")}
    locked = re.findall(r'pip install "\.\[([\w,]+)\]"', read("Makefile"))
    assert len(locked) == 3 and all(commands <= set(names.split(",")) for names in locked)
    (named,) = re.findall(r'pip install "\.\[([\w,]+)\]"', read("README.md"))
    assert {extra for extra in commands if extras[extra]} <= set(named.split(",")) <= commands


def test_a_missing_package_is_told_with_the_extra_that_holds_it():
    extras = read_pyproject()["project"]["optional-dependencies"]
    distributions = {"gdcm": "python-gdcm", "yaml": "PyYAML", "sklearn": "scikit-learn", "skimage": "scikit-image"}
    for name, extra in EXTRAS.items():
        assert required_names([distributions.get(name, name)]) <= required_names(extras[extra]), name


def test_the_core_needs_no_package_of_an_extra():
    """What "pip install lesionkit" installs reads, segments and reports a CT."""
    extras = read_pyproject()["project"]["optional-dependencies"]
    core = required_names(read_pyproject()["project"]["dependencies"])
    for extra in ("router", "stroke", "train", "pdf", "dicom", "workbench", "cohort", "onnx"):
        assert not core & required_names(extras[extra])


def test_the_versions_of_project_and_citation_agree():
    setuptools = read_pyproject()["tool"]["setuptools"]
    assert setuptools["dynamic"]["version"] == {"attr": "LesionKitLib.__version__"}
    assert str(read_yaml("CITATION.cff")["version"]) == LesionKitLib.__version__
    assert f"## {LesionKitLib.__version__}" in read("CHANGELOG.md")


def test_the_citation_names_the_five_papers_with_their_authors():
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software" and citation["authors"]
    assert len(citation["references"]) == 5
    for paper in citation["references"]:
        assert paper["title"] and paper["authors"] and paper["year"] and ("doi" in paper or "url" in paper)


def test_contributing_tells_where_every_room_lies():
    """Each top folder, and each room of each library in research and below LesionKit, has a line in the tree."""
    tree = read("CONTRIBUTING.md").split("## Where things go")[1].split("```")[1]
    tops = {name.split("/")[0] for name in repository_files() if "/" in name and not name.startswith(".")}
    assert {top for top in tops if f"\n{top}/" not in tree} == set()
    for library in ("LesionKit/LesionKitLib", "Research/LesionKitResearch", "CovidLungQuant/CovidLungQuantLib"):
        rooms = {path.name for path in (ROOT / library).iterdir() if (path / "__init__.py").is_file()}
        assert {room for room in rooms if f"/{room}" not in tree} == set(), library


def test_the_extensions_index_entry_fits_its_schema():
    entry = json.loads(read("LesionKit.json"))
    assert CATALOG_REQUIRED <= set(entry) <= set(CATALOG_TYPES)
    for key, value in entry.items():
        assert type(value) is CATALOG_TYPES[key], key
    assert "catalog-entry-schema-v1.0.2.json" in entry["$schema"]
    assert entry["scm_type"] == "git" and 1 <= entry["tier"] <= 5


def test_the_extensions_index_entry_agrees_with_the_build_files():
    entry = json.loads(read("LesionKit.json"))
    assert re.search(r"project\((\w+)\)", read("CMakeLists.txt")).group(1) == "LesionKit"  # the entry's file name
    assert entry["scm_url"] == cmake_value("EXTENSION_HOMEPAGE") == read_yaml("CITATION.cff")["repository-code"]
    assert entry["category"] == cmake_value("EXTENSION_CATEGORY")
    assert entry["build_dependencies"] == cmake_value("EXTENSION_DEPENDS").split()


def test_the_extension_describes_each_of_its_modules_and_they_name_what_they_need():
    description = cmake_value("EXTENSION_DESCRIPTION")
    contributors = cmake_value("EXTENSION_CONTRIBUTORS")
    assert contributors in {author["name"] for author in read_yaml("CITATION.cff")["authors"]}
    for module in modules():
        script = read(f"{module}/{module}.py")
        assert f'contributors = ["{contributors}"]' in script
        if module != "LesionKit":
            assert f"{module} " in description
            assert re.search(r'dependencies = \["LesionKit"', script)


def test_the_terms_of_the_weights_lie_beside_them_and_name_every_data_set():
    for model in installed_models():
        assert (model.folder / "LICENSE.txt").read_text(encoding="utf-8") == license_text(model.card), (
            "run .venv/bin/python Tools/make_model_cards.py"
        )
        assert all(data["name"].split()[0] in license_text(model.card) for data in model.card["training_data"])


def test_the_pictures_named_to_the_extension_manager_exist():
    start = f"{cmake_value('EXTENSION_HOMEPAGE')}/raw/main/"
    urls = [cmake_value("EXTENSION_ICONURL"), *cmake_value("EXTENSION_SCREENSHOTURLS").split()]
    assert len(urls) >= 2
    for url in urls:
        assert url.startswith(start) and (ROOT / url.removeprefix(start)).is_file(), url


def test_weights_stay_within_what_the_extensions_index_clones():
    sizes = {path: (ROOT / path).stat().st_size / MEGABYTE for path in repository_files() if is_weights(path)}
    assert all(size <= ONE_MODEL_MB for size in sizes.values()), sizes
    assert sum(sizes.values()) <= ALL_MODELS_MB, sizes


def test_no_file_is_large_besides_the_weights():
    large = [
        path for path in repository_files() if not is_weights(path) and (ROOT / path).stat().st_size > 2 * MEGABYTE
    ]
    assert large == []


def test_no_file_names_a_package_registry_or_a_path_of_one_machine():
    found = []
    for path, text in text_files():
        found += [f"{path}: {host}" for host in REGISTRY_HOSTS if host in text]
        found += [f"{path}: {match.group()}" for match in MACHINE_PATHS.finditer(text)]
    assert found == []


def test_no_library_chooses_how_matplotlib_draws_for_its_caller():
    libraries = ("LesionKit/", "CovidLungQuant/", "StrokeSynth/", "BodyPartRouter/", "Applications/", "Research/")
    code = [(path, text) for path, text in text_files() if path.startswith(libraries) and path.endswith(".py")]
    assert [path for path, text in code if re.search(r"matplotlib\.use\(|import pyplot|matplotlib\.pyplot", text)] == []


def test_no_code_is_left_unfinished():
    code = [(path, text) for path, text in text_files() if path.endswith(".py")]
    found = [f"{path}: {match.group()}" for path, text in code for match in UNFINISHED.finditer(text)]
    assert found == []


def test_yaml_files_parse():
    hooks = read_yaml(".pre-commit-config.yaml")["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]


def repository_files() -> list[str]:
    """Tracked files and those that would be tracked; without git (an unpacked archive) all but the environment's."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        names = [name for name in out.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")]
        names = [
            name for name in names if not re.match(r"\.(venv|git|ruff_cache|pytest_cache|hypothesis)/|build/", name)
        ]
        names = [name for name in names if "__pycache__" not in name and ".egg-info/" not in name]
    return [name for name in names if (ROOT / name).is_file()]


def text_files() -> list[tuple[str, str]]:
    """(path, text) of the repository's files that are UTF-8 without NUL."""
    texts = []
    for name in repository_files():
        data = (ROOT / name).read_bytes()
        if b"\0" not in data:
            texts.append((name, data.decode("utf-8")))
    assert len(texts) > 20
    return texts


def is_weights(path: str) -> bool:
    return Path(path).suffix in (".safetensors", ".pt", ".pth", ".onnx", ".npz")


def assert_same(found: list[str], wanted: list[str], where: str) -> None:
    missing = [name for name in wanted if name not in found]
    surplus = [name for name in found if name not in wanted]
    doubled = sorted({name for name in found if found.count(name) > 1})
    assert (missing, surplus, doubled) == ([], [], []), (
        f"{where} lacks {missing}, lists {surplus} that are not there and {doubled} twice; "
        "run: python Tools/module_lists.py"
    )


def pinned_names(lock: str) -> set[str]:
    """Normalized package names of a file in requirements/; every line must be an exact pin or name another file."""
    names = set()
    for line in read(f"requirements/{lock}").splitlines():
        if line.startswith(("#", "-r ")):
            continue
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)==[0-9][0-9a-z.]*", line)
        assert match, f"requirements/{lock}: {line}"
        names.add(normalized(match.group(1)))
    return names


def required_names(requirements: list[str]) -> set[str]:
    return {normalized(re.match(r"[A-Za-z0-9_.-]+", requirement).group()) for requirement in requirements}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def cmake_value(variable: str) -> str:
    return re.search(rf'^set\({variable} "([^"]+)"\)', read("CMakeLists.txt"), re.MULTILINE).group(1)


def read(path: str | Path) -> str:
    return (ROOT / path).read_text("utf-8")


def read_pyproject() -> dict:
    return tomllib.loads(read("pyproject.toml"))


def read_yaml(path: str) -> dict:
    import yaml

    return yaml.safe_load(read(path))
