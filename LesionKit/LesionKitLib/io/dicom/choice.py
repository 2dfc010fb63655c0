"""Which series, and which of its groups of images, is taken for a task; what is said about it, or why it is refused.

Groups are compared criterion by criterion, in the order of the task's list: the first that differs decides, and is
named in a note. Where nothing decides between two groups of one series, the user is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from LesionKitLib.run.errors import UnusableInput

from .contrast import body_part_rank, kernel_class, mr_contrast
from .grouping import ORDER, TIME, Group, Series

ANY, CHEST_CT, BRAIN_MR = "any", "chest_ct", "brain_mr"
TASKS = (ANY, CHEST_CT, BRAIN_MR)
_MODALITIES = {CHEST_CT: "CT", BRAIN_MR: "MR"}
_CHEST_MM = 200.0  # a stack this long can hold the lungs
_CONTIGUOUS = 1.6  # slice distance over thickness; above it, and above _FINE_MM, there are gaps between the slices
_FINE_MM = 3.0
_SHOWN = 12  # series or groups named in a sentence

_KINDS = ("secondary", "localizer", "projection", "derived", "original")
_CONTRASTS = ("map", "angiography", "perfusion", "susceptibility", "T1", "PD", "b0", "", "T2", "DWI", "FLAIR")
_FLAIR = _CONTRASTS.index("FLAIR")
_KERNELS = ("sharp", "", "soft", "lung")
_RESPIRATION = ("expiration", "", "inspiration")


@dataclass(frozen=True)
class Choice:
    """The group taken, its series, and sentences about the choice."""

    series: Series
    group: Group
    notes: tuple[str, ...]


def choose(series: Sequence[Series], asked: str | int | None, group: str | int | None, task: str) -> Choice:
    """The group for the task (one of TASKS), of the series that was asked for (UID, number or place in the list).

    group: which group of the series (place in the series' list, or its label). Raises UnusableInput where there is no
    such series or group, where nothing decides, and where nothing is of use to the task.
    """
    candidates = list(series) if asked is None else [_asked(series, asked)]
    if asked is None:
        _refuse_several_patients(candidates, task)
        _refuse_other_modalities(candidates, task)
    longest = max((_length(one) for each in candidates for one in each.groups), default=0.0)
    best = max(candidates, key=lambda each: max(_rank(one, _CRITERIA[task], longest) for one in each.groups))
    chosen, reason = _group(best, group, task, longest)
    refuse_map(chosen, best, task)
    notes = []
    if len(series) > 1:
        notes.append(_series_note(series, best, asked, task, longest))
    if len(best.groups) > 1:
        notes.extend(_group_notes(best, chosen, reason))
    return Choice(best, chosen, tuple(notes))


def choose_of_series(series: Series, own: Sequence[Group], group: str | int | None, task: str) -> Choice:
    """The group that holds the file that was given, the task's choice of several (an enhanced file may hold frames of
    many groups), or the one that was asked for in its series."""
    if group is not None:
        chosen, reason = _asked_group(series, group), ""
    elif len(own) == 1:
        chosen, reason = own[0], "it holds the file that was given"
    else:
        longest = max(_length(one) for one in own)
        chosen, reason = _group(Series(tuple(own)), None, task, longest)
    refuse_map(chosen, series, task)
    return Choice(series, chosen, tuple(_group_notes(series, chosen, reason)) if len(series.groups) > 1 else ())


def refuse_map(group: Group, series: Series, task: str) -> None:
    """Raises UnusableInput where the group is a parametric map (ADC, CBF, ...), or the phase or another part of complex
    MR images, and the task wants an image."""
    name, component = group.typical.header.map_name, group.traits.get("component")
    if task == ANY or not (name or component in ("phase", "real part", "imaginary part")):
        return
    need = "a chest CT" if task == CHEST_CT else "an image (DWI, FLAIR, T2) of the brain"
    what = with_article(f"{name} map") if name else f"the {component} of MR images"
    raise UnusableInput(f"The {describe(series, group)} is {what}, but {need} is needed.")


def with_article(noun: str) -> str:
    """For example "an MTT map", "a CBF map", "an exponential ADC map"."""
    first = noun.split()[0]
    spelled = first.isupper() and first not in ("TTP", "TTD")  # letter by letter, as far as it matters here
    return f"{'an' if first[0] in ('AEFHILMNORSX' if spelled else 'aeiouAEIOU') else 'a'} {noun}"


# --- ranking


Criteria = Sequence[tuple[str, Callable[[Group, float], object]]]


def _rank(group: Group, criteria: Criteria, longest: float) -> list:
    """Values by criterion, larger is better; longest: mm that the longest stack to choose from covers."""
    return [criterion(group, longest) for _, criterion in criteria]


def _first_difference(one: Group, other: Group, criteria: Criteria, longest: float) -> str:
    """The name of the criterion that puts one before the other; "" where none does."""
    for name, criterion in criteria:
        if criterion(one, longest) != criterion(other, longest):
            return name
    return ""


def _length(group: Group) -> float:
    """mm from the first to the last slice."""
    return group.step * max(group.places - 1, 0)


def _modality(modality: str) -> Callable:
    return lambda group, _: group.typical.header.modality == modality


def _covers(group: Group, longest: float) -> bool:
    return group.places > 1 and _length(group) >= 0.8 * min(_CHEST_MM, longest)


def _contiguous(group: Group, _) -> bool:
    thickness = group.typical.header.slice_thickness
    return not thickness or group.step <= max(_CONTIGUOUS * thickness, _FINE_MM)


def _kind(group: Group, _) -> int:
    header = group.typical.header
    if header.modality == "MR" and header.kind == "derived" and _is_trace(group, 0):
        return _KINDS.index("original")  # computed from directions on the scanner, and what is read
    return _KINDS.index(header.kind)


def _contrast(group: Group) -> int:
    return _CONTRASTS.index(mr_contrast(group.typical.header))


def _is_trace(group: Group, _) -> bool:
    return group.traits.get("diffusion") == "trace"


def _component(group: Group, _) -> bool:
    return group.traits.get("component") in (None, "", "magnitude")


def _lower_first(name: str) -> Callable:
    return lambda group, _: -_number(group.traits.get(name), 1e9)


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default


def _first_in_time(group: Group, _) -> float:
    said = group.traits.get(TIME)
    return -float(str(said).split()[0]) if said else 0.0


_USABLE = [
    ("with a place in the patient", lambda group, _: group.places > 0),
    ("with whole gray pictures", lambda group, _: any(not frame.defect for frame in group.frames)),
    ("slices, no localizer and no projection", lambda group, _: min(_kind(group, 0), _KINDS.index("derived"))),
    ("images, not maps", lambda group, _: not group.typical.header.map_name),
    ("magnitude images", _component),
]
_LATEST = ("the latest study", lambda group, _: group.typical.header.date)
_AXIAL = ("axial slices", lambda group, _: group.orientation == "axial")
_ORIGINAL = ("original before derived images", _kind)
_LAST = [
    _LATEST,
    _AXIAL,
    ("most slices", lambda group, _: group.places),
    ("thin before thick slices", lambda group, _: -(group.typical.header.slice_thickness or 99.0)),
    ("the first phase", _lower_first("phase")),
    ("the first time point", _lower_first("time_point")),
    ("the first acquisition", _lower_first("acquisition")),
    ("the first in time", _first_in_time),
    ("the lowest series number", _lower_first("series_number")),
]
_DIFFUSION = [
    ("the highest b-value", lambda group, _: group.typical.header.b_value or 0.0),
    ("the trace before single directions", _is_trace),
    ("the longest echo time", lambda group, _: group.typical.header.echo_time or 0.0),
]
_LONG_ENOUGH = ("a stack long enough for lungs", _covers)
_CHEST = [
    ("inspiration before expiration", lambda group, _: _RESPIRATION.index(group.traits.get("respiration") or "")),
    ("slices without gaps between them", _contiguous),
    ("lung before soft kernel", lambda group, _: _KERNELS.index(kernel_class(group.typical.header))),
    ("thin before thick slices", lambda group, _: -(group.typical.header.slice_thickness or 99.0)),
]
_WEIGHTED = ("the highest b-value", lambda group, _: (group.typical.header.b_value or 0.0) > 0)
_CRITERIA: dict[str, Criteria] = {
    ANY: [
        ("a CT", _modality("CT")), *_USABLE, _ORIGINAL, _AXIAL, *_CHEST, *_DIFFUSION, *_LAST,
    ],
    CHEST_CT: [
        ("a CT", _modality("CT")), *_USABLE, _ORIGINAL,
        ("a CT of the chest", lambda group, _: body_part_rank(group.typical.header, "chest")),
        _AXIAL, _LATEST, _LONG_ENOUGH, *_CHEST, *_LAST,
    ],
    BRAIN_MR: [
        ("an MR", _modality("MR")), *_USABLE,
        ("an MR of the head", lambda group, _: body_part_rank(group.typical.header, "head")),
        ("FLAIR or DWI before other contrasts", lambda group, _: _contrast(group) >= _CONTRASTS.index("DWI")),
        ("FLAIR before DWI, as the network learned from FLAIR", lambda group, _: _contrast(group) == _FLAIR),
        ("T2 before other contrasts", lambda group, _: _contrast(group) >= _CONTRASTS.index("T2")),
        ("the contrast in which strokes show best", lambda group, _: _contrast(group)),
        _ORIGINAL, _LATEST, *_DIFFUSION, *_LAST,
    ],
}  # fmt: skip
# In one series the b-value is the contrast; that of separate series comes after FLAIR and DWI
_IN_SERIES = _CRITERIA | {
    BRAIN_MR: [("an MR", _modality("MR")), *_USABLE, _WEIGHTED, _ORIGINAL, *_DIFFUSION, *_CRITERIA[BRAIN_MR]]
}


# --- what was asked for


def _asked(series: Sequence[Series], asked: str | int) -> Series:
    wanted = str(asked).strip()
    by_uid = [one for one in series if one.typical.header.series_uid == wanted]
    by_number = [one for one in series if str(one.typical.header.series_number) == wanted]
    by_place = [series[int(wanted) - 1]] if wanted.isdigit() and 1 <= int(wanted) <= len(series) else []
    found = by_uid or by_number or by_place
    if not found:
        raise UnusableInput(f"There is no such series in the folder; it holds: {_listed(series)}.")
    if len(found) > 1 and by_uid:
        raise UnusableInput(f"{len(found)} patients have images of this series; give its place in the list instead.")
    if len(found) > 1:
        raise UnusableInput(f"{len(found)} series have the number {wanted}; give the SeriesInstanceUID instead.")
    return found[0]


def _group(series: Series, asked: str | int | None, task: str, longest: float) -> tuple[Group, str]:
    """The group of the series and why it was taken."""
    if asked is not None:
        return _asked_group(series, asked), ""
    criteria = _IN_SERIES[task]
    best = max(series.groups, key=lambda one: _rank(one, criteria, longest))
    others = [one for one in series.groups if one is not best]
    if not others:
        return best, ""
    equal = [one for one in others if not _first_difference(best, one, criteria, longest)]
    if equal:
        _refuse_undecided(series, best, equal)
    second = max(others, key=lambda one: _rank(one, criteria, longest))
    return best, _first_difference(best, second, criteria, longest)


def _asked_group(series: Series, asked: str | int) -> Group:
    wanted = str(asked).strip()
    by_label = [one for one in series.groups if one.label.lower() == wanted.lower()]
    by_place = wanted.isdigit() and 1 <= int(wanted) <= len(series.groups)
    if by_label or by_place:
        return by_label[0] if by_label else series.groups[int(wanted) - 1]
    raise UnusableInput(f"There is no such group in the {name_of(series)}; it holds: {_groups_listed(series.groups)}.")


def _refuse_undecided(series: Series, best: Group, equal: Sequence[Group]) -> None:
    tied = [one for one in series.groups if one is best or one in equal]
    if any(ORDER in one.traits for one in tied):
        raise UnusableInput(
            f"The {name_of(series)} holds {len(tied)} different images at one place, and the headers do not say in "
            f"what they differ; choose one with --group: {_groups_listed(series.groups)}."
        )
    raise UnusableInput(
        f"The {name_of(series)} holds {len(series.groups)} groups of images at one place; choose one with --group: "
        f"{_groups_listed(series.groups)}."
    )


def _refuse_several_patients(series: Sequence[Series], task: str) -> None:
    """Raises UnusableInput where images of more than one patient could be meant."""
    fit = [one for one in series if any(_fits_task(group, task) for group in one.groups)] or list(series)
    patients = list(dict.fromkeys(one.typical.patient for one in fit))
    if len(patients) < 2:
        return
    numbers = patient_numbers(series)
    named = "; ".join(
        f"patient {numbers[patient]}: {_listed([one for one in fit if one.typical.patient == patient])}"
        for patient in patients[:_SHOWN]
    )
    raise UnusableInput(f"The folder holds images of {len(patients)} patients; choose a series with --series: {named}.")


def patient_numbers(series: Sequence[Series]) -> dict[str, int]:
    """A number from 1 on for each patient, in the order of the series: names and identifiers are never shown."""
    patients = dict.fromkeys(one.typical.patient for one in series)
    return {patient: n for n, patient in enumerate(patients, start=1)}


def _fits_task(group: Group, task: str) -> bool:
    header = group.typical.header
    return (
        header.modality == _MODALITIES.get(task, header.modality)
        and header.kind not in ("secondary", "localizer")
        and group.places > 1
    )


def _refuse_other_modalities(series: Sequence[Series], task: str) -> None:
    """Raises UnusableInput where of several series none is of the task's modality."""
    wanted = _MODALITIES.get(task)
    if wanted is None or len(series) == 1:
        return
    if all(group.typical.header.modality != wanted for one in series for group in one.groups):
        need = "a CT" if wanted == "CT" else "an MR"
        raise UnusableInput(f"None of the {len(series)} series in the folder is {need}; it holds: {_listed(series)}.")


