"""A stand-in task for batches: what a study does is written in its file, as a word."""

from __future__ import annotations

import os
import time
from pathlib import Path

from LesionKitCohort.tasks import Task
from LesionKitLib.run.errors import UnusableInput


def read(path: str, settings) -> str:
    word = Path(path).read_text()
    if word == "truncated":
        raise UnusableInput("The file is cut short.")
    if word == "huge":
        return "x" * (1 << 40)
    if word == "poisoned":
        os._exit(9)
    while word == "endless":
        time.sleep(0.1)
    if word.startswith("slow"):
        time.sleep(0.3)
    if word == "once" and not Path(f"{path}.seen").exists():
        Path(f"{path}.seen").touch()
        os._exit(9)
    return word


def analyze(word: str, settings) -> float:
    if word == "fault":
        raise ZeroDivisionError
    return float(len(word))


def write(value: float, folder: Path, settings) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "value.txt").write_text(f"{value}")
    return {"value": value, "note": "", "worker": None}


STAND_IN = Task(lambda settings: None, read, analyze, write, "value")
