"""Time and memory of ``lesionkit covid`` on a CT of 1.5 GB: ``.venv/bin/python Testing/benchmarks/large_ct.py``.

The CT is a phantom's whose slices are repeated until it has the size (very thin slices), written to a temporary folder
(3 GB of disk are needed). The analysis is a process of its own; the peak is that process's.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIDE = 512
SPACING = (0.75, 0.75, 2.5)
SEED = 7


def make_large_ct(path: Path, slices: int) -> int:
    """Writes a CT in HU of about so many slices of SIDE x SIDE; returns its bytes."""
    import SimpleITK as sitk

    from CovidLungQuantLib.phantoms.chest import make_phantom

    chest = make_phantom(SEED, SPACING).volume.array
    missing = [(0, 0), *((0, max(0, SIDE - size)) for size in chest.shape[1:])]
    chest = np.pad(chest, missing, constant_values=-1000)[:, :SIDE, :SIDE].astype(np.int16)
    repeats = max(1, slices // len(chest))
    array = np.repeat(chest, repeats, 0)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((*SPACING[:2], SPACING[2] / repeats))
    sitk.WriteImage(image, str(path))
    return array.nbytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=3000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.nrrd")
        size = make_large_ct(path, options.slices)
        start = time.perf_counter()
        command = [sys.executable, "-m", "LesionKitCLI", "covid", str(path), "--output", str(Path(folder, "out"))]
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(
        f"{size / 1e9:.2f} GB: {seconds:.0f} s from file to report, peak {peak / 1e9:.1f} GB ({peak / size:.1f} times)"
    )


if __name__ == "__main__":
    main()
