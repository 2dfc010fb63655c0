"""What is missing is found without importing it, asked for once, and installed by the application's own means."""

from __future__ import annotations

import logging
import sys
import tomllib
import types
from pathlib import Path

import pytest

from LesionKitLib.run.errors import MissingResource
from LesionKitLib.run.requirements import (
    PACKAGES,
    ROUTER_PACKAGES,
    TORCH,
    SlicerInstaller,
    install,
    is_older,
    missing_packages,
    question,
)

SMALL = [package for package in PACKAGES if package.name in ("safetensors", "nrrd")]


class FakeTorchLogic:
    def __init__(self, present, works=True):
        self.present, self.works, self.asked = present, works, []

    def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
        self.asked.append((askConfirmation, torchVersionRequirement))
        if self.works:
            self.present.add("torch")


class FakeInstaller:
    """Installs into ``present``; with an error, as without internet."""

    def __init__(self, extension=True, error=None, torch_works=True):
        self.present = set()
        self.calls = []
        self.error = error
        self.logic = FakeTorchLogic(self.present, torch_works) if extension else None

    def pip_install(self, requirements):
        self.calls.append(requirements)
        if self.error is not None:
            raise self.error
        self.present |= {"safetensors", "nrrd"}

    def torch_logic(self):
        return self.logic


def run(missing, installer, answer=True):
    """(what install returned, the questions, the progress texts)."""
    questions, texts = [], []

    def confirm(text):
        questions.append(text)
        return answer

    done = install(missing, confirm, texts.append, installer, installer.present.__contains__)
    return done, questions, texts


def test_missing_packages_are_found_without_importing_anything():
    before = set(sys.modules)
    missing = missing_packages(is_there=lambda name: name != "nrrd")
    assert [package.name for package in missing] == ["nrrd"]
    missing_packages()
    assert set(sys.modules) == before


def test_what_is_installed_is_not_missing():
    names = {package.name for package in missing_packages()}
    assert "safetensors" not in names


def test_a_module_without_a_spec_counts_as_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "nrrd", types.ModuleType("nrrd"))
    assert "nrrd" not in {package.name for package in missing_packages()}


@pytest.mark.parametrize(
    ("version", "oldest", "older"),
    [
        ("2.2.0", "2.5", True), ("2.5.0+cu124", "2.5", False), ("2.13.0", "2.5", False), ("1.9", "1.11", True),
        ("3.0.0rc1", "3.0", False), ("10.4.0", "10.0", False), ("", "2.5", False), ("3", "2.9.1", False),
    ],
)  # fmt: skip
def test_versions_are_compared_as_numbers(version, oldest, older):
    assert is_older(version, oldest) is older


def test_a_package_that_is_too_old_is_missing_and_the_question_says_so():
    versions = {"safetensors": "0.3.1", "pynrrd": "1.1.3"}
    missing = missing_packages(SMALL, lambda name: True, versions.get)
    assert [(package.name, package.installed) for package in missing] == [("safetensors", "0.3.1")]
    assert "(0.3.1 is installed, 0.4 or later is needed)" in question(missing)
    assert missing_packages(SMALL, lambda name: True, lambda name: "") == []


def test_a_pytorch_that_is_too_old_is_told_before_anything_is_asked():
    old = missing_packages([TORCH], lambda name: True, lambda name: "2.2.0")
    installer = FakeInstaller()
    with pytest.raises(MissingResource, match="PyTorch 2.2.0 is installed, but 2.5 or later is needed"):
        run([*old, *SMALL], installer)
    assert installer.calls == [] and installer.logic.asked == []


def test_a_renewed_package_that_is_in_use_asks_for_a_restart(monkeypatch):
    monkeypatch.setitem(sys.modules, "nrrd", types.ModuleType("nrrd"))
    old = missing_packages(SMALL, lambda name: True, {"safetensors": "0.8", "pynrrd": "0.9"}.get)
    with pytest.raises(MissingResource, match="restart Slicer"):
        run(old, FakeInstaller())


