"""The Workbench in a real browser, on a small phantom: open, run, paint, undo, export, come back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk
from workbench_running import ChestPage

pytest.importorskip("playwright.sync_api")
pytest.importorskip("trame_slicer")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("workbench"),
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
]
WAIT_MS = 90_000
SIZE = {"width": 1280, "height": 720}
SCREENSHOTS = os.environ.get("WORKBENCH_SCREENSHOTS")


def opened(browser, address: str) -> ChestPage:
    """Another visitor, with cookies of their own."""
    page = browser.new_context(viewport=SIZE, accept_downloads=True).new_page()
    page.set_default_timeout(WAIT_MS)
    return ChestPage(page, address)


@pytest.fixture(scope="module")
def visitor(browser, workbench, phantom_file):
    """With a phantom that was analyzed."""
    chest = opened(browser, workbench.address)
    chest.page.set_input_files("#chest-files", str(phantom_file))
    chest.wait_for_image()
    chest.apply()
    return chest


def keep_picture(page, name: str) -> None:
    if SCREENSHOTS:
        page.wait_for_timeout(1500)
        page.screenshot(path=f"{SCREENSHOTS}/{name}.png")


def test_a_stroke_changes_the_table_and_undo_and_redo_follow(visitor):
    visitor.page.click("#chest-tool-paint")
    before = visitor.ml()
    visitor.stroke((0.30, 0.45), (0.38, 0.55))
    painted = visitor.wait_for_other_ml(before)
    assert painted > before
    visitor.page.click("#chest-undo")
    assert visitor.wait_for_other_ml(painted) == before
    visitor.page.click("#chest-redo")
    assert visitor.wait_for_other_ml(before) == painted
    keep_picture(visitor.page, "painted")


def test_one_undo_takes_a_stroke_and_what_it_taught_back(visitor):
    page = visitor.page
    page.click("#chest-tool-paint")
    page.locator("#chest-teach").check()
    before = visitor.ml()
    visitor.stroke((0.64, 0.60), (0.68, 0.62))
    visitor.wait_for_other_ml(before)
    page.wait_for_timeout(2000)  # for the answer
    taught = visitor.ml()
    page.click("#chest-undo")
    assert visitor.wait_for_other_ml(taught) == before
    page.locator("#chest-teach").uncheck()


def test_keys_undo_and_choose_tools(visitor):
    visitor.page.keyboard.press("Escape")
    visitor.page.locator(".v-toolbar-title").click()
    now = visitor.ml()
    visitor.page.keyboard.press("Control+z")
    before = visitor.wait_for_other_ml(now)
    visitor.page.keyboard.press("Control+y")
    assert visitor.wait_for_other_ml(before) == now
    visitor.page.keyboard.press("3")
    visitor.page.wait_for_selector("#chest-tool-erase[aria-pressed=true]")


def test_the_export_holds_the_voxels_that_the_table_counts(visitor, tmp_path, phantom_file):
    page = visitor.page
    page.get_by_role("button", name="Export", exact=True).first.click()
    with page.expect_download() as download:
        page.click("#chest-export")
    download.value.save_as(tmp_path / "export.zip")
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        archive.extractall(tmp_path)
    lesions = sitk.ReadImage(str(tmp_path / "lesions.nii.gz"))
    image = sitk.ReadImage(str(phantom_file))
    assert lesions.GetSize() == image.GetSize()
    assert np.allclose(lesions.GetOrigin(), image.GetOrigin(), atol=1e-3)
    voxel_ml = float(np.prod(lesions.GetSpacing())) / 1000
    counted = (sitk.GetArrayFromImage(lesions) == 1).sum() * voxel_ml
    assert counted == pytest.approx(visitor.ml(), abs=0.06)
    document = json.loads((tmp_path / "measurements.json").read_text())
    assert document["total"]["ggo_ml"] == pytest.approx(counted, abs=1e-3)
    assert document["source"]["file"] == "small-chest.nii.gz"


def test_the_scene_is_saved_for_slicer_with_image_and_segments(visitor, tmp_path):
    with visitor.page.expect_download() as download:
        visitor.page.click("#chest-scene")
    download.value.save_as(tmp_path / "scene.mrb")
    with zipfile.ZipFile(tmp_path / "scene.mrb") as archive:
        names = archive.namelist()
    assert any(name.endswith(".seg.nrrd") for name in names)
    assert any(name.endswith(".mrml") for name in names)


def test_a_page_that_is_loaded_again_shows_the_same_session(visitor, workbench):
    before = visitor.ml()
    again = ChestPage(visitor.page, workbench.address)
    again.wait_for_result()
    assert again.ml() == before


def test_a_session_that_is_killed_comes_back_with_the_last_stroke(visitor, workbench):
    visitor.page.click("#chest-tool-paint")
    before = visitor.ml()
    visitor.stroke((0.60, 0.45), (0.68, 0.50))
    painted = visitor.wait_for_other_ml(before)
    visitor.page.wait_for_timeout(1500)  # the autosave follows a stroke after 0.4 s
    for process in workbench.session_processes():
        os.kill(process, signal.SIGKILL)
    again = ChestPage(visitor.page, workbench.address)
    again.wait_for_result()
    assert again.ml() == painted
    assert "Edits" in visitor.page.inner_text("#chest-edit-state")


def test_a_path_is_opened_only_under_the_allowed_folder(browser, workbench, phantom_file):
    other = opened(browser, workbench.address)
    other.page.fill("#chest-path", "../secret.nii.gz")
    other.page.click("#chest-open-path")
    other.page.wait_for_selector("#message:has-text('no such file')")
    other.page.fill("#chest-path", phantom_file.name)
    other.page.click("#chest-open-path")
    other.wait_for_image()
    other.page.context.close()


def test_two_visitors_never_see_each_other_s_images(browser, visitor, workbench):
    other = opened(browser, workbench.address)
    assert other.page.inner_text("#chest-headline") == "–"
    assert other.page.locator("#chest-table").count() == 0
    assert visitor.page.inner_text("#chest-headline").startswith("Burden")
    other.page.context.close()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.txt", b"no image", "unknown format"),
        ("broken.zip", b"PK\x03\x04 cut off", "cannot be unpacked"),
        ("cut.nii.gz", b"\x1f\x8b\x08\x00", "."),
    ],
)
def test_a_file_that_is_no_image_is_one_sentence_and_nothing_changes(visitor, name, content, said):
    page = visitor.page
    before = visitor.ml()
    page.set_input_files("#chest-files", [{"name": name, "mimeType": "application/octet-stream", "buffer": content}])
    page.wait_for_selector("#message")
    text = page.inner_text("#message")
    assert said in text and "Traceback" not in text
    assert visitor.ml() == before
    page.get_by_role("button", name="Close").click()
    page.wait_for_selector("#message", state="hidden")


def test_the_page_has_no_serious_finding_of_axe(visitor):
    from axe_playwright_python.sync_playwright import Axe

    for theme in ("dark", "light"):
        keep_picture(visitor.page, f"chest-{theme}")
        found = Axe().run(visitor.page).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], one["nodes"][0]["html"][:120]) for one in serious] == [], theme
        visitor.page.get_by_role("button", name="Light or dark").click()


def test_nothing_in_the_log_names_the_image(visitor, workbench):
    assert "small-chest" not in workbench.log
