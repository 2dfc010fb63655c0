"""A Workbench and a browser for the tests of its page."""

from __future__ import annotations

import shutil

import pytest
from workbench_running import RunningWorkbench

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def workbench(tmp_path_factory):
    running = RunningWorkbench(tmp_path_factory.mktemp("workbench"), "--sessions", "3")
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
