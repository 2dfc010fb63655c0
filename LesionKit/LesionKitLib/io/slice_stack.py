"""From slice positions to a regular stack: order, duplicates, gaps, uneven distances, gantry tilt. Geometry only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from LesionKitLib.run.errors import UnusableInput

MAX_MISSING_FRACTION = 0.10  # of all slices; beyond it too much of the image would be invented
MAX_MISSING_IN_A_ROW = 3
_GAP = 1.7  # a step this many times the usual one has slices missing in it
_UNEVEN = 0.15  # of the slice distance: how far a slice may lie from its place in a regular stack
_TILT = 0.0035  # sine of 0.2 degrees between the stacking direction and the slices' normal
_SHIFT_MM = 1.0  # how far a single slice may lie beside the stack's axis
_SHOWN = 5  # places named in a note


@dataclass(frozen=True)
class StackPlan:
    """How to build a regular stack. Slice n of the stack is a linear mix of two input slices:

    (1 - weight[n]) * slice[order[lower[n]]] + weight[n] * slice[order[lower[n] + 1]].
    order: indices of the input slices along the normal, without duplicates. step: mm between the stack's slices,
    None when there is only one. notes: what was found and done, sentences.
    """

    order: tuple[int, ...]
    lower: np.ndarray
    weight: np.ndarray
    step: float | None
    notes: tuple[str, ...] = ()


def plan_stack(positions: np.ndarray, normal: np.ndarray) -> StackPlan:
    """The plan for slices at ``positions`` (n x 3, mm) whose unit normal is ``normal`` (3,); any input order.

    Of slices at the same place the first in the input's order is kept. Missing slices, if few, are interpolated
    between their neighbors. Raises UnusableInput on gantry tilt, slices beside each other, and too many gaps.
    """
    positions = np.asarray(positions, float)
    offsets = positions @ normal
    order, duplicates = _distinct(offsets)
    notes = []
    if duplicates:
        notes.append(f"{_count(len(duplicates), 'duplicated slice')} left out (at {_places(offsets[duplicates])}).")
    if len(order) == 1:
        return StackPlan(tuple(order), np.zeros(1, int), np.zeros(1), None, tuple(notes))
    _refuse_tilt(positions[order], offsets[order], normal)
    lower, weight, step, gap_notes = _regular(offsets[order])
    return StackPlan(tuple(order), lower, weight, step, (*notes, *gap_notes))


def _distinct(offsets: np.ndarray) -> tuple[list[int], list[int]]:
    """Indices sorted by offset, one per place, and the indices left out."""
    ranked = np.lexsort((np.arange(len(offsets)), np.round(offsets, 2)))
    steps = np.diff(offsets[ranked])
    real = steps[steps > 0.01]
    same = max(0.01, 0.05 * float(np.median(real))) if real.size else np.inf
    kept, left_out = [int(ranked[0])], []
    for index in ranked[1:]:
        (left_out if offsets[index] - offsets[kept[-1]] <= same else kept).append(int(index))
    return kept, left_out


def _refuse_tilt(positions: np.ndarray, offsets: np.ndarray, normal: np.ndarray) -> None:
    """positions and offsets in stacking order."""
    aside = positions - positions[0] - np.outer(offsets - offsets[0], normal)
    length = offsets[-1] - offsets[0]
    drift = float(np.linalg.norm(aside[-1]))
    if drift > max(_TILT * length, 0.1):
        along = np.outer((offsets - offsets[0]) / length, aside[-1])
        if np.abs(aside - along).max() > _SHIFT_MM:
            raise UnusableInput("The slices do not lie straight above each other, so they form no volume.")
        degrees = np.degrees(np.arctan2(drift, length))
        raise UnusableInput(
            f"The slices are sheared against each other by {degrees:.1f} degrees (gantry tilt); "
            "resample the series to a straight grid first."
        )
    if np.abs(aside).max() > max(_SHIFT_MM, _TILT * length):
        raise UnusableInput("The slices do not lie straight above each other, so they form no volume.")


def _regular(offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, list[str]]:
    """lower, weight, step and notes for strictly rising offsets (at least two)."""
    steps = np.diff(offsets)
    usual = float(np.median(steps))
    count = len(steps)
    mean = (offsets[-1] - offsets[0]) / count
    if np.abs(offsets - (offsets[0] + mean * np.arange(count + 1))).max() <= _UNEVEN * usual:
        return np.arange(count + 1), np.zeros(count + 1), float(mean), []

    missing = np.where(steps > _GAP * usual, np.rint(steps / usual) - 1, 0).astype(int)
    total, in_a_row = int(missing.sum()), int(missing.max())
    if in_a_row > MAX_MISSING_IN_A_ROW or total > MAX_MISSING_FRACTION * (len(offsets) + total):
        raise UnusableInput(
            f"{_count(total, 'slice', 'is', 'are')} missing in the series (up to {in_a_row} in a row; "
            f"the distance between slices goes from {steps.min():.1f} to {steps.max():.1f} mm): "
            "send the complete series again."
        )
    count = max(int(round((offsets[-1] - offsets[0]) / usual)), 1)
    step = float((offsets[-1] - offsets[0]) / count)
    lower, weight = _mix(offsets, offsets[0] + step * np.arange(count + 1))
    if total:
        middle = (offsets[:-1] + offsets[1:])[missing > 0] / 2
        return lower, weight, step, [
            f"{_count(total, 'missing slice')} filled in between neighboring slices (at {_places(middle)})."
        ]  # fmt: skip
    return lower, weight, step, [
        f"The slices lie {steps.min():.2f} to {steps.max():.2f} mm apart; they were resampled to every {step:.2f} mm."
    ]  # fmt: skip


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
