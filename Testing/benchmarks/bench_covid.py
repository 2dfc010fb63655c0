"""Speed of the chest CT pipeline beside other segmenters, idle and busy, in one run: ``make bench``.

Every contender works in a process of its own. A round runs all of them once, in turn, so that the machine's mood hits
all alike; of the rounds median and range are told, and for each contender the ratio to ours within its round. Seconds
of wall time mean little on a shared machine; processor seconds (user and system, of all threads) and ratios count.
"busy": the same beside as many spinning processes as there are processors.

--before FOLDER: a checkout of an earlier version (``git worktree add FOLDER COMMIT``), which joins as a contender.
--check RATIO: exit 1 if ours takes more than RATIO of the processor time of the version before.
--curves: cost against slices and matrix. --output FOLDER: benchmark-covid.json and .png are written there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).resolve().parent
SHAPE = (120, 512, 512)
SPACING = (0.75, 0.75, 2.5)
OURS, BEFORE = "ours: ConvLSTM", "the version before"
SLICES, MATRICES = (30, 60, 120, 300, 600), (256, 512, 1024)
RESULT = "benchmark-covid"


def make_case(path: Path) -> None:
    """A phantom on exactly SHAPE, in HU."""
    from CovidLungQuantLib.phantoms.chest import make_phantom

    field = tuple(n * s for n, s in zip(SHAPE[::-1], SPACING, strict=True))
    volume = make_phantom(7, SPACING, field_mm=field).volume
    assert volume.array.shape == SHAPE, volume.array.shape
    np.savez(path, array=volume.array, matrix=volume.ijk_to_ras)


def resized(case: Path, path: Path, slices: int, matrix: int) -> None:
    """The case's body with another number of slices and pixels, by nearest neighbor."""
    with np.load(case) as data:
        array, ijk_to_ras = data["array"], data["matrix"].copy()
    shape = (slices, matrix, matrix)
    index = [np.arange(n) * old // n for n, old in zip(shape, array.shape, strict=True)]
    for axis, (n, old) in enumerate(zip(shape[::-1], array.shape[::-1], strict=True)):
        ijk_to_ras[:3, axis] *= old / n
    np.savez(path, array=array[np.ix_(*index)], matrix=ijk_to_ras)


def in_process(name: str, case: Path, before: Path | None = None) -> dict:
    """One timed run of a contender in a fresh process."""
    environment, contender = dict(os.environ), name
    if name == BEFORE:
        rooms = ("LesionKit", "CovidLungQuant", "StrokeSynth", "BodyPartRouter", "Applications", "Research")
        environment["PYTHONPATH"] = os.pathsep.join(str(before / room) for room in rooms)
        contender = OURS
    command = [sys.executable, str(HERE / "contenders.py"), contender, str(case)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def _spin() -> None:
    while True:
        pass


@contextmanager
def spinning(count: int) -> Iterator[None]:
    processes = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def rounds(names: list[str], case: Path, count: int, before: Path | None) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {name: [] for name in names}
    for _ in range(count):
        for name in names:
            found[name].append(in_process(name, case, before))
    return found


def summary(found: dict[str, list[dict]]) -> list[dict]:
    """A row for each contender: [median, least, most] of its runs, and of its ratios to ours in the same round."""
    rows = []
    for name, runs in found.items():
        pairs = [(run, own) for run, own in zip(runs, found[OURS], strict=True) if "error" not in {**run, **own}]
        if not pairs:
            rows.append({"contender": name, "error": runs[0].get("error", "")})
            continue
        row = {"contender": name, "scaled_by": pairs[0][0]["scaled_by"], "rounds": len(pairs)}
        for key in ("wall_s", "cpu_s", "peak_mb"):
            row[key] = spread([run[key] for run, _ in pairs])
        row["cpu_ratio_to_ours"] = spread([run["cpu_s"] / own["cpu_s"] for run, own in pairs])
        row["wall_ratio_to_ours"] = spread([run["wall_s"] / own["wall_s"] for run, own in pairs])
        row["stages"] = pairs[-1][0].get("stages")
        rows.append(row)
    return rows


def spread(values: list[float]) -> list[float]:
    return [round(value, 3) for value in (median(values), min(values), max(values))]


def curves(case: Path, folder: Path) -> list[dict]:
    """Cost and peak memory of ours against slices (at 512 x 512) and matrix (of 60 slices)."""
    points = []
    for slices, matrix in [*((n, 512) for n in SLICES), *((60, m) for m in MATRICES if m != 512)]:
        path = folder / "resized.npz"
        resized(case, path, slices, matrix)
        image_mb = slices * matrix**2 * 2 / 2**20
        points.append({"slices": slices, "matrix": matrix, "image_mb": image_mb, **in_process(OURS, path)})
    return points


def roofline() -> dict[str, float]:
    """GFLOP of a slice (224 x 288) through our network, this CPU's convolution peak, and the share that we reach."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from CovidLungQuantLib.networks.convlstm import ConvLSTMNet
    from LesionKitLib.models.encoders.fused import DTYPES
    from LesionKitLib.models.inference import choose_runtime

    runtime = choose_runtime("cpu")
    dtype = DTYPES[runtime.precision]
    counter, frames = FlopCounterMode(display=False), torch.rand(16, 2, 224, 288)
    network = ConvLSTMNet().eval()
    with counter, torch.inference_mode():
        network(frames[:1])
    gflop = counter.get_total_flops() / 1e9
    best = torch.nn.Conv2d(256, 256, 3, padding=1, bias=False).to(dtype)
    image = torch.rand(2, 256, 56, 72).to(dtype).contiguous(memory_format=torch.channels_last)
    prepared = runtime.prepared(network)
    frames = frames.contiguous(memory_format=torch.channels_last)
    torch.set_num_threads(1)
    with torch.inference_mode():
        conv_s = _fastest(lambda: best(image))
        with runtime.autocast():
            network_s = _fastest(lambda: list(prepared.stream(frames.split(2)))) / len(frames)
    peak = 2 * 256 * 256 * 9 * image.shape[0] * 56 * 72 / conv_s / 1e9
    reached = gflop / network_s
    return {
        "gflop_per_slice": gflop,
        "peak_gflops_one_core": peak,
        "reached_gflops": reached,
        "share_of_peak": reached / peak,
    }


def _fastest(work, repeats: int = 5) -> float:
    work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def table(rows: list[dict]) -> str:
    lines = ["| contender | CPU s | wall s | peak MB | CPU / ours | wall / ours |", "|---|---|---|---|---|---|"]
    for row in rows:
        if "error" in row:
            lines.append(f"| {row['contender']} | not run: {row['error']} | | | | |")
            continue
        cells = [row[k] for k in ("cpu_s", "wall_s", "peak_mb", "cpu_ratio_to_ours", "wall_ratio_to_ours")]
        texts = [f"{middle:.4g} ({low:.4g} to {high:.4g})" for middle, low, high in cells]
        lines.append(f"| {row['contender']} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def draw(document: dict, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    bars, lines = figure.subplots(1, 2)
    rows = [row for row in document["idle"] if "error" not in row]
    bars.barh([r["contender"] for r in rows], [r["cpu_s"][0] for r in rows], color="#4477aa")
    bars.set(xscale="log", xlabel="processor seconds, 512 x 512 x 120", title="Median of the rounds")
    bars.invert_yaxis()
    points = [p for p in document.get("curves", []) if p["matrix"] == 512 and "error" not in p]
    if points:
        lines.plot([p["slices"] for p in points], [p["peak_mb"] for p in points], "o-", label="peak")
        lines.plot([p["slices"] for p in points], [1.3 * p["image_mb"] + 350 for p in points], "--", label="aim")
        lines.set(xlabel="slices of 512 x 512", ylabel="MB", title="Peak memory")
        lines.legend()
    else:
        lines.set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> int:
    from contenders import CONTENDERS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=os.cpu_count(), help="spinning processes; 0 leaves the part out")
    parser.add_argument("--only", nargs="*", help="these contenders beside ours")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--check", type=float, metavar="RATIO")
    parser.add_argument("--curves", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    chosen = CONTENDERS if options.only is None else options.only
    names = [OURS, *([BEFORE] if options.before else []), *(name for name in chosen if name != OURS)]
    document = {"shape": SHAPE[::-1], "processors": os.cpu_count(), "load": os.getloadavg(), "roofline": roofline()}
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case.npz"
        make_case(case)
        document["idle"] = summary(rounds(names, case, options.rounds, options.before))
        if options.busy:
            with spinning(options.busy):
                few = [OURS, *([BEFORE] if options.before else [])]
                document["busy"] = summary(rounds(few, case, options.rounds, options.before))
        if options.curves:
            document["curves"] = curves(case, Path(folder))
    for part in ("idle", "busy"):
        if part in document:
            print(f"{part}: chest CT {' x '.join(map(str, SHAPE[::-1]))}, {options.rounds} rounds; median (range)\n")
            print(table(document[part]) + "\n")
    print("roofline: " + ", ".join(f"{key} {value:.3g}" for key, value in document["roofline"].items()))
    for point in document.get("curves", []):
        print("  " + ", ".join(f"{k} {v:.4g}" for k, v in point.items() if isinstance(v, (int, float))))
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, indent=2) + "\n"
        (options.output / f"{RESULT}.json").write_text(text, encoding="utf-8")
        draw(document, options.output / f"{RESULT}.png")
    if options.check:
        ratios = [r["cpu_ratio_to_ours"][0] for r in document["idle"] if r["contender"] == BEFORE]
        if not ratios or 1 / ratios[0] > options.check:
            print(f"Regression: more than {options.check:g} of the processor time of the version before.")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