# --- sentences


def name_of(series: Series) -> str:
    """For example "CT series 3"."""
    header = series.typical.header
    number = "" if header.series_number is None else f" {header.series_number}"
    return f"{header.modality or 'DICOM'} series{number}"


def describe(series: Series, group: Group | None = None) -> str:
    """Series (or one group of it) with what tells it from others."""
    shown = group or series
    header = shown.typical.header
    count = len(group.frames) if group else series.images
    facts = [f"'{header.description}'"] if header.description else []
    facts.append(f"{count} image{'s' if count != 1 else ''}")
    if header.slice_thickness:
        facts.append(f"{header.slice_thickness:g} mm thick")
    if header.kernel:
        facts.append(f"kernel {header.kernel}")
    if header.kind != "original":
        facts.append(header.kind)
    return f"{name_of(series)} ({', '.join(facts)})"


def _series_note(series: Sequence[Series], best: Series, asked, task: str, longest: float) -> str:
    if asked is not None:
        return f"Of {len(series)} series in the folder, {describe(best)} was asked for."
    criteria = _CRITERIA[task]
    top = max(best.groups, key=lambda one: _rank(one, criteria, longest))
    rest = [group for one in series if one is not best for group in one.groups]
    second = max(rest, key=lambda one: _rank(one, criteria, longest))
    why = _first_difference(top, second, criteria, longest)
    because = f" ({why})" if why else ""
    return f"Of {len(series)} series in the folder, {describe(best)} was chosen{because}; --series takes another."