def test_the_oldest_versions_are_those_of_the_wheel():
    root = Path(__file__).resolve().parents[3]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wheel = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    for package in {*PACKAGES, *ROUTER_PACKAGES}:
        assert f"{package.pip_name}{package.specifier}" in wheel


def test_with_nothing_missing_nobody_is_asked():
    assert run([], FakeInstaller()) == (True, [], [])


def test_one_question_names_every_package_with_its_size_and_purpose():
    installer = FakeInstaller()
    done, questions, _ = run([TORCH, *SMALL], installer)
    assert done
    assert len(questions) == 1
    for package in (TORCH, *SMALL):
        assert f"about {package.megabytes} MB: {package.why}" in questions[0]
    assert "PyTorch" in questions[0]
    assert f"About {TORCH.megabytes + 2} MB" in questions[0]


def test_torch_goes_through_its_extension_and_is_never_given_to_pip():
    installer = FakeInstaller()
    run([TORCH, *SMALL], installer)
    assert installer.logic.asked == [(False, ">=2.5")]
    assert installer.calls == [["safetensors>=0.4", "pynrrd>=1.0"]]


def test_progress_tells_each_step():
    _, _, texts = run([TORCH, *SMALL], FakeInstaller())
    assert [text.split()[0] for text in texts] == ["Installing", "Installing", "All"]


def test_no_means_that_nothing_is_installed():
    installer = FakeInstaller()
    done, _, texts = run([TORCH, *SMALL], installer, answer=False)
    assert (done, installer.calls, installer.logic.asked, texts) == (False, [], [], [])


def test_without_the_pytorch_extension_the_user_is_told_how_to_get_it_and_asked_nothing():
    installer = FakeInstaller(extension=False)
    questions = []
    with pytest.raises(MissingResource, match="extension 'PyTorch' .*Extensions Manager"):
        install([TORCH], questions.append, installer=installer)
    assert questions == []
    assert installer.calls == []


def test_without_torch_missing_the_extension_is_not_needed():
    done, _, _ = run(SMALL, FakeInstaller(extension=False))
    assert done


def test_offline_ends_in_one_sentence_and_the_reason_is_in_the_log(caplog):
    installer = FakeInstaller(error=OSError("Temporary failure in name resolution"))
    with caplog.at_level(logging.ERROR), pytest.raises(MissingResource) as caught:
        run(SMALL, installer)
    sentence = str(caught.value)
    assert "safetensors, pynrrd could not be installed" in sentence
    assert "internet" in sentence
    assert sentence.count(". ") == 0
    assert "name resolution" in caplog.text


def test_an_installation_that_brought_nothing_is_an_error():
    with pytest.raises(MissingResource, match="PyTorch could not be installed"):
        run([TORCH], FakeInstaller(torch_works=False))


def test_questions_have_no_more_than_one_line_per_package():
    assert len(question(list(PACKAGES)).splitlines()) == len(PACKAGES) + 4


def fake_slicer(monkeypatch, with_packaging):
    calls = []
    slicer = types.ModuleType("slicer")
    slicer.__path__ = []
    slicer.util = types.SimpleNamespace(pip_install=lambda names: calls.append(("util", names)))
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    monkeypatch.delitem(sys.modules, "slicer.packaging", raising=False)
    if with_packaging:
        packaging = types.ModuleType("slicer.packaging")
        packaging.pip_install = lambda names: calls.append(("packaging", names))
        monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
        packaging.__spec__ = types.SimpleNamespace(name="slicer.packaging")
    return calls


@pytest.mark.parametrize(("with_packaging", "way"), [(True, "packaging"), (False, "util")])
def test_slicers_newer_installer_is_taken_where_there_is_one(monkeypatch, with_packaging, way):
    calls = fake_slicer(monkeypatch, with_packaging)
    SlicerInstaller().pip_install(["safetensors>=0.4"])
    assert calls == [(way, ["safetensors>=0.4"])]


def test_the_pytorch_extension_is_found_by_its_module(monkeypatch):
    assert SlicerInstaller().torch_logic() is None
    extension = types.ModuleType("PyTorchUtils")
    extension.PyTorchUtilsLogic = lambda: "logic"
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    assert SlicerInstaller().torch_logic() == "logic"
