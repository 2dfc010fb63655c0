"""Speed of the X-ray router: seconds per image for reading, preparing and the network, batch of 64 DICOM files.

Run by ``make bench``. Each file is a 2000 x 2000 DX image of 16 bits with a window, plain and as JPEG Lossless. The
paper's network took 0.0295 s per image (Pham 2021, hardware not ours).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from peak_memory import peak_mb

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

PUBLISHED = 0.0295
SIDE, BATCH = 2000, 64


def write_files(folder: Path) -> dict[str, Path]:
    """A plain file and a compressed one."""
    from scipy import ndimage
    from xray_fixtures import recompress, scene, write_xray

    rng = np.random.default_rng(0)
    grain = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2) * 0.02
    stored = np.clip(scene(SIDE, SIDE) * 0.8 + grain, 0, 1) * 65535
    plain = write_xray(folder / "plain.dcm", stored, 16, WindowCenter=30000, WindowWidth=55000)
    return {"plain": plain, "JPEG Lossless": recompress(plain, folder / "packed.dcm", "JPEGLosslessProcess14_1")}


def seconds(work, repeats: int, clock=time.perf_counter) -> float:
    work()
    taken = []
    for _ in range(repeats):
        start = clock()
        work()
        taken.append(clock() - start)
    return median(taken)


def main() -> None:
    from BodyPartRouterLib.classification.classifier import load_classifier
    from BodyPartRouterLib.networks.registry import NETWORKS
    from BodyPartRouterLib.reading.xray_file import read_xray

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder))
        print(
            f"router: X-rays of {SIDE} x {SIDE}, 16 bits; batch {BATCH}; seconds per image, median of {options.repeats}"
        )
        for name, path in files.items():
            print(f"  read {name:16} {seconds(lambda path=path: read_xray(path), options.repeats):.4f}")
        xrays = [read_xray(files["plain"])] * BATCH
    for network in NETWORKS.bundled:
        classifier = load_classifier(network)
        prepare_s = seconds(lambda c=classifier: c._views(xrays[:8]), options.repeats) / 8
        views = np.repeat(classifier._views(xrays[:1]), BATCH, 0)
        net_s = seconds(lambda c=classifier, v=views: c._run(v, c.runtime), options.repeats) / BATCH
        busy_s = seconds(lambda c=classifier, v=views: c._run(v, c.runtime), options.repeats, time.process_time) / BATCH
        whole_s = seconds(lambda c=classifier: c.predict(xrays), 1) / BATCH
        about = f"{classifier.runtime.description}, {classifier.runtime.precision}, {classifier.size} px"
        print(f"  {network:20} prepare {prepare_s:.4f}   network {net_s:.4f} (published {PUBLISHED})", end="")
        print(f", of the processors {busy_s:.4f}", end="")
        print(f"   both, as used {whole_s:.4f}   [{about}]")
    print(f"  peak memory {peak_mb():.0f} MB")


if __name__ == "__main__":
    main()