def _group_notes(series: Series, chosen: Group, reason: str) -> list[str]:
    """The choice among groups that could each be read, and what else of the series was left out."""
    others = [one for one in series.groups if one is not chosen]
    foreign = [one for one in others if _is_foreign(one, chosen)]
    rivals = [one for one in others if one not in foreign]
    notes = []
    if rivals:
        why = f" ({reason})" if reason else ""
        notes.append(
            f"Of {len(rivals) + 1} groups of images in the {name_of(series)}, {chosen.label} was taken{why}; left out: "
            f"{_groups_listed(rivals)}; --group takes another."
        )
    if foreign:
        notes.append(f"Left out of the {name_of(series)}: {_foreign_named(foreign, chosen)}.")
    return notes


def _is_foreign(group: Group, chosen: Group) -> bool:
    """Whether it is a stray picture rather than another volume."""
    header = group.typical.header
    return bool(
        group.traits.get("color")
        or header.kind in ("secondary", "localizer")
        or group.places < 2
        or len(group.frames) < max(3, 0.1 * len(chosen.frames))
    )


def _foreign_named(groups: Sequence[Group], chosen: Group) -> str:
    counts: Counter[str] = Counter()
    for group in groups:
        counts[_foreign_kind(group, chosen)] += len(group.frames)
    return ", ".join(f"{count} x {kind}" for kind, count in counts.items())


def _foreign_kind(group: Group, chosen: Group) -> str:
    kind = group.typical.header.kind
    if group.traits.get("color"):
        return "color picture"
    if kind in ("secondary", "localizer"):
        return "localizer image" if kind == "localizer" else "screen capture or other secondary picture"
    for name in ("size", "orientation"):
        if group.traits[name] != chosen.traits[name]:
            return f"image of another {name} ({group.traits[name]})"
    return f"image ({group.label})"


def _listed(series: Sequence[Series]) -> str:
    shown = "; ".join(describe(one) for one in series[:_SHOWN])
    return shown + (f"; and {len(series) - _SHOWN} others" if len(series) > _SHOWN else "")


def _groups_listed(groups: Sequence[Group]) -> str:
    shown = "; ".join(f"{one.label} ({len(one.frames)} images)" for one in groups[:_SHOWN])
    return shown + (f"; and {len(groups) - _SHOWN} others" if len(groups) > _SHOWN else "")
