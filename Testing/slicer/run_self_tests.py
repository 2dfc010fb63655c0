"""Runs the modules' self-tests in a 3D Slicer and ends it with their outcome; see ``make slicer-test``.

Slicer --testing --no-splash --additional-module-paths <modules> --python-script Testing/slicer/run_self_tests.py
"""

import importlib
import sys
import time
import traceback

import slicer

MODULES = ("CovidLungQuant", "StrokeSynth", "BodyPartRouter")


def run(name: str) -> bool:
    """Whether the module's test passes; says what it does."""
    start = time.perf_counter()
    try:
        slicer.util.selectModule(name)
        slicer.app.processEvents()
        test = getattr(importlib.import_module(name), f"{name}Test")()
        if not test.panelTest().hasPanel():
            raise RuntimeError("The module has no panel in this application.")
        test.runTest()
    except Exception:
        traceback.print_exc()
        print(f"{name}: FAILED after {time.perf_counter() - start:.1f} s", flush=True)
        return False
    print(f"{name}: passed in {time.perf_counter() - start:.1f} s", flush=True)
    return True


if __name__ == "__main__":
    version = f"{slicer.app.majorVersion}.{slicer.app.minorVersion}"
    print(f"3D Slicer {version}, Python {sys.version.split()[0]}", flush=True)
    passed = [run(name) for name in MODULES]
    slicer.util.exit(0 if all(passed) else 1)
