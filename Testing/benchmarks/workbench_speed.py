"""The Workbench's speed as its visitor sees it, by the browser's own clock, beside trame-slicer's example viewer.

``python Testing/benchmarks/workbench_speed.py`` (from the repository's root; needs Chromium and the extra workbench).
The volume is a phantom of 512 x 512 x 120. Slices: pictures that the axial view shows in 3 s of turning the wheel.
Brush: from a move of the pointer, with the tool Paint, to the next picture. Prints a table in Markdown.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("LesionKit", "CovidLungQuant", "Applications", "Testing/support")]

from playwright.sync_api import sync_playwright  # noqa: E402
from workbench_running import ChestPage, RunningWorkbench  # noqa: E402

CHROMIUM = shutil.which("chromium")
SIZE = {"width": 1280, "height": 720}
SPACING = (0.7, 0.7, 2.5)
SLICES = 120
VIEW = ".layout-grid-item img.image-display-area"  # the first is the axial one
PEER = """
import sys
from trame_slicer.app.medical_viewer_app import MedicalViewerApp
app = MedicalViewerApp()
app._logic._load_files_logic._on_load_volume_files([sys.argv.pop(1)])
app.server.start(host="127.0.0.1", port=int(sys.argv.pop(1)), open_browser=False)
"""
COUNT = """async ([selector, seconds]) => {
  const view = document.querySelector(selector);
  let pictures = 0;
  const seen = new MutationObserver(() => pictures++);
  seen.observe(view, { attributes: true, attributeFilter: ['src'] });
  const box = view.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
  const end = performance.now() + 1000 * seconds;
  let turn = 0;
  while (performance.now() < end) {
    const step = Math.floor(turn++ / 25) % 2 ? -100 : 100;
    const turned = { deltaY: step, clientX: x, clientY: y, bubbles: true, cancelable: true };
    view.dispatchEvent(new WheelEvent('wheel', turned));
    await new Promise((done) => setTimeout(done, 30));
  }
  seen.disconnect();
  return pictures / seconds;
}"""
ARM = """(selector) => {
  const view = document.querySelector(selector);
  window.shown = new Promise((done) => {
    new MutationObserver((_m, seen) => { seen.disconnect(); done(performance.now()); })
      .observe(view, { attributes: true, attributeFilter: ['src'] });
    const once = { once: true, capture: true };
    document.addEventListener('mousemove', () => { window.moved = performance.now(); }, once);
  });
}"""


def phantom_file(folder: Path) -> Path:
    """512 x 512 x 120, with lesions."""
    import numpy as np

    from CovidLungQuantLib.phantoms.chest import make_phantom
    from LesionKitLib.imaging.volume import Volume
    from LesionKitLib.io.images import write_volume

    made = make_phantom(seed=7, spacing=SPACING, lesions=("ggo", "consolidation", "effusion")).volume
    depth, height, width = made.array.shape
    array = np.full((SLICES, 512, 512), -1000, np.int16)
    k, j, i = min(depth, SLICES), min(height, 512), min(width, 512)
    array[:k, :j, :i] = made.array[:k, :j, :i]
    file = folder / "phantom.nii.gz"
    write_volume(file, Volume(array, made.ijk_to_ras))
    return file


def first_picture(page, address: str) -> float:
    """s from opening the page to the first picture of a slice view."""
    page.goto(address, wait_until="commit")
    page.wait_for_function(f"() => document.querySelector('{VIEW}')?.naturalWidth > 0")
    return page.evaluate("() => performance.now()") / 1000


def slices_a_second(page, seconds: float = 3) -> float:
    """Pictures of the axial view while the wheel turns with the pointer over it."""
    box = page.locator(VIEW).first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    return page.evaluate(COUNT, [VIEW, seconds])


def brush_delay(page, box: dict, repeats: int = 15) -> float:
    """ms from a move of the pointer to the next picture, median."""
    delays = []
    for n in range(repeats):
        page.wait_for_timeout(250)
        page.evaluate("() => { window.moved = undefined; }")
        page.evaluate(ARM, VIEW)
        page.mouse.move(box["x"] + 200 + 6 * n, box["y"] + 250 + 3 * n)
        delays.append(page.evaluate("async () => (await window.shown) - window.moved"))
    return statistics.median(delays)


def memory_mb(process: int) -> float:
    """Resident, of one process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def measure_workbench(browser, folder: Path, file: Path) -> dict:
    """Of our page."""
    running = RunningWorkbench(folder)
    try:
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(120_000)
        page.goto(running.address)
        page.wait_for_selector("#chest-apply")
        page.context.clear_cookies()
        time.sleep(5)  # the next session gets ready
        seconds = first_picture(page, running.address)
        chest = ChestPage(page, running.address)
        page.set_input_files("#chest-files", str(file))
        chest.wait_for_image()
        page.wait_for_timeout(1500)
        frames = slices_a_second(page)
        chest.apply()
        page.wait_for_timeout(1500)
        frames_with_result = slices_a_second(page)
        page.click("#chest-tool-paint")
        page.wait_for_timeout(500)
        delay = brush_delay(page, chest.axial())
        tables = []
        for n in range(5):
            before = chest.ml()
            chest.stroke((0.30, 0.40 + 0.03 * n), (0.38, 0.44 + 0.03 * n))
            start = time.perf_counter()
            chest.wait_for_other_ml(before)
            tables.append(time.perf_counter() - start)
        memory = max(memory_mb(process) for process in running.session_processes())
        return {
            "first picture (s)": seconds,
            "slices a second": frames,
            "slices a second, with the result": frames_with_result,
            "brush to picture (ms)": delay,
            "stroke to table (s)": statistics.median(tables),
            "memory of a session (MB)": memory,
        }
    finally:
        running.stop()


def measure_peer(browser, file: Path) -> dict:
    """Of trame-slicer's example viewer."""
    port = 8897
    process = subprocess.Popen(
        [sys.executable, "-c", PEER, str(file), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(10)
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(60_000)
        seconds = first_picture(page, f"http://127.0.0.1:{port}/")
        page.wait_for_timeout(2500)
        return {
            "first picture (s)": seconds,
            "slices a second": slices_a_second(page),
            "memory of a session (MB)": memory_mb(process.pid),
        }
    finally:
        process.kill()


def main() -> None:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        file = phantom_file(Path(name))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        ours = measure_workbench(browser, Path(name), file)
        peer = measure_peer(browser, file)
        browser.close()
    print("| | Workbench | trame-slicer's viewer |\n|---|---|---|")
    for key, value in ours.items():
        other = f"{peer[key]:.3g}" if key in peer else "–"
        print(f"| {key} | {value:.3g} | {other} |")


if __name__ == "__main__":
    main()
