"""A running Workbench, and what a person does on its page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

WAIT_S = 90


class RunningWorkbench:
    """Started as a user does, on a free port. folder: for its sessions and its log; options: more of the command's."""

    def __init__(self, folder: Path, *options: str):
        self.state, self._log = folder / "state", folder / "log"
        self._command = [
            sys.executable, "-m", "LesionKitCLI", "workbench", "--no-browser", "--state", str(self.state), *options,
        ]  # fmt: skip
        self.start("0")

    def start(self, port: str) -> None:
        """Until it has printed its address."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        with self._log.open("w") as log:
            self.process = subprocess.Popen([*self._command, "--port", port], stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"is at (http://\S+)", self.log)
            if found:
                self.address = found[1]
                return
            time.sleep(0.1)
        raise AssertionError(f"The Workbench did not start:\n{self.log}")

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def port(self) -> str:
        return self.address.rstrip("/").rpartition(":")[2]

    def session_processes(self) -> list[int]:
        """Process IDs of its sessions."""
        listing = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)], capture_output=True, text=True
        ).stdout
        return [int(line.split()[0]) for line in listing.splitlines() if "LesionKitWorkbench.session" in line]

    def stop(self, with_signal: int = signal.SIGINT) -> int:
        """Its exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(30)


class ChestPage:
    """A person at the tab of CovidLungQuant. page: of Playwright."""

    GGO_ROW = "#chest-table tbody tr:nth-child(2)"

    def __init__(self, page, address: str):
        self.page = page
        page.goto(address)
        page.wait_for_selector("#chest-apply")

    def wait_for_image(self) -> None:
        self.page.wait_for_function("() => !document.querySelector('#chest-apply').disabled")

    def apply(self) -> None:
        """Press Apply and wait for the numbers."""
        self.page.click("#chest-apply")
        self.wait_for_result()

    def wait_for_result(self) -> None:
        self.page.wait_for_selector("#chest-table")
        self.page.wait_for_function("() => document.querySelector('#chest-headline').innerText.startsWith('Burden')")

    def ml(self) -> float:
        """Of ground-glass opacity, as the table has it now."""
        return float(self.page.inner_text(f"{self.GGO_ROW} td:nth-child(2)"))

    def wait_for_other_ml(self, before: float) -> float:
        """Until the table has another number."""
        self.page.wait_for_function(
            "([row, before]) => parseFloat(document.querySelector(row + ' td:nth-child(2)').innerText) !== before",
            arg=[self.GGO_ROW, before],
        )
        return self.ml()

    def axial(self) -> dict:
        """Box of the axial view on the page: x, y, width, height."""
        return self.page.locator(".layout-grid-item").first.bounding_box()

    def stroke(self, start: tuple[float, float], end: tuple[float, float], steps: int = 12) -> None:
        """Drag over the axial view; places as parts of its width and height."""
        box = self.axial()
        places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        self.page.mouse.move(*places[1], steps=steps)
        self.page.mouse.up()
