"""How a batch scales, simulated with Ray: stand-in studies take times drawn from the measured ones of a real batch.

    python Testing/benchmarks/cohort_scale.py TIMINGS.csv --studies 200 --workers 8 --faster 20

TIMINGS.csv is what "lesionkit batch" writes. Each stand-in study sleeps for a reading, analyzing and writing time drawn
from one row, divided by --faster, so that more workers can be tried than this machine has processors. Printed are the
seconds against the ideal (the longest stage of each study, as stages overlap, summed and shared among the workers),
and the studies per second that one caller can hand out at most, from studies that take no time.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
import tempfile
import time
from pathlib import Path

from LesionKitCohort.pool import Limits
from LesionKitCohort.ray_pool import RayEngine
from LesionKitCohort.studies import Study
from LesionKitCohort.tasks import Settings, Task
from LesionKitLib.run.progress import Progress

STAGES = ("read_s", "analyze_s", "write_s")


def _sleep(times: list[float], stage: int) -> None:
    time.sleep(times[stage])


def _read(path: str, settings) -> list[float]:
    times = [float(text) for text in path.split(",")]
    _sleep(times, 0)
    return times


def _analyze(times: list[float], settings) -> list[float]:
    _sleep(times, 1)
    return times


def _write(times: list[float], folder: Path, settings) -> dict:
    _sleep(times, 2)
    return {"seconds": sum(times)}


SLEEPING = Task(lambda settings: None, _read, _analyze, _write, "seconds")


def seconds_of(studies: list[Study], workers: int) -> float:
    """From the first study handed out, all workers being ready, to the last one told."""
    with tempfile.TemporaryDirectory() as folder:
        pool = RayEngine(cpus=0.01).pool("cohort_scale:SLEEPING", Settings(), folder, workers, Limits(600.0))
        warm = [Study(f"warm {n}", "1,1,1") for n in range(2 * workers)]  # every worker is ready when these are done
        done: list[float] = []
        pool.run(warm + studies, lambda outcome: done.append(time.monotonic()), Progress())
    return done[-1] - done[len(warm) - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("timings", type=Path)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--faster", type=float, default=20.0)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    with options.timings.open(newline="", encoding="utf-8") as file:
        measured = [[float(row[name]) for name in STAGES] for row in csv.DictReader(file) if row["write_s"]]
    draw = random.Random(0)
    times = [draw.choice(measured) for _ in range(options.studies)]
    studies = [
        Study(f"study {n}", ",".join(f"{second / options.faster:.6f}" for second in own)) for n, own in enumerate(times)
    ]
    for workers in options.workers:
        taken = seconds_of(studies, workers)
        ideal = sum(max(own) for own in times) / options.faster / workers
        print(f"{workers} workers: {taken:.1f} s, ideal {ideal:.1f} s, efficiency {ideal / taken:.2f}", flush=True)
    nothing = [Study(f"study {n}", "0,0,0") for n in range(options.studies)]
    print(f"handed out at most {options.studies / seconds_of(nothing, 2):.0f} studies per second by one caller")


if __name__ == "__main__":
    main()
