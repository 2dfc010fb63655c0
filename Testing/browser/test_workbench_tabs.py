"""The Workbench's tabs of StrokeSynth and BodyPartRouter in a real browser."""

from __future__ import annotations

import io
import re
import shutil
import zipfile

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("trame_slicer")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("workbench"),
    pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed"),
]
WAIT_MS = 90_000


@pytest.fixture
def page(browser, workbench):
    context = browser.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(workbench.address)
    page.wait_for_selector("#chest-apply")
    yield page
    context.close()


def picture(seed: int) -> dict:
    """A file as a browser sends it: a gray picture of noise."""
    from PIL import Image

    gray = np.random.default_rng(seed).normal(120, 30, (256, 256)).clip(0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(gray).save(content, "PNG")
    return {"name": f"picture-{seed}.png", "mimeType": "image/png", "buffer": content.getvalue()}


def test_a_student_outlines_a_case_of_the_quiz_and_sees_what_was_found(page):
    page.get_by_role("tab", name="StrokeSynth").click()
    page.get_by_role("button", name="Quiz", exact=True).click()
    page.get_by_label("Number (any)").fill("12")
    page.click("#brain-quiz")
    page.wait_for_function("() => document.querySelector('#brain-quiz-text').innerText.includes('outline the stroke')")
    page.click("#brain-check")
    page.wait_for_selector("#message:has-text('Outline the stroke first')")
    box = page.locator(".layout-grid-item").first.bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.55 * box["height"], steps=12)
    page.mouse.up()
    page.wait_for_function("() => !document.querySelector('#brain-undo').disabled")
    page.click("#brain-check")
    page.wait_for_function("() => document.querySelector('#brain-quiz-text').innerText.includes('Dice')")
    numbers = re.findall(r"(\d+\.\d) ml", page.inner_text("#brain-quiz-text"))
    assert len(numbers) == 3 and float(numbers[1]) > 0 and float(numbers[0]) + float(numbers[2]) > 0


def test_pictures_are_classified_corrected_and_sorted_into_an_archive(page, tmp_path):
    page.get_by_role("tab", name="BodyPartRouter").click()
    page.set_input_files("#xray-files", [picture(1), picture(2)])
    page.wait_for_selector("#xray-summary:has-text('2 images')")
    page.wait_for_timeout(1500)  # the first picture comes to the view, and the list is drawn anew
    page.get_by_role("combobox").first.click()
    page.get_by_role("option", name="Spine").click()
    page.wait_for_selector("button:has-text('Corrections'):not([disabled])")
    with page.expect_download() as download:
        page.click("#xray-sorted")
    download.value.save_as(tmp_path / "sorted.zip")
    with zipfile.ZipFile(tmp_path / "sorted.zip") as archive:
        names = archive.namelist()
    assert [name for name in names if name.startswith("spine/") and "picture-1" in name]
