"""Python packages that 3D Slicer does not bring along: found missing when needed, installed after one question.

Nothing is imported to find out: importing PyTorch takes seconds. PyTorch is left to the extension PyTorch, which finds
the build for the computer's graphics card; everything else goes through Slicer's own pip, which keeps to the versions
that Slicer needs. Run from Apply on the main thread, never at start-up.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from .errors import MissingResource

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Requirement:
    """A package. name: as it is imported; pip_name: as it is installed; megabytes: to download, with what comes along.

    why: what it is for, in the user's words. oldest: the first version that works (0 for any); installed: the version
    that is there and too old, empty where there is none.
    """

    name: str
    pip_name: str
    megabytes: int
    why: str
    oldest: str = ""
    installed: str = ""

    @property
    def specifier(self) -> str:
        """What pip shall take, e.g. >=1.11."""
        return f">={self.oldest}" if self.oldest else ""


# 2.5 is the first PyTorch with torch.OutOfMemoryError, which with_fallback catches, and with autocast on Apple's GPUs.
TORCH = Requirement("torch", "torch", 250, "runs the networks; up to 3,000 MB if a graphics card is supported", "2.5")
PACKAGES = (
    TORCH,
    Requirement("safetensors", "safetensors", 1, "reads the networks' weights", "0.4"),
    Requirement("scipy", "scipy", 40, "cleans the masks and counts lesions", "1.11"),
    Requirement("SimpleITK", "SimpleITK", 55, "resamples images", "2.3"),
    Requirement("nrrd", "pynrrd", 1, "reads NRRD and writes .seg.nrrd files", "1.0"),
    Requirement("nibabel", "nibabel", 4, "reads NIfTI files and checks those written", "5.2"),
    Requirement("jinja2", "Jinja2", 1, "writes the report", "3.1"),
    Requirement("PIL", "pillow", 8, "draws the report's pictures", "10.0"),
)
ROUTER_PACKAGES = (
    TORCH,
    Requirement("safetensors", "safetensors", 1, "reads the networks' weights", "0.4"),
    Requirement("scipy", "scipy", 40, "resizes images", "1.11"),
    Requirement("PIL", "pillow", 8, "reads pictures and draws thumbnails", "10.0"),
    Requirement("pydicom", "pydicom", 3, "reads DICOM files", "3.0"),
    Requirement("gdcm", "python-gdcm", 13, "unpacks compressed DICOM files", "3.0"),
    Requirement("yaml", "PyYAML", 1, "reads routing rules", "6.0"),
    Requirement("jsonschema", "jsonschema", 2, "checks routing rules", "4.20"),
    Requirement("pynetdicom", "pynetdicom", 2, "sends images to DICOM archives", "3.0"),
    Requirement("requests", "requests", 1, "sends images to DICOMweb archives", "2.31"),
)
PYTORCH_OLD = (
    "PyTorch {installed} is installed, but {oldest} or later is needed: renew it with the extension 'PyTorch' (module "
    "PyTorch Util), restart Slicer, and press Apply again."
)
RESTART = "{names} was renewed while an older version was in use: restart Slicer and press Apply again."
PYTORCH_MISSING = (
    "PyTorch is needed: install the extension 'PyTorch' (menu View, Extensions Manager), restart Slicer, and press "
    "Apply again."
)


class Installer(Protocol):
    """How an application installs packages."""

    def pip_install(self, requirements: list[str]) -> None: ...

    def torch_logic(self):
        """The PyTorchUtilsLogic of the extension PyTorch, or None where it is not installed."""


class SlicerInstaller:
    """Through 3D Slicer, which is looked up by name because this library also runs without it."""

    def pip_install(self, requirements: list[str]) -> None:
        slicer = sys.modules["slicer"]
        if importlib.util.find_spec(f"{slicer.__name__}.packaging") is not None:  # since Slicer 5.11
            importlib.import_module(f"{slicer.__name__}.packaging").pip_install(requirements)
        else:
            slicer.util.pip_install(requirements)

    def torch_logic(self):
        if not is_installed("PyTorchUtils"):
            return None
        return importlib.import_module("PyTorchUtils").PyTorchUtilsLogic()


def is_installed(name: str) -> bool:
    """Whether a package or module could be imported, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # there, but put together by hand and without a spec
        return True


