"""Speed of the chest CT pipeline on 512 x 512 x 120, against lungmask's R231 U-Net (random weights) in the same run.

Run by ``make bench``. Each contender works in a process of its own, in turn, so that the machine's mood hits both; the
ratio of each pair counts, not the seconds. lungmask segments two lungs only and runs here without its post-processing
(which depends on what the weights find); ours does all it does for a user: lungs, three lesion classes, measurements.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

SHAPE = (120, 512, 512)
SPACING = (0.75, 0.75, 2.5)


def make_case(path: Path) -> None:
    """A phantom on exactly SHAPE, in HU."""
    from CovidLungQuantLib.phantoms.chest import make_phantom

    field = tuple(n * s for n, s in zip(SHAPE[::-1], SPACING, strict=True))
    volume = make_phantom(7, SPACING, field_mm=field).volume
    assert volume.array.shape == SHAPE, volume.array.shape
    np.savez(path, array=volume.array, matrix=volume.ijk_to_ras)


def run_ours(path: Path, runs: int) -> dict:
    from CovidLungQuantLib.pipeline import analyze
    from LesionKitLib.imaging.volume import Volume
    from LesionKitLib.models.inference import choose_runtime

    with np.load(path) as data:
        volume = Volume(data["array"], data["matrix"])
    runtime = choose_runtime()
    analyze(volume)
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        analyze(volume)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "device": runtime.description, "precision": runtime.precision}


def run_lungmask(path: Path, runs: int) -> dict:
    import torch
    from lungmask import LMInferer
    from lungmask.resunet import UNet

    with np.load(path) as data:
        array = data["array"]
    network = UNet(n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False)
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        torch.save(network.state_dict(), file.name)
        inferer = LMInferer(modelpath=file.name, volume_postprocessing=False, tqdm_disable=True)
    inferer.apply(array[:20])
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        inferer.apply(array)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds}


def gigaflops() -> dict[str, float]:
    """Operations of one slice (multiply and add count as two): ours in a typical chest box, lungmask's at 256 x 256."""
    import torch
    from lungmask.resunet import UNet
    from torch.utils.flop_counter import FlopCounterMode

    from CovidLungQuantLib.networks.convlstm import ConvLSTMNet

    peer = UNet(n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False)
    counts = {}
    for name, network, size in (("ours", ConvLSTMNet(), (224, 288)), ("lungmask", peer, (256, 256))):
        counter = FlopCounterMode(display=False)
        with counter, torch.inference_mode():
            network.eval()(torch.zeros(1, 2 if name == "ours" else 1, *size))
        counts[name] = counter.get_total_flops() / 1e9
    return counts


def in_process(contender: str, path: Path) -> dict:
    """One timed run of a contender in a fresh process, with its peak memory."""
    done = subprocess.run(
        [sys.executable, __file__, "--contender", contender, "--case", str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--contender", choices=("ours", "lungmask"), help=argparse.SUPPRESS)
    parser.add_argument("--case", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        result = {"ours": run_ours, "lungmask": run_lungmask}[options.contender](options.case, 1)
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case.npz"
        make_case(case)
        pairs = [(in_process("ours", case), in_process("lungmask", case)) for _ in range(options.pairs)]
    ours, peer = ([p[n]["seconds"][0] for p in pairs] for n in (0, 1))
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    flops = gigaflops()
    about = pairs[0][0]
    peaks = [max(p[n]["peak_mb"] for p in pairs) for n in (0, 1)]
    size = " x ".join(map(str, SHAPE[::-1]))
    print(f"chest CT {size}, {about['device']}, {about['precision']}, {options.pairs} pairs in turn")
    print(f"  CovidLungQuant, all steps      median {median(ours):6.2f} s   peak {peaks[0]:6.0f} MB")
    print(f"  lungmask R231, network only    median {median(peer):6.2f} s   peak {peaks[1]:6.0f} MB")
    print(f"  ratio ours / lungmask          median {median(ratios):6.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"  GFLOP per slice                ours {flops['ours']:.2f} at 224 x 288, ", end="")
    print(f"lungmask {flops['lungmask']:.2f} at 256 x 256")


if __name__ == "__main__":
    main()
