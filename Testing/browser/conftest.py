"""A Workbench and a browser for the tests of its page."""

from __future__ import annotations

import shutil

import pytest
from workbench_running import RunningWorkbench

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def phantom_file(tmp_path_factory):
    from CovidLungQuantLib.phantoms.chest import make_phantom
    from LesionKitLib.io.images import write_volume

    file = tmp_path_factory.mktemp("phantom") / "small-chest.nii.gz"
    write_volume(file, make_phantom(seed=1, spacing=(3.0, 3.0, 5.0)).volume)
    return file


@pytest.fixture(scope="module")
def workbench(tmp_path_factory, phantom_file):
    running = RunningWorkbench(
        tmp_path_factory.mktemp("workbench"), "--sessions", "6", "--root", str(phantom_file.parent)
    )
    yield running
    assert running.stop() == 0, running.log
    assert not running.state.exists(), "files of the sessions were left behind"


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
