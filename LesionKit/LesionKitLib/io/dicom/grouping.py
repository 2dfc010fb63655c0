"""Which images belong together: frames by series, and in a series the groups that can each be one volume.

A series may hold several images of one place: b-values, echoes, kernels, phases, repeats. They are told apart by what
their headers say (dicom.traits), and where that is not enough by any element that differs; images that nothing tells
apart are duplicates only where their pixels are equal.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from LesionKitLib.run.errors import MissingResource, UnusableInput

from .differences import differing_element
from .header import Frame
from .pixels import PixelReader
from .slice_stack import is_regular, places_of
from .traits import OVERLAPPING, SEPARATE, label_of

TIME, ORDER = "position in time", "position in the order of instance numbers"
_SHARED = 0.5  # of the shorter one's extent: stacks that share more than this cover the same ground
_PACKAGE = 1.5  # slice thickness over slice distance: above it slices overlap so much that they repeat each other
_SHOWN = 4  # labels of a group


@dataclass(frozen=True)
class Group:
    """Frames that can be one volume. traits: what they have in common. duplicates: equal images that were dropped.

    known: whether what tells it from the series' other groups has a meaning to the rules of choosing (dicom_choice).
    """

    frames: tuple[Frame, ...]
    traits: dict[str, object] = field(default_factory=dict)
    duplicates: tuple[Frame, ...] = ()
    known: bool = True
    label: str = ""  # what tells it from the series' other groups

    @property
    def typical(self) -> Frame:
        """The frame standing for the group: one of the most common image type."""
        common = Counter(frame.header.image_type for frame in self.frames).most_common(1)[0][0]
        return next(frame for frame in self.frames if frame.header.image_type == common)

    @property
    def orientation(self) -> str:
        """axial, coronal, sagittal, oblique, or "" when the images do not say."""
        return orientation_name(self.frames[0])

    @property
    def places(self) -> int:
        """How many different slice positions there are."""
        return len(set(_places(self.frames))) if _stackable(self.frames) else 0

    @property
    def step(self) -> float:
        """Usual distance of the slices in mm; 0 where there is only one."""
        offsets = np.unique(np.round(_offsets(self.frames), 2)) if _stackable(self.frames) else np.zeros(1)
        return float(np.median(np.diff(offsets))) if len(offsets) > 1 else 0.0


@dataclass(frozen=True)
class Series:
    """All images of one SeriesInstanceUID (of one patient), in groups."""

    groups: tuple[Group, ...]

    @property
    def images(self) -> int:
        """How many images it has."""
        return sum(len(group.frames) + len(group.duplicates) for group in self.groups)

    @property
    def typical(self) -> Frame:
        """The frame standing for the series: that of its largest group."""
        return max(self.groups, key=lambda group: len(group.frames)).typical


def series_of(frames: Iterable[Frame]) -> list[Series]:
    """Frames by series, in the order of the series' numbers."""
    found: dict[tuple[str, str], list[Frame]] = defaultdict(list)
    for frame in frames:
        found[frame.patient, frame.header.series_uid].append(frame)
    series = [Series(tuple(groups_of(members))) for members in found.values()]

    def rank(one: Series):
        header = one.typical.header
        return (header.series_number is None, header.series_number or 0, header.date, header.series_uid)

    return sorted(series, key=rank)


def groups_of(frames: Sequence[Frame]) -> list[Group]:
    """The groups of one series, the largest first; each group's label says in what it differs from the others."""
    frames = sorted(frames, key=lambda one: (one.acquisition, one.instance, one.path.name, str(one.path), one.frame))
    parts = _geometry_classes(frames)
    for name in SEPARATE:
        parts = [new for part in parts for new in _split(part, lambda frame, name=name: frame.traits.get(name))]
    groups: list[Group] = []
    for part in parts:
        groups.extend(_separate_overlapping(part))
    return _labeled(groups)


def orientation_name(frame: Frame) -> str:
    """axial, coronal, sagittal, oblique, or "" when the image does not say."""
    if frame.orientation is None:
        return ""
    normal = np.abs(_normal(frame))
    axis = int(np.argmax(normal))
    return ("sagittal", "coronal", "axial")[axis] if normal[axis] > 0.8 else "oblique"


def _split(frames: Sequence[Frame], key: Callable[[Frame], object]) -> list[list[Frame]]:
    parts: dict[object, list[Frame]] = defaultdict(list)
    for frame in frames:
        parts[key(frame)].append(frame)
    return list(parts.values())


# --- images of one geometry and one kind


def _separate_overlapping(frames: list[Frame]) -> list[Group]:
    """Groups of frames that differ in nothing of SEPARATE."""
    if not _stackable(frames):
        return [Group(tuple(frames))]
    parts = [frames]
    for name in OVERLAPPING:
        parts = [new for part in parts for new in _overlapping_parts(part, name)]
    return [group for part in parts for group in _without_collisions(part)]


