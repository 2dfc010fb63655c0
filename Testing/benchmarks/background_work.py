"""How much a worker thread gets done while the main thread is an idle event loop that keeps the interpreter lock.

``python Testing/benchmarks/background_work.py`` (from the repository's root). 3D Slicer's main thread keeps the lock
inside Qt; here a C call that sleeps without giving it up stands for that. Figures are in LesionKitLib/background.py.
"""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "LesionKit"))

from LesionKitLib.run.background import BackgroundRunner

SECONDS, REPEATS = 1.0, 5  # the best of the repeats counts: other programs only take away
wait_with_lock = ctypes.PyDLL(None).usleep  # PyDLL, other than CDLL, keeps the lock


class Loop:
    """An event loop with one repeating timer; ``late`` keeps by how many ms it fired late."""

    def __init__(self, interval_ms: float, callback):
        self._interval, self._callback, self.late = interval_ms / 1000, callback, []

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def run(self, seconds: float) -> None:
        due = time.monotonic()
        end = due + seconds
        while (now := time.monotonic()) < end:
            if now < due:
                wait_with_lock(int(1e6 * (due - now)))
            self.late.append(1000 * (time.monotonic() - due))
            due = max(due + self._interval, time.monotonic())
            self._callback()


def numpy_step():
    matrix = np.random.default_rng(0).random((300, 300), np.float32)
    return lambda: matrix @ matrix


def torch_step():
    import torch

    torch.set_num_threads(1)
    layers = [torch.nn.Conv2d(a, b, 3, padding=1) for a, b in ((1, 16), (16, 16), (16, 1))]
    network, image = torch.nn.Sequential(*layers), torch.zeros(1, 1, 192, 192)

    def step():
        with torch.no_grad():
            network(image)

    return step


def steps_done(step, interval_ms: float, yield_s: float) -> tuple[int, float]:
    """(steps in SECONDS, 95th percentile of the loop's lateness in ms)."""
    loops, done = [], [0]

    def make_loop(_interval_ms, callback):
        loops.append(Loop(interval_ms, callback))
        return loops[0]

    def work(progress):
        while not progress.cancelled:
            step()
            done[0] += 1

    runner = BackgroundRunner(make_loop, yield_s)
    runner.start(work, print, print)
    loops[0].run(SECONDS)
    count = done[0]
    runner.stop(5)
    return count, float(np.percentile(loops[0].late, 95))


def steps_alone(step) -> int:
    end, count = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        step()
        count += 1
    return count


def main() -> None:
    for name, make in (("PyTorch", torch_step), ("numpy", numpy_step)):
        step = make()
        step()
        alone = max(steps_alone(step) for _ in range(REPEATS))
        print(f"{name}: {alone} steps alone in {SECONDS:g} s")
        for interval_ms, yield_s in ((10, 0.0), (10, 0.002), (10, 0.008), (1, 0.004), (1, 0.008), (1, 0.015)):
            count, late = max(steps_done(step, interval_ms, yield_s) for _ in range(REPEATS))
            share = 100 * count / alone
            timer = f"{interval_ms:2} ms timer yields {1000 * yield_s:2.0f} ms"
            print(f"  {timer}: {share:3.0f} %, 95 % of ticks less than {late:.1f} ms late")


if __name__ == "__main__":
    main()
