"""Speed and memory of StrokeSynth on a brain of 157 x 189 x 136 voxels of 1 mm.

Run by ``make bench``. Each task works in a process of its own and is timed once after a first run that loads what is
loaded once; the peak is the process's. Translators that are not installed are left out. The aims are what we would
like on two idle cores. On a busy machine the seconds mean little: its load and the processor's time (of all threads)
stand beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np
from peak_memory import peak_mb

AIMS_S = {"segment": 5.0, "synthesize": 10.0}
SEED = 3


def run_segment() -> dict:
    """A brain with the usual grays of FLAIR and a bright ball."""
    from LesionKitResearch.evaluation.stroke_masks import soop_labels
    from StrokeSynthLib.pipeline import segment_stroke

    labels = soop_labels()
    k, j, i = np.indices(labels.array.shape)
    ball = (k - 70) ** 2 + (j - 90) ** 2 + (i - 110) ** 2 <= 15**2
    gray = np.array([0, 60, 40, 130, 100, 120, 230])[np.where(ball & (labels.array > 0), 6, labels.array)]
    noise = np.random.default_rng(0).normal(0, 4, gray.shape)
    volume = labels.with_array(np.where(labels.array > 0, np.maximum(gray + noise, 1), 0).astype(np.int16))
    return timed(lambda: segment_stroke(volume))


def run_synthesize(translator: str) -> dict:
    from LesionKitResearch.evaluation.stroke_masks import soop_labels
    from StrokeSynthLib.synthesis.synthesis import synthesize

    labels = soop_labels()
    return timed(lambda: synthesize(labels, "gan", translator, SEED, (10.0, 60.0)))


def timed(work) -> dict:
    from LesionKitLib.models.inference import choose_runtime

    work()
    start, cpu_start = time.perf_counter(), time.process_time()
    work()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    peak = peak_mb()
    runtime = choose_runtime()
    about = {"device": runtime.description, "precision": runtime.precision}
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak, **about}


def in_process(task: str) -> dict:
    done = subprocess.run([sys.executable, __file__, "--task", task], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def installed_translators() -> list[str]:
    from LesionKitCLI.shared.installed_models import installed_models
    from StrokeSynthLib.networks.registry import TRANSLATORS

    names = {model.name for model in installed_models()}
    return [name for name in TRANSLATORS if {f"stroke-{name}", "stroke-mask-gan"} <= names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        kind, _, translator = options.task.partition(":")
        print(json.dumps(run_segment() if kind == "segment" else run_synthesize(translator)))
        return
    print("brain MR 157 x 189 x 136 of 1 mm, one run each after a first one")
    for task in ("segment", *(f"synthesize:{name}" for name in installed_translators())):
        kind, _, translator = task.partition(":")
        found = in_process(task)
        title = f"{kind} {translator}".strip()
        times = f"{found['seconds']:6.2f} s (aim {AIMS_S[kind]:g}), {found['cpu_seconds']:6.2f} s of CPU"
        about = f"{found['device']}, {found['precision']}; load {os.getloadavg()[0]:.1f}"
        print(f"  {title:20} {times}   peak {found['peak_mb']:6.0f} MB   {about}")


if __name__ == "__main__":
    main()