def _overlapping_parts(frames: list[Frame], name: str) -> list[list[Frame]]:
    """The parts of different values of a trait, where they cover the same ground; else all as one."""
    parts = _split(frames, lambda frame: frame.traits.get(name))
    if len(parts) == 1 or 2 * len(parts) > len(frames) or _is_one_stack(frames):
        return [frames]  # one value, a value for (nearly) each image, or one stack in spite of several
    stacks: list[list[Frame]] = []
    for part in sorted(parts, key=len, reverse=True):
        # a part that follows others along the patient continues the first of them
        joined = next((stack for stack in stacks if not _share_ground(stack, part)), None)
        if joined is None:
            stacks.append(part)
            continue
        beyond, overlap = _beyond(part, joined)
        joined.extend(beyond)
        if overlap:
            stacks.append(overlap)
    return stacks


def _is_one_stack(frames: list[Frame]) -> bool:
    """Whether interleaved parts make up one stack (slices acquired in packages) rather than repeating it.

    The slices of a package are thinner than their distance; those of a stack of its own are not.
    """
    if _collide(frames):
        return False
    thickness = [frame.header.slice_thickness for frame in frames if frame.header.slice_thickness]
    if not thickness:
        return is_regular(_offsets(frames))
    return max(thickness) <= _PACKAGE * float(np.median(np.diff(np.sort(_offsets(frames)))))


def _share_ground(one: list[Frame], other: list[Frame]) -> bool:
    a, b = _offsets(one), _offsets(other)
    shared = min(a.max(), b.max()) - max(a.min(), b.min())
    return bool(shared >= 0 and shared >= _SHARED * min(np.ptp(a), np.ptp(b)))


def _beyond(part: list[Frame], stack: list[Frame]) -> tuple[list[Frame], list[Frame]]:
    """The frames of the part that lie beyond the stack's ends, and those between them (where two scans overlap)."""
    everything = places_of(_offsets([*stack, *part]))
    taken, places = everything[: len(stack)], everything[len(stack) :]
    inside = [taken.min() <= place <= taken.max() for place in places]
    beyond = [frame for frame, within in zip(part, inside, strict=True) if not within]
    return beyond, [frame for frame, within in zip(part, inside, strict=True) if within]


def _without_collisions(frames: list[Frame]) -> list[Group]:
    """Groups with one image at each place."""
    if not _collide(frames):
        return [Group(tuple(frames))]
    beside = _by_corner(frames)
    if len(beside) > 1:
        return [
            replace(group, traits=group.traits | {"corner at": corner}, known=False)
            for corner, part in beside.items()
            for group in _without_collisions(part)
        ]
    kept, duplicates = _drop_equal(frames)
    if not _collide(kept):
        return [Group(tuple(kept), duplicates=tuple(duplicates))]
    most = _images_at_one_place(kept)
    if most < _images_at_one_place(frames):
        frames = kept
    else:  # nothing was sent twice: images of different groups may be equal where they show air alone
        duplicates = []
    told = differing_element(frames, _is_clean, 2 * most)
    if told is None and not _differ_in_time(frames, most):
        told = differing_element(frames, _is_clean, 2 * most, identifiers=True)
    if told is not None:
        name, parts = told
        groups = [Group(tuple(part), {name: value}, known=False) for value, part in parts]
    else:
        groups = _in_order(frames, most)
    return [replace(groups[0], duplicates=tuple(duplicates)), *groups[1:]]


def _by_corner(frames: list[Frame]) -> dict[str, list[Frame]]:
    """Stacks that lie beside each other, by the place of the first pixel in the slices' plane.

    All as one where that place drifts from slice to slice, as in a tilted scan.
    """
    row, column = (np.array(frames[0].orientation[n : n + 3]) for n in (0, 3))
    parts: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        parts[f"({np.dot(frame.position, row):.0f}, {np.dot(frame.position, column):.0f}) mm"].append(frame)
    most = _images_at_one_place(frames)
    return parts if len(parts) <= most else {"": frames}


def _in_order(frames: list[Frame], most: int) -> list[Group]:
    """Images that no element tells apart: the first at each place, the second, ... in time or by instance number."""
    name = TIME if _differ_in_time(frames, most) else ORDER
    by_place: dict[int, list[Frame]] = defaultdict(list)
    for frame, place in zip(frames, _places(frames), strict=True):
        by_place[int(place)].append(frame)
    stacks: list[list[Frame]] = [[] for _ in range(most)]
    for members in by_place.values():
        members.sort(key=lambda frame: (frame.time if name == TIME else (), frame.instance, str(frame.path)))
        for stack, frame in zip(stacks, members, strict=False):
            stack.append(frame)
    return [
        Group(tuple(stack), {name: f"{n} of {most}"}, known=name == TIME) for n, stack in enumerate(stacks, start=1)
    ]


