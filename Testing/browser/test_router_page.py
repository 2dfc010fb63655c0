"""The router's page in a real browser: what a person sees and does there."""

from __future__ import annotations

import os
import shutil

import pytest
from router_peers import DCMTK, StoreScp, free_port, wait_until
from router_running import RunningService

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (DCMTK and CHROMIUM), reason="dcmtk or chromium is not installed"),
]

RULES = """
version: 1
destinations:
  archive: {{type: dicom, host: 127.0.0.1, port: {archive}, ae_title: ARCHIVE}}
rules:
  - {{when: {{class: spine}}, then: [copy: sorted/spine]}}
  - {{when: {{class: adult_chest}}, then: [store: archive]}}
service:
  {{data: data, min_free_mb: 0, first_wait_s: 60, longest_wait_s: 600, batch_wait_s: 0, metrics_port: null,
    page_port: {page}{more}}}
"""
WAIT_MS = 120_000


@pytest.fixture
def archive(tmp_path):
    archive = StoreScp(tmp_path / "archive", free_port())
    yield archive
    archive.stop()


@pytest.fixture
def run(tmp_path, archive):
    started = []

    def start(more=""):
        text = RULES.format(archive=archive.port, page=free_port(), more=more)
        started.append(RunningService(tmp_path, rules=text))
        return started[-1]

    yield start
    for running in started:
        running.service.stop()


@pytest.fixture
def browse():
    """browse(running): the page, opened; afterwards it has logged no error."""
    errors = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 800})
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))

        def open_page(running):
            page.goto(f"http://127.0.0.1:{running.service.page_port}/")
            return page

        yield open_page
        if os.environ.get("ROUTER_PAGE_SCREENSHOT"):
            page.screenshot(path=os.environ["ROUTER_PAGE_SCREENSHOT"], full_page=True)
        browser.close()
    assert errors == []


def test_a_held_image_is_seen_with_its_picture_and_reason_and_corrected(run, browse):
    running = run()
    _code, (uid,) = running.send("unknown")
    running.settle(held=1)
    page = browse(running)
    card = page.locator("article")
    card.wait_for()
    assert uid in card.inner_text() and "held" in card.inner_text()
    wait_until(lambda: card.locator("img").evaluate("image => image.naturalWidth") > 0)
    card.get_by_label("Class").select_option("spine")
    card.get_by_role("button", name="Correct").click()
    page.get_by_text("Corrected.").wait_for()
    running.settle(delivered=1)
    page.get_by_text("None.").wait_for()
    assert running.files("sorted/spine") == [f"{uid}.dcm"]


def test_an_outage_is_seen_and_the_destination_is_tried_again_at_once(run, browse, archive):
    running = run()
    running.send("adult_chest")
    wait_until(lambda: any(one["outage"] for one in running.journal.destinations()))
    page = browse(running)
    page.get_by_text("takes nothing: no connection").wait_for()
    archive.start()
    page.get_by_role("button", name="Retry").click()
    running.settle(delivered=1)  # long before the first wait is over


def test_an_image_is_released_to_a_destination(run, browse, archive):
    archive.start()
    running = run()
    _code, (uid,) = running.send("unknown")
    running.settle(held=1)
    card = browse(running).locator("article")
    card.get_by_role("button", name="Release").click()
    card.page.get_by_text("No rule sends this image anywhere").wait_for()
    card.get_by_label("Destination").select_option("archive")
    card.get_by_role("button", name="Release").click()
    running.settle(delivered=1)
    assert archive.objects == [uid]


def test_header_text_is_shown_as_text(run, browse):
    running = run()
    running.send("unknown")
    running.settle(held=1)
    reason = "<img src=x onerror=\"document.title='taken'\">"
    running.journal._base.execute("UPDATE images SET reason = ?", (reason,))
    page = browse(running)
    page.get_by_text(reason).wait_for()
    assert page.title() == "BodyPartRouter"


def test_a_token_is_asked_for_once(run, browse, monkeypatch):
    monkeypatch.setenv("PAGE_TOKEN", "open sesame")
    page = browse(run(", page_token_variable: PAGE_TOKEN"))
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("This is not the token.").wait_for()
    page.get_by_label("Token").fill("open sesame")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Destinations").wait_for()
    page.reload()
    page.get_by_role("heading", name="Destinations").wait_for()
