"""Agreement with the ground truth after each number of strokes, for one method; strokes of the robot annotator."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from LesionKitLib.correction.online_likelihood import UNMARKED
from LesionKitLib.imaging.metrics import dice, with_interval
from LesionKitLib.run.progress import Progress

from .cases import Case, cases_of
from .methods import method_for
from .robot_annotator import generator_for, next_stroke

TARGETS = (0.85, 0.90)  # Dice, for the number of strokes that reaches it


@dataclass(frozen=True)
class Course:
    """One picture's course. dice: {metric: Dice after 0, 1, 2 ... strokes}; area_error: {metric: |area - true area| /
    true area, alike}. strokes: how many were drawn before nothing was wrong. seconds: of each answer."""

    source: str
    patient: str
    dice: dict[str, list[float]]
    area_error: dict[str, list[float]]
    seconds: list[float]


def evaluate_correction(
    data: Path,
    split: str,
    network: str,
    method: str,
    strokes: tuple[int, ...],
    device: str = "auto",
    progress: Progress | None = None,
    seed: int = 0,
) -> dict:
    """The document of ``lesionkit evaluate correction``.

    strokes: numbers of strokes after which to measure. Raises UnusableInput for a folder without pictures to correct.
    """
    progress = progress or Progress()
    progress.report("segmenting", 0.0)
    version, cases = cases_of(data, split, network, device)
    courses = []
    for n, case in enumerate(cases):
        progress.report("correcting", 0.1 + 0.9 * n / len(cases))
        courses.append(correct_case(case, method, max(strokes), seed))
    seconds = [s for course in courses for s in course.seconds]
    return {
        "task": "correction",
        "network": network,
        "version": version,
        "method": method,
        "split": split,
        "seed": seed,
        "strokes": list(strokes),
        "n": len(courses),
        "metrics": metrics_of(courses, strokes),
        "per_source": {
            name: metrics_of([c for c in courses if c.source == name], strokes)
            for name in sorted({c.source for c in courses})
        },
        "seconds_per_stroke": {
            "median": float(np.median(seconds)) if seconds else None,
            "most": max(seconds, default=None),
        },
    }


def correct_case(case: Case, method: str, strokes: int, seed: int = 0) -> Course:
    """Strokes of the robot on one picture until nothing is wrong, at most ``strokes``."""
    answer, rng = method_for(method, case.picture), generator_for(case.name, seed)
    labels, drawn = case.picture.labels, np.full(case.truth.shape, UNMARKED, np.int16)
    course = Course(case.source, case.patient, {}, {}, [])
    _note(course, labels, case)
    for _ in range(strokes):
        stroke = next_stroke(labels, case.truth, case.classes, case.picture.spacing, rng)
        if stroke is not None:
            drawn[stroke.mask] = stroke.value
            start = time.perf_counter()
            labels = answer(drawn, labels, stroke.mask)
            course.seconds.append(time.perf_counter() - start)
        _note(course, labels, case)
    return course


def _note(course: Course, labels: np.ndarray, case: Case) -> None:
    for name, values in case.metrics.items():
        truth, found = np.isin(case.truth, values), np.isin(labels, values)
        if truth.any():
            course.dice.setdefault(name, []).append(dice(truth, found))
            error = abs(int(found.sum()) - int(truth.sum())) / int(truth.sum())
            course.area_error.setdefault(name, []).append(error)


def metrics_of(courses: list[Course], strokes: tuple[int, ...]) -> dict[str, dict]:
    """{class: {dice_K, area_error_percent_K: {mean, low, high}, strokes_to_0.85: ..., n}}; intervals are over patients.

    strokes_to_D: share of the pictures that reach Dice D within the strokes, and the median number of those that do.
    """
    result = {}
    for name in sorted({name for course in courses for name in course.dice}):
        known = [course for course in courses if name in course.dice]
        patients = [f"{c.source}/{c.patient}" for c in known]
        table = np.array([c.dice[name] for c in known])
        errors = 100 * np.array([c.area_error[name] for c in known])
        figures: dict = {}
        for k in strokes:
            figures[f"dice_{k}"] = _mean(table[:, k], patients)
        for k in strokes:
            figures[f"area_error_percent_{k}"] = _mean(errors[:, k], patients)
        for target in TARGETS:
            figures[f"strokes_to_{target:.2f}"] = strokes_to(table, target)
        result[name] = {**figures, "n": len(known)}
    return result


def strokes_to(table: np.ndarray, target: float) -> dict[str, float | None]:
    """share of the rows of table (n, strokes + 1) that reach the target, and the median number of strokes of those."""
    reached = table >= target
    some = reached.any(1)
    return {
        "share": float(some.mean()),
        "median": float(np.median(reached[some].argmax(1))) if some.any() else None,
    }


def _mean(values: np.ndarray, patients: list[str]) -> dict:
    return with_interval(lambda rows: float(values[rows].mean()), patients)