def installed_version(name: str) -> str:
    """The version of an installed distribution, by its pip name; empty where that is not known."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def is_older(version: str, oldest: str) -> bool:
    """Whether the release of a version (PEP 440; 2.5.0+cpu is 2.5.0) comes before another; not known is not older."""
    releases = [[int(n) for n in re.findall(r"\d+", re.split(r"[^\d.]", text)[0])] for text in (version, oldest)]
    return bool(version) and releases[0] < releases[1]


def missing_packages(
    packages: Iterable[Requirement] = PACKAGES,
    is_there: Callable[[str], bool] = is_installed,
    version_of: Callable[[str], str] = installed_version,
) -> list[Requirement]:
    """Those of the packages that are not installed, or whose installed version is too old (then in ``installed``)."""
    missing = []
    for package in packages:
        if not is_there(package.name):
            missing.append(package)
        elif is_older(version_of(package.pip_name), package.oldest):
            missing.append(replace(package, installed=version_of(package.pip_name)))
    return missing


def install(
    missing: list[Requirement],
    confirm: Callable[[str], bool],
    progress: Callable[[str], None] = lambda text: None,
    installer: Installer | None = None,
    is_there: Callable[[str], bool] = is_installed,
) -> bool:
    """Ask once, then install; returns whether everything is there now, False when the user said no.

    confirm(text) asks the user; progress(text) shows what is going on. Raises MissingResource, with one sentence for
    the user, when PyTorch is missing and its extension too, or is too old (before anything is asked), when installing
    fails because there is no internet or no room, or when Slicer must be started again.
    """
    if not missing:
        return True
    installer = installer or SlicerInstaller()
    torch = next((package for package in missing if package.name == TORCH.name), None)
    if torch is not None and torch.installed:  # its extension does not exchange one that is there
        raise MissingResource(PYTORCH_OLD.format(installed=torch.installed, oldest=torch.oldest))
    needs_torch = torch is not None
    logic = installer.torch_logic() if needs_torch else None
    if needs_torch and logic is None:
        raise MissingResource(PYTORCH_MISSING)
    if not confirm(question(missing)):
        return False
    others = [package for package in missing if package.name != TORCH.name]
    if others:
        progress(f"Installing {_names(others)} ({_size(others)} MB)…")
        _attempt(others, lambda: installer.pip_install([package.pip_name + package.specifier for package in others]))
    if needs_torch:
        progress("Installing PyTorch; this takes some minutes…")
        _attempt([TORCH], lambda: logic.installTorch(askConfirmation=False, torchVersionRequirement=TORCH.specifier))
    importlib.invalidate_caches()
    still = [package for package in missing if not is_there(package.name)]
    if still:
        raise MissingResource(_failed(still))
    in_use = [package for package in missing if package.installed and package.name in sys.modules]
    if in_use:
        raise MissingResource(RESTART.format(names=_names(in_use)))
    progress("All packages are installed.")
    return True


def question(missing: list[Requirement]) -> str:
    """What the user is asked: what is missing, how large it is and what for."""
    lines = [
        f"- {_title(package)}, about {package.megabytes} MB: {package.why}"
        + (f" ({package.installed} is installed, {package.oldest} or later is needed)" if package.installed else "")
        for package in missing
    ]
    return "\n".join(
        [
            "Some Python packages are needed once and are not installed yet, or are too old:",
            "",
            *lines,
            "",
            f"About {_size(missing)} MB will be downloaded into Slicer's own Python. Install now?",
        ]
    )


def _attempt(packages: list[Requirement], step: Callable[[], object]) -> None:
    try:
        step()
    except Exception as error:  # pip's exit status, the network's errors, whatever the extension raises
        log.exception("Installing %s failed.", _names(packages))
        raise MissingResource(_failed(packages)) from error


def _failed(packages: list[Requirement]) -> str:
    return (
        f"{_names(packages)} could not be installed: this once Slicer needs the internet and about "
        f"{_size(packages)} MB, so check both and press Apply again; the details are in the log."
    )


def _names(packages: list[Requirement]) -> str:
    return ", ".join(_title(package) for package in packages)


def _title(package: Requirement) -> str:
    return "PyTorch" if package.name == TORCH.name else package.pip_name


def _size(packages: list[Requirement]) -> int:
    return sum(package.megabytes for package in packages)
