"""From slice positions to a regular stack: places, order, gaps, uneven distances, gantry tilt. Geometry only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.run.errors import UnusableInput

MAX_MISSING_FRACTION = 0.10  # of all slices; beyond it too much of the image would be invented
MAX_MISSING_IN_A_ROW = 3
_GAP = 1.7  # a step this many times the usual one has slices missing in it
_UNEVEN = 0.15  # of the slice distance: how far a slice may lie from its place in a regular stack
_TILT = 0.0035  # sine of 0.2 degrees between the stacking direction and the slices' normal
MAX_TILT_DEGREES = 35.0  # gantries turn by up to 30
_SHIFT_MM = 1.0  # how far a single slice may lie beside the stack's axis
_RUN = 3  # steps of one distance, one after the other, that are no gaps
_OTHER_DISTANCE = 1.4  # times another: a distance of its own, no unevenness
MAX_DISTANCE_RATIO = 4.0  # between parts of one stack; beyond it more than half of the image would be invented
_SHOWN = 5  # places named in a note


@dataclass(frozen=True)
class StackPlan:
    """How to build a regular stack. Slice n of the stack is a linear mix of two input slices:

    (1 - weight[n]) * slice[order[lower[n]]] + weight[n] * slice[order[lower[n] + 1]].
    order: indices of the input slices along the normal. step: mm between the stack's slices,
    None when there is only one. notes: what was found and done, sentences. aside: (3,) mm within the slices' plane by
    which the last slice of a tilted gantry lies beside the first one's normal, the others in proportion; None: no tilt.
    """

    order: tuple[int, ...]
    lower: np.ndarray
    weight: np.ndarray
    step: float | None
    notes: tuple[str, ...] = ()
    aside: np.ndarray | None = None


def plan_stack(positions: np.ndarray, normal: np.ndarray) -> StackPlan:
    """The plan for slices at ``positions`` (n x 3, mm) whose unit normal is ``normal`` (3,); any input order.

    No two of them may lie at the same place (see places_of). Missing slices, if few, are interpolated between their
    neighbors; parts of different slice distances are resampled to the finest; gantry tilt is told. Raises UnusableInput
    on slices beside each other and too many gaps.
    """
    positions = np.asarray(positions, float)
    offsets = positions @ normal
    order = np.argsort(offsets, kind="stable")
    if len(order) == 1:
        return StackPlan((0,), np.zeros(1, int), np.zeros(1), None)
    aside = _tilt(positions[order], offsets[order], normal)
    lower, weight, step, notes = _regular(offsets[order])
    if aside is not None:
        degrees = np.degrees(np.arctan2(np.linalg.norm(aside), offsets[order[-1]] - offsets[order[0]]))
        notes = [
            f"The gantry was tilted by {degrees:.1f} degrees: the slices were shifted within their planes onto a "
            "straight grid.",
            *notes,
        ]
    return StackPlan(tuple(int(n) for n in order), lower, weight, step, tuple(notes), aside)


def places_of(offsets: np.ndarray) -> np.ndarray:
    """For each slice the number of its place along the normal, counted from the lowest; equal numbers: the same place.

    offsets: mm along the normal, any order. Slices nearer than 5 % of the usual distance lie at one place.
    """
    offsets = np.asarray(offsets, float)
    ranked = np.argsort(offsets, kind="stable")
    steps = np.diff(offsets[ranked])
    real = steps[steps > 0.01]
    same = max(0.01, 0.05 * float(np.median(real))) if real.size else np.inf
    places, place, first = np.zeros(len(offsets), int), 0, offsets[ranked[0]] if len(offsets) else 0.0
    for index in ranked:
        if offsets[index] - first > same:
            place, first = place + 1, offsets[index]
        places[index] = place
    return places


def is_regular(offsets: np.ndarray) -> bool:
    """Whether slices, one at each place, lie as far apart as each other (within _UNEVEN of the distance)."""
    offsets = np.sort(np.asarray(offsets, float))
    if len(offsets) < 3:
        return True
    mean = (offsets[-1] - offsets[0]) / (len(offsets) - 1)
    return bool(np.abs(offsets - (offsets[0] + mean * np.arange(len(offsets)))).max() <= _UNEVEN * mean)


def _tilt(positions: np.ndarray, offsets: np.ndarray, normal: np.ndarray) -> np.ndarray | None:
    """StackPlan.aside of slices in stacking order. Raises UnusableInput where they do not lie along one line."""
    aside = positions - positions[0] - np.outer(offsets - offsets[0], normal)
    length = offsets[-1] - offsets[0]
    drift = float(np.linalg.norm(aside[-1]))
    if drift > max(_TILT * length, 0.1):
        along = np.outer((offsets - offsets[0]) / length, aside[-1])
        if np.abs(aside - along).max() > _SHIFT_MM:
            raise UnusableInput("The slices do not lie straight above each other, so they form no volume.")
        degrees = np.degrees(np.arctan2(drift, length))
        if degrees > MAX_TILT_DEGREES:
            raise UnusableInput(
                f"The slices are sheared against each other by {degrees:.1f} degrees, more than any gantry tilts; "
                "resample the series to a straight grid first."
            )
        return aside[-1]
    if np.abs(aside).max() > max(_SHIFT_MM, _TILT * length):
        raise UnusableInput("The slices do not lie straight above each other, so they form no volume.")
    return None


def _regular(offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, list[str]]:
    """lower, weight, step and notes for strictly rising offsets (at least two)."""
    steps, count = np.diff(offsets), len(offsets) - 1
    mean = (offsets[-1] - offsets[0]) / count
    if is_regular(offsets):
        return np.arange(count + 1), np.zeros(count + 1), float(mean), []
    distances = _systematic_distances(steps)
    if len(distances) > 1:
        return *_resampled(offsets, distances[0]), [_distances_note(distances)]

    usual = float(np.median(steps))
    missing = np.where(steps > _GAP * usual, np.rint(steps / usual) - 1, 0).astype(int)
    total, in_a_row = int(missing.sum()), int(missing.max())
    if in_a_row > MAX_MISSING_IN_A_ROW or total > MAX_MISSING_FRACTION * (len(offsets) + total):
        raise UnusableInput(
            f"{_count(total, 'slice', 'is', 'are')} missing in the series (up to {in_a_row} in a row): most slices lie "
            f"{usual:.3g} mm apart, but some up to {steps.max():.3g} mm; give the complete series."
        )
    lower, weight, step = _resampled(offsets, usual)
    if total:
        middle = (offsets[:-1] + offsets[1:])[missing > 0] / 2
        return lower, weight, step, [
            f"{_count(total, 'missing slice')} filled in between neighboring slices (at {_places(middle)})."
        ]  # fmt: skip
    return lower, weight, step, [
        f"The slices lie {steps.min():.2f} to {steps.max():.2f} mm apart; they were resampled to every {step:.2f} mm."
    ]  # fmt: skip


def _systematic_distances(steps: np.ndarray) -> list[float]:
    """Slice distances (mm, rising) that parts of the stack keep, each over at least _RUN steps one after the other.

    A gap stands alone; a part of the stack with another distance does not.
    """
    runs: list[list[float]] = [[float(steps[0])]]
    for step in steps[1:]:
        if abs(step - runs[-1][0]) <= _UNEVEN * runs[-1][0]:
            runs[-1].append(float(step))
        else:
            runs.append([float(step)])
    kept = sorted(float(np.median(run)) for run in runs if len(run) >= _RUN)
    distances: list[float] = []
    for distance in kept:
        if not distances or distance > _OTHER_DISTANCE * distances[-1]:
            distances.append(distance)
    alone = sum(len(run) for run in runs if len(run) < _RUN and max(run) > _GAP * min(kept, default=np.inf))
    return distances if alone <= MAX_MISSING_FRACTION * len(steps) else distances[:1]


def _distances_note(distances: list[float]) -> str:
    """Raises UnusableInput where one distance is too far from the others to be filled in."""
    named = " and ".join(f"{distance:.3g}" for distance in distances)
    if distances[-1] > MAX_DISTANCE_RATIO * distances[0]:
        raise UnusableInput(
            f"The series has parts of different slice distances ({named} mm), too different to be one volume; give the "
            "slices of one distance."
        )
    return (
        f"The series has parts of different slice distances ({named} mm); they were resampled to every "
        f"{distances[0]:.3g} mm, and what lies between the slices is interpolated."
    )


def _resampled(offsets: np.ndarray, distance: float) -> tuple[np.ndarray, np.ndarray, float]:
    """lower, weight and step of a stack of about this distance."""
    count = max(int(round((offsets[-1] - offsets[0]) / distance)), 1)
    step = float((offsets[-1] - offsets[0]) / count)
    return *_mix(offsets, offsets[0] + step * np.arange(count + 1)), step


def _mix(offsets: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each target the slice below it and the weight of the one above.

    A slice within 5 % of the step from the target is taken as it is.
    """
    lower = np.clip(np.searchsorted(offsets, targets, side="right") - 1, 0, len(offsets) - 2)
    weight = (targets - offsets[lower]) / np.diff(offsets)[lower]
    lower = np.where(weight > 0.95, lower + 1, lower)
    weight = np.where((weight < 0.05) | (weight > 0.95), 0.0, weight)
    return lower, weight


def _count(number: int, noun: str, one: str = "was", many: str = "were") -> str:
    return f"{number} {noun} {one}" if number == 1 else f"{number} {noun}s {many}"


def _places(offsets: np.ndarray) -> str:
    shown = ", ".join(f"{offset:.1f}" for offset in offsets[:_SHOWN])
    return f"slice position {shown}{' and others' if len(offsets) > _SHOWN else ''} mm"