def _differ_in_time(frames: list[Frame], most: int) -> bool:
    return len({frame.time for frame in frames}) >= most


def _drop_equal(frames: list[Frame]) -> tuple[list[Frame], list[Frame]]:
    """The frames without those whose pixels are equal to another's at the same place, and the ones dropped."""
    pixels = PixelReader()
    digests: dict[int, set[str]] = defaultdict(set)
    places = _places(frames)
    crowded = {place for place, count in Counter(places).items() if count > 1}
    kept, dropped = [], []
    for frame, place in zip(frames, places, strict=True):
        if place in crowded and not frame.defect:
            digest = _pixel_digest(pixels, frame)
            if digest in digests[place]:
                dropped.append(frame)
                continue
            digests[place].add(digest)
        kept.append(frame)
    return kept, dropped


def _pixel_digest(pixels: PixelReader, frame: Frame) -> str:
    try:
        values = pixels(frame).astype(np.float32)
    except (UnusableInput, MissingResource):  # told when the group is read; until then equal to nothing
        return f"{frame.path}#{frame.frame}"
    return hashlib.sha256(values.tobytes()).hexdigest()


# --- where frames lie


def _geometry_classes(frames: Sequence[Frame]) -> list[list[Frame]]:
    classes: list[list[Frame]] = []
    for frame in frames:
        members = next((members for members in classes if _fits(members[0], frame)), None)
        if members is None:
            classes.append([frame])
        else:
            members.append(frame)
    return classes


def _fits(one: Frame, other: Frame) -> bool:
    """Whether size, pixel size and orientation are the same within the rounding of headers."""
    if one.shape != other.shape or (one.position is None) != (other.position is None):
        return False
    for a, b, tolerance in ((one.orientation, other.orientation, 5e-3), (one.spacing, other.spacing, 0.01)):
        if (a is None) != (b is None) or (a is not None and not np.allclose(a, b, rtol=0, atol=tolerance)):
            return False
    return True


def _stackable(frames: Sequence[Frame]) -> bool:
    """Whether the frames say where they lie."""
    return all(frame.position is not None and frame.orientation is not None for frame in frames) and bool(
        np.linalg.norm(_normal(frames[0])) > 0.5
    )


def _normal(frame: Frame) -> np.ndarray:
    return np.cross(frame.orientation[:3], frame.orientation[3:])


def _offsets(frames: Sequence[Frame]) -> np.ndarray:
    """mm along the normal."""
    return np.array([frame.position for frame in frames]) @ _normal(frames[0])


def _places(frames: Sequence[Frame]) -> list[int]:
    return [int(place) for place in places_of(_offsets(frames))]


def _collide(frames: Sequence[Frame]) -> bool:
    return len(set(_places(frames))) < len(frames)


def _images_at_one_place(frames: Sequence[Frame]) -> int:
    """How many there are at most."""
    return max(Counter(_places(frames)).values())


def _is_clean(frames: Sequence[Frame]) -> bool:
    return not _collide(frames)


# --- what tells groups apart


def _labeled(groups: list[Group]) -> list[Group]:
    """The groups, the largest first, with their common traits and a label of those in which they differ."""
    complete = [replace(group, traits=_common_traits(group.frames) | group.traits) for group in groups]
    complete.sort(key=lambda group: -len(group.frames))
    if len(complete) == 1:
        return complete
    names = dict.fromkeys(name for group in complete for name in group.traits)
    differing = [name for name in names if len({str(group.traits.get(name)) for group in complete}) > 1]
    if len({group.traits["image_type"] for group in complete}) > 1 and len(differing) > 1:
        differing.remove("image_type")  # said by the traits that are read from it
    labels = [[text for name in differing if (text := label_of(name, group.traits.get(name)))] for group in complete]
    return [
        replace(group, label=", ".join(label[:_SHOWN]) or "without these")
        for group, label in zip(complete, labels, strict=True)
    ]


def _common_traits(frames: Sequence[Frame]) -> dict[str, object]:
    """Traits that all frames share, None for others; and their geometry."""
    first = frames[0]
    traits = {
        name: first.traits.get(name)
        for name in (*SEPARATE, *OVERLAPPING)
        if all(frame.traits.get(name) == first.traits.get(name) for frame in frames)
    }
    traits.setdefault("image_type", None)
    return traits | {
        "orientation": orientation_name(first) or "without position",
        "size": f"{first.shape[1]} x {first.shape[0]} pixels",
        "pixel": f"{first.spacing[0]:.3g} mm pixels" if first.spacing else "",
    }
