"""Routes a folder of many small X-rays of which one in a hundred is broken, and counts what became of them.

``python Testing/folder_stress.py [--files 10000] [--folder DIR]`` writes the files, runs ``lesionkit route --copy``
with a stand-in for the network, and prints one JSON document; exits with 1 when a whole file was not delivered or a
broken one not listed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / folder)
    for folder in (
        "LesionKit",
        "CovidLungQuant",
        "StrokeSynth",
        "BodyPartRouter",
        "Applications",
        "Research",
        "Testing/support",
    )
]

from router_fixtures import BrightnessClassifier, write_xray  # noqa: E402

LABELS = ("adult_chest", "spine", "abdomen")
BROKEN_EVERY, KEPT_BYTES = 100, 900


def write_files(folder: Path, count: int) -> int:
    """Small DICOM X-rays in subfolders of a thousand; how many of them were cut short."""
    broken = 0
    for n in range(count):
        path = write_xray(folder / f"{n // 1000}" / f"{n:05d}.dcm", LABELS[n % len(LABELS)], n)
        if n % BROKEN_EVERY == 7:
            path.write_bytes(path.read_bytes()[:KEPT_BYTES])
            broken += 1
    return broken


def route(source: Path, destination: Path) -> list[dict]:
    """The command's own document."""
    from BodyPartRouterLib.classification import classifier
    from LesionKitCLI.main import main

    classifier.load_classifier = lambda network="", device="auto": BrightnessClassifier()
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        main(["route", str(source), "--copy", str(destination), "--json"])
    return json.loads(out.getvalue())


def run(folder: Path, files: int) -> dict:
    broken = write_files(folder / "in", files)
    start = time.monotonic()
    records = route(folder / "in", folder / "out")
    return {
        "files": files,
        "broken": broken,
        "listed_as_broken": sum(record["class"] is None for record in records),
        "delivered": sum(1 for _ in (folder / "out").rglob("*.dcm")),
        "seconds": round(time.monotonic() - start, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = run(Path(folder), options.files)
    print(json.dumps(found))
    return int(found["listed_as_broken"] != found["broken"] or found["delivered"] != found["files"] - found["broken"])


if __name__ == "__main__":
    sys.exit(main())
